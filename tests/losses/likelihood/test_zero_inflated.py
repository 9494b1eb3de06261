from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import COUNTS, LOG_ODDS, LOG_RATES, RATES, Case, Limit
from tests.compiling import quick

HARD_GATES = [-100, -40, -9.3, -3, -0.7, -1e-3, 0, 0.4, 5, 20, 90]
MANY_ZEROS = replace(
    COUNTS,
    draw=lambda rng, shape, sizes: rng.poisson(1.0, shape).astype(np.float32),
    hard=cases.choice(lambda: [0, 1e6, 0, 0, 3, 0, 0]),
)


def is_zero(k):
    """At a count of 0 the loss jumps, and is constant: the steps of differences are smaller than this."""
    return abs(k) < mp.mpf(10) ** -20


def shares(g):
    """The probabilities of a structural zero and of none."""
    return 1 / (1 + mp.exp(-g)), 1 / (1 + mp.exp(g))


def nll(p, k, g, log_input=True):
    rate, log_rate = (mp.exp(p), p) if log_input else (p, mp.log(p) if p else -mp.inf)
    structural, other = shares(g)
    if is_zero(k):
        # The sum of both probabilities as 1 less that of a positive count: rates may be too small for its digits.
        total = structural + other * mp.exp(-rate)
        return -mp.log1p(other * mp.expm1(-rate)) if total else mp.inf
    return -(mp.log(other) if other else -mp.inf) + rate - k * log_rate + mp.loggamma(k + 1)


def terms(p, k, g, log_input=True):
    """Of a positive count those of the Poisson law's; of a zero the answer alone."""
    rate, log_rate = (mp.exp(p), p) if log_input else (p, mp.log(p))
    return () if is_zero(k) else (rate, k * log_rate, mp.loggamma(k + 1), k, mp.log(1 + mp.exp(g)))


def of_zeros(rate, g):
    """The shares of both kinds of zeros, and the probability of a positive count."""
    (structural, own), other = shares(g + rate), shares(g)[1]
    return structural, own, other * -mp.expm1(-rate)


def gradient_terms(p, k, g, log_input=True):
    if is_zero(k):
        return {}
    in_p = (mp.exp(p), k) if log_input else (1, k / p)
    return {"predictions": in_p, "targets": (mp.digamma(k + 1), p if log_input else mp.log(p))}


def second_terms(p, k, g, log_input=True):
    rate, inner = (mp.exp(p), mp.exp(p)) if log_input else (p, 1)
    if not is_zero(k):
        in_p = (rate, 1) if log_input else (k / p**2, 1 / p)
        return {"predictions": in_p, "targets": (mp.polygamma(1, k + 1), 1 if log_input else 1 / p)}
    structural, own, positive = of_zeros(rate, g)
    both = structural * own
    return {
        "predictions": (rate * own if log_input else 0, inner * inner * both, inner * both),
        "gate_logits": (structural * positive * own, structural * positive * shares(g)[0], inner * both),
    }


def log_rates():
    """Zeros under every gate, at rates that make them as probable as the structural ones, and other counts."""
    rates = [-100, -30, -3, -0.5, 0, 0.7, 1.1, 2, 3, 3.7, 4.3, 10, 40]
    points = [(x, 0, g) for x in rates for g in HARD_GATES]
    points += [(np.log(-g + d), 0, g) for g in HARD_GATES[:5] for d in (-0.3, 0, 1e-5, 0.01, 2, 30) if d > g]
    counted = [(k, x) for k in (1, 2, 3, 17, 1000, 1e8) for x in (-80, -3, 1e-4, np.log(k) + 1e-4, np.log(k) + 0.1, 18)]
    # Where both shares are no float, neither are products of them with the rate.
    points = [(x, k, g) for x, k, g in points if np.exp(x) + g < 80]
    points += [(x, k, HARD_GATES[i % len(HARD_GATES)]) for i, (k, x) in enumerate(counted)]
    return np.array(points, np.float32).T


def rates():
    x, k, g = log_rates()
    keep = (x > -80) & ((x < 40) | (k == 0))
    return np.exp(x[keep].astype(np.float64)).astype(np.float32), k[keep], g[keep]


def case_of_zeros(fn, form, oracle, options, grid, counts, **more):
    return Case(
        fn=fn,
        form=form,
        arrays={"predictions": LOG_RATES if options.get("log_input", True) else RATES, "targets": counts}
        | {"gate_logits": LOG_ODDS},
        oracle=oracle,
        options=options,
        bad_options={"log_input": (1, "yes")},
        grid=grid,
        held=2,  # a form near the best prediction, or for a zero, and another, whose logarithms are both stored
        **more,
    )


EACH_6, EACH_8 = ({name: Limit(scaled=n) for name in ("predictions", "targets", "gate_logits")} for n in (6, 8))
ZIP = {
    "value": Limit(scaled=4),
    "gradient": EACH_6,
    "second": EACH_8,
    "terms": terms,
    "gradient_terms": gradient_terms,
    "second_terms": second_terms,
}
POISSON = jaxloss.zero_inflated_poisson_nll, jaxloss.ZeroInflatedPoissonNLL, nll
CASES = [
    case_of_zeros(*POISSON, {}, log_rates, MANY_ZEROS, **ZIP),
    case_of_zeros(*POISSON, {"log_input": False}, rates, MANY_ZEROS, **ZIP),
]


def test_the_likelihood_sums_to_one():
    k = np.arange(100, dtype=np.float32)
    losses = quick(lambda k: jaxloss.zero_inflated_poisson_nll(jnp.full(100, 1.5), k, gate_logits=-0.4))(k)
    np.testing.assert_allclose(np.exp(-np.float64(losses)).sum(), 1, rtol=1e-6)


def test_without_structural_zeros_it_is_the_poisson_law():
    x, k = np.float32([-3, 0.5, 2, 4]), np.float32([0, 0, 3, 40])
    poisson = lambda x: jaxloss.poisson_nll(x, k, full="exact")
    inflated = lambda x: jaxloss.zero_inflated_poisson_nll(x, k, gate_logits=-jnp.inf)
    np.testing.assert_allclose(quick(inflated)(x), quick(poisson)(x), rtol=1e-6)
    slopes = [quick(jax.grad(lambda x, f=f: f(x).sum()))(x) for f in (inflated, poisson)]
    np.testing.assert_allclose(*slopes, rtol=1e-6)


def test_the_slope_of_a_zero_has_the_share_of_the_law():
    """gluonts #1130: the value of a zero was right, and its slope that of another function."""
    f = lambda x, g: jaxloss.zero_inflated_poisson_nll(x, 0.0, gate_logits=g)
    x, g = np.float32(1.2), np.float32(-2.0)
    rate = np.exp(np.float64(x))
    own = np.exp(-rate) / (np.exp(np.float64(g)) + np.exp(-rate))
    in_x, in_g = quick(jax.grad(f, (0, 1)))(x, g)
    np.testing.assert_allclose(in_x, rate * own, rtol=1e-6)
    np.testing.assert_allclose(in_g, 1 / (1 + np.exp(-np.float64(g))) - (1 - own), rtol=1e-5)


@pytest.mark.parametrize("log_input", [True, False])
def test_no_slope_is_nan_by_the_outcome_that_was_not(log_input):
    """pymc #8057: the gradient of a selection was nan where the other outcome's was infinite."""

    def slopes(p, k, g):
        f = lambda p, g: jaxloss.zero_inflated_poisson_nll(p, k, gate_logits=g, log_input=log_input)
        return f(p, g), jax.grad(f, (0, 1))(p, g), jax.hessian(f, (0, 1))(p, g)

    nothing = -np.inf if log_input else 0.0
    points = [(nothing, 0, 0.3), (nothing, 0, -np.inf), (2.0, 0, np.inf), (2.0, 0, -np.inf), (2.0, 3, -np.inf)]
    points += [(np.inf, 0, 1.0), (np.inf, 0, np.inf)]
    for leaf in jax.tree.leaves(quick(jax.vmap(slopes))(*np.array(points, np.float32).T)):
        assert np.isfinite(leaf).all(), leaf


def test_statsmodels():
    discrete = pytest.importorskip("statsmodels.discrete.count_model")
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(40), rng.normal(size=40)])
    k = rng.poisson(2, 40) * rng.integers(0, 2, 40)
    gate, slopes = np.array([-0.4, 0.3]), np.array([0.5, -0.2])
    model = discrete.ZeroInflatedPoisson(k, design, exog_infl=design, inflation="logit")
    truth = -model.loglikeobs(np.concatenate([gate, slopes]))
    x, g = (design @ slopes).astype(np.float32), (design @ gate).astype(np.float32)
    losses = quick(lambda x, g: jaxloss.zero_inflated_poisson_nll(x, k, gate_logits=g))(x, g)
    np.testing.assert_allclose(losses, truth, rtol=2e-6)
