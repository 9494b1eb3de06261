from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import COUNTS, LOG_RATES, RATES, Case, Domain, Limit
from tests.compiling import quick

HARD_COUNTS = [0, 1, 2, 3, 4, 7, 10, 23, 100, 1000, 12345, 1e6, 1e7, 1e8]


def nll(p, t, log_input=True, full=False, eps=0):
    rate, log_rate = (mp.exp(p), p) if log_input else (p, mp.log(p + eps) if p + eps > 0 else -mp.inf)
    constant = mp.mpf(0)
    if full in (True, "exact"):
        constant = mp.loggamma(t + 1)
    elif full == "stirling" and t > 1:
        constant = t * mp.log(t) - t + mp.log(2 * mp.pi * t) / 2
    return rate - (t * log_rate if t else 0) + constant


def exposed(p, t, o, log_input=True, **options):
    """The negative log-likelihood of a rate times an exposure."""
    return nll(p + o if log_input else p * mp.exp(o), t, log_input, **options)


def deviance(p, t, log_input=True):
    rate = mp.exp(p) if log_input else p
    return 2 * ((t * (mp.log(t) - mp.log(rate)) if t else 0) - (t - rate))


def terms(p, t, log_input=True, full=False, eps=0):
    """The largest are those of the negative log-likelihood; the deviance has the same and the count itself."""
    rate, log_rate = (mp.exp(p), p) if log_input else (p, mp.log(p))
    # The sum of rate and eps is rounded before its logarithm is taken, which moves k log(r + eps) by a unit of k.
    return rate, t * log_rate, *((mp.loggamma(t + 1), t) if full or eps else ())


def log_rates():
    """Each count under log-rates far from it, close to it, and closer."""
    pairs = [(x, k) for k in HARD_COUNTS for x in (-80, -20, -3, -0.5, 0.0, 1e-4, 0.7, 3, 18, 40, 88)]
    for k in HARD_COUNTS[1:]:
        pairs += [(np.log(k) + s * d, k) for s in (-1, 1) for d in (0, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 2.5)]
    return np.array(pairs, np.float32).T


def rates():
    x, k = log_rates()
    keep = (x > -80) & (x < 40)
    return np.exp(x[keep].astype(np.float64)).astype(np.float32), k[keep]


def under_exposures(of, combined):
    """Rates that exposures of every size make of others; none of the products is an integer."""
    points = []
    for i, (x, k) in enumerate(zip(*of(), strict=True)):
        o = np.float32((-30.3, -7.1, -0.6, 0.0, 1e-3, 2.3, 11.7)[i % 7])
        points.append((combined(x, -o), k, o))
    return np.array(points, np.float32).T


def exposed_log_rates():
    # The rounding of the largest sums moves the rate by more than the largest float has for a unit.
    return under_exposures(lambda: log_rates()[:, log_rates()[0] < 80], lambda x, o: x + o)


def exposed_rates():
    return under_exposures(rates, lambda r, o: r * np.exp(o))


def _but_one(draw):
    """Stirling's constant begins above a count of 1: there the loss jumps, and has no slope in the count."""

    def drawn(*how):
        counts = draw(*how)
        return np.where(counts == 1, np.float32(2), counts)

    return drawn


def _case(fn, form, oracle, options, grid, **more):
    log_input = options.get("log_input", True)
    # Without the constant the formula has a value at a negative count.
    counts = replace(COUNTS, tolerated=fn is NLL and not options.get("full"))
    if options.get("full") == "stirling":
        counts = replace(counts, draw=_but_one(counts.draw), hard=_but_one(counts.hard))
    return Case(
        fn=fn,
        form=form,
        arrays={"predictions": LOG_RATES if log_input else RATES, "targets": counts},
        oracle=oracle,
        options=options,
        bad_options=BAD if fn is NLL else {"log_input": BAD["log_input"]},
        grid=grid,
        terms=terms,
        gradient_terms=lambda p, t, **_: (mp.exp(p), t) if log_input else (1, t / p),
        nonnegative=fn is DEVIANCE,
        **more,
    )


BAD = {"full": ("stirlings", 1, None), "log_input": (1, "yes"), "eps": (-1e-3, "small")}
OFFSETS = Domain(
    cases.normal, hard=cases.choice(lambda: [-20, -3, 0, 1e-4, 0.7, 3]), ends=(0.0, -100, 80), alone=(-np.inf,)
)
"""An exposure of 0 and an infinite rate have no product."""


def _exposed(options, grid, **more):
    case = _case(NLL, FORM, exposed, options, grid, **more)
    log_input = options.get("log_input", True)

    def own_terms(p, t, o, **options):
        # The sum of log-rate and offset is rounded, which moves the rate by a unit of it times the rate.
        rate, log_rate = (mp.exp(p + o), p + o) if log_input else (p * mp.exp(o), mp.log(p) + o)
        moved = (rate * log_rate,) if log_input else ()
        return (
            rate,
            t * (log_rate - o),
            t * o,
            *moved,
            *((mp.loggamma(t + 1), t, options.get("eps", 0)) if options.get("full") or options.get("eps") else ()),
        )

    def slopes(p, t, o, **options):
        rate, log_rate = (mp.exp(p + o), p + o) if log_input else (p * mp.exp(o), mp.log(p) + o)
        own = rate, t, rate * log_rate if log_input else 0
        counted = (mp.digamma(t + 1),) if options.get("full") else ()
        return {
            "predictions": own if log_input else (mp.exp(o), t / p),
            "offset": own,
            "targets": (p if log_input else mp.log(p), o, *counted),
        }

    def curves(p, t, o, **options):
        rate, log_rate = (mp.exp(p + o), p + o) if log_input else (p * mp.exp(o), mp.log(p) + o)
        own = rate, rate * log_rate, 1
        counted = (mp.polygamma(1, t + 1),) if options.get("full") else ()
        if log_input:
            return {"predictions": own, "offset": own, "targets": (1, *counted)}
        return {
            "predictions": (t / p**2, mp.exp(o), 1 / p),
            "offset": (mp.exp(o), rate, 1),
            "targets": (1 / p, 1, *counted),
        }

    arrays = {**case.arrays, "offset": OFFSETS}
    return replace(case, arrays=arrays, terms=own_terms, gradient_terms=slopes, second_terms=curves)


S4, S8, M2, M4 = Limit(scaled=4), Limit(scaled=8), Limit(strict=2), Limit(strict=4)
EACH_6, EACH_8 = ({name: Limit(scaled=n) for name in ("predictions", "offset", "targets")} for n in (6, 8))
NLL, FORM = jaxloss.poisson_nll, jaxloss.PoissonNLL
DEVIANCE, DEVIANCE_FORM = jaxloss.poisson_deviance, jaxloss.PoissonDeviance
CASES = [
    _case(NLL, FORM, nll, {}, log_rates, value=S4, gradient=S8, second=M4),
    _case(NLL, FORM, nll, {"full": "stirling"}, log_rates, value=S8, gradient=S8, second=M4),
    _case(NLL, FORM, nll, {"full": "exact"}, log_rates, value=M4, gradient=S8, second=M4),
    _case(NLL, FORM, nll, {"log_input": False}, rates, value=Limit(scaled=2), gradient=M2, second=M4),
    _case(NLL, FORM, nll, {"log_input": False, "full": True}, rates, value=M4, gradient=M2, second=M4),
    _case(NLL, FORM, nll, {"log_input": False, "eps": 1e-3}, rates, value=S4, gradient=S4, second=Limit(strict=8)),
    _case(DEVIANCE, DEVIANCE_FORM, deviance, {}, log_rates, value=S4, gradient=S8, second=M4),
    _case(
        DEVIANCE, DEVIANCE_FORM, deviance, {"log_input": False}, rates, value=Limit(strict=5), gradient=M2, second=M4
    ),
    _exposed({}, exposed_log_rates, value=S4, gradient=EACH_6, second=EACH_8),
    _exposed({"full": "exact"}, exposed_log_rates, value=S4, gradient=EACH_6, second=EACH_8),
    _exposed({"log_input": False}, exposed_rates, value=S4, gradient=EACH_6, second=EACH_8),
    _exposed({"log_input": False, "full": "exact"}, exposed_rates, value=S4, gradient=EACH_6, second=EACH_8),
    _exposed({"log_input": False, "full": "exact", "eps": 1e-3}, exposed_rates, value=Limit(scaled=6)),
    _exposed({"log_input": False, "eps": 1e-3}, exposed_rates, value=Limit(scaled=6)),
]


@pytest.mark.parametrize("full", [False, "exact"])
def test_a_count_of_zero_at_a_rate_of_zero_has_loss_zero(full):
    def rate(r):
        return jaxloss.poisson_nll(r, 0.0, log_input=False, full=full)

    assert rate(0.0) == 0
    assert jax.grad(rate)(0.0) == 1
    assert jax.grad(jax.grad(rate))(0.0) == 0
    assert jaxloss.poisson_nll(-jnp.inf, 0.0, full=full) == 0
    assert jax.grad(lambda x: jaxloss.poisson_nll(x, 0.0, full=full))(-jnp.inf) == 0
    assert rate(1.0) == 1


@pytest.mark.parametrize("full", [False, "exact"])
def test_an_impossible_count_has_an_infinite_loss(full):
    assert jaxloss.poisson_nll(0.0, 2.0, log_input=False, full=full) == jnp.inf
    assert jaxloss.poisson_nll(-jnp.inf, 2.0, full=full) == jnp.inf
    assert jaxloss.poisson_deviance(-jnp.inf, 2.0) == jnp.inf
    assert jaxloss.poisson_nll(jnp.inf, 2.0, full=full) == jnp.inf


def test_without_the_constant_a_negative_count_has_the_value_of_the_formula():
    np.testing.assert_allclose(jaxloss.poisson_nll(1.0, -2.0), np.e + 2, rtol=1e-6)
    assert jnp.isnan(jaxloss.poisson_nll(1.0, -2.0, full="exact"))


def test_integer_counts_beyond_half_precision_are_not_rounded_to_it():
    k = jnp.array([2049, 100_003])
    x = jnp.array([7.0, 11.0], jnp.bfloat16)
    truth = np.exp(np.float64([7, 11])) - np.float64([2049, 100_003]) * [7, 11]
    np.testing.assert_allclose(jaxloss.poisson_nll(x, k), truth, rtol=1e-6)


def test_the_likelihood_sums_to_one():
    k = np.arange(200, dtype=np.float32)
    losses = quick(lambda k: jaxloss.poisson_nll(np.full(200, np.log(37.5), np.float32), k, full="exact"))(k)
    np.testing.assert_allclose(np.exp(-np.float64(losses)).sum(), 1, rtol=1e-6)


def test_the_slope_in_a_fractional_count_is_that_of_the_gamma_function():
    k = np.float32([0, 0.25, 1, 2.5, 40])
    got = quick(jax.grad(lambda k: jaxloss.poisson_nll(jnp.full(5, 0.3), k, full="exact").sum()))(k)
    truth = [float(mp.digamma(mp.mpf(float(v)) + 1)) - 0.3 for v in k]
    np.testing.assert_allclose(got, truth, rtol=1e-5, atol=1e-6)


def test_an_exposure_multiplies_the_rate():
    k, x, o = np.float32([0, 3, 7, 2]), np.float32([-1, 0.5, 2, 0]), np.float32([0, -2, 1.5, 0.25])
    losses = quick(lambda k, x, o: jaxloss.poisson_nll(x, k, offset=o, full="exact"))(k, x, o)
    truth = -scipy_stats().poisson.logpmf(k, np.exp(np.float64(x + o)))
    np.testing.assert_allclose(losses, truth, rtol=1e-6)
    of_rates = jaxloss.poisson_nll(np.exp(x), k, offset=o, log_input=False, full="exact")
    np.testing.assert_allclose(of_rates, truth, rtol=1e-6)


def scipy_stats():
    return pytest.importorskip("scipy.stats")


def test_a_product_of_rate_and_exposure_may_be_too_small_for_a_float():
    loss = lambda r, o, k: jaxloss.poisson_nll(r, k, offset=o, log_input=False)
    got = quick(loss)(np.float32([1e-30, 1e-30, 1e-30]), np.float32([-80, -80, 100]), np.float32([0, 2, 1]))
    log = np.log(1e-30)
    np.testing.assert_allclose(got, [0, 2 * (80 - log), np.exp(100 + log) - 100 - log], rtol=1e-6)


def test_no_exposure_is_a_rate_of_zero():
    assert jaxloss.poisson_nll(1.0, 0.0, offset=-jnp.inf) == 0
    assert jaxloss.poisson_nll(1.0, 2.0, offset=-jnp.inf) == jnp.inf
    assert jaxloss.poisson_nll(2.0, 0.0, offset=-jnp.inf, log_input=False, full="exact") == 0
    assert jax.grad(lambda x: jaxloss.poisson_nll(x, 0.0, offset=-jnp.inf))(1.0) == 0
