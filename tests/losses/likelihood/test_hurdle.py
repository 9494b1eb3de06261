from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import Limit
from tests.compiling import quick
from tests.losses.likelihood.test_zero_inflated import (
    EACH_6,
    EACH_8,
    HARD_GATES,
    MANY_ZEROS,
    case_of_zeros,
    is_zero,
    shares,
)

HURDLED = replace(MANY_ZEROS, ends=(0.0, 1.0, 2.5, 1e8), outside=(-1.0, 0.5))


def nll(p, k, g, log_input=True):
    rate, log_rate = (mp.exp(p), p) if log_input else (p, mp.log(p) if p else -mp.inf)
    zero, other = shares(g)
    if is_zero(k):
        return -(mp.log(zero) if zero else -mp.inf)
    gate = -(mp.log(other) if other else -mp.inf)
    if not rate:
        return gate if k == 1 else mp.inf
    return gate + rate - k * log_rate + mp.loggamma(k + 1) + mp.log(-mp.expm1(-rate))


def terms(p, k, g, log_input=True):
    """The terms of the form without (1 - e^-r) at rates below 1: a count of 1 has no large one."""
    log_rate = p if log_input else mp.log(p)
    return () if is_zero(k) else ((k - 1) * log_rate, mp.loggamma(k + 1), k - 1, mp.log(1 + mp.exp(g)))


def _excess(rate):
    return rate / -mp.expm1(-rate) - 1


def gradient_terms(p, k, g, log_input=True):
    if is_zero(k):
        return {}
    in_p = (_excess(mp.exp(p)), k - 1) if log_input else (_excess(p) / p, (k - 1) / p)
    return {"predictions": in_p, "targets": (mp.digamma(k + 1), p if log_input else mp.log(p))}


def second_terms(p, k, g, log_input=True):
    if is_zero(k):
        return {}
    rate = mp.exp(p) if log_input else p
    bend = rate**2 * mp.exp(-rate) / mp.expm1(-rate) ** 2
    large = (1 / p**2, bend / p**2) if p > 1 else ()
    in_p = (1, mp.exp(p)) if log_input else ((k - 1) / p**2, 1 / p, *large)
    return {"predictions": in_p, "targets": (mp.polygamma(1, k + 1), 1 if log_input else 1 / p)}


def log_rates():
    """Counts at rates from nothing to far more, near the change of the form at 1 too."""
    logs = [-100, -69, -30, -5, -1, -1e-3, 0, 1e-3, 0.7, 3, 10, 18, 40]
    points = [(x, k) for k in (1, 2, 3, 7, 40, 1000, 1e8) for x in logs]
    points += [(np.log(k) + d, k) for k in (1, 2, 3, 40, 1e4, 1e8) for d in (-0.1, -1e-4, 1e-6, 1e-3, 0.3, 1.5)]
    points = [(x, k, HARD_GATES[i % len(HARD_GATES)]) for i, (x, k) in enumerate(points)]
    points += [(x, k, -100) for x in logs for k in (1, 2)] + [(x, 0, g) for x in (-100, 0.5, 40) for g in HARD_GATES]
    return np.array(points, np.float32).T


def rates():
    x, k, g = log_rates()
    keep = (x > -40) & (x < 40)  # the steps of the differences are shares of the rate, and are squared
    return np.exp(x[keep].astype(np.float64)).astype(np.float32), k[keep], g[keep]


HURDLE = {
    "value": Limit(scaled=5),
    "gradient": EACH_6,
    "second": EACH_8,
    "terms": terms,
    "gradient_terms": gradient_terms,
    "second_terms": second_terms,
}
POISSON = jaxloss.hurdle_poisson_nll, jaxloss.HurdlePoissonNLL, nll
CASES = [
    case_of_zeros(*POISSON, {}, log_rates, HURDLED, **HURDLE),
    case_of_zeros(*POISSON, {"log_input": False}, rates, HURDLED, **HURDLE),
]


@pytest.mark.parametrize("log_input", [True, False])
def test_where_the_rate_is_nothing_every_positive_count_is_one(log_input):
    loss = lambda p, k: jaxloss.hurdle_poisson_nll(p, k, gate_logits=-jnp.inf, log_input=log_input)
    rates = np.float32([0, 1e-38, 1e-30, 1e-10])
    p = np.float32([-np.inf, -100, -69, -23]) if log_input else rates
    of_one, slopes = quick(jax.vmap(jax.value_and_grad(lambda p: loss(p, 1.0))))(p)
    np.testing.assert_allclose(of_one, (np.exp(p) if log_input else rates) / 2, rtol=1e-5, atol=1e-38)
    np.testing.assert_allclose(slopes, np.exp(p) / 2 if log_input else [0.5] * 4, rtol=1e-5, atol=1e-38)
    assert loss(p[0], 2.0) == np.inf


def test_the_likelihood_sums_to_one():
    k = np.arange(100, dtype=np.float32)
    for x in (-3.0, 1.5):
        losses = quick(lambda k, x=x: jaxloss.hurdle_poisson_nll(jnp.full(100, x), k, gate_logits=-0.4))(k)
        np.testing.assert_allclose(np.exp(-np.float64(losses)).sum(), 1, rtol=1e-6)


def test_no_slope_is_nan_by_the_outcome_that_was_not():
    """pymc #8057: the gradient was nan at zeros, where the truncated law of the positive counts has no rate."""

    def slopes(x, k, g):
        f = lambda x, g: jaxloss.hurdle_poisson_nll(x, k, gate_logits=g)
        return f(x, g), jax.grad(f, (0, 1))(x, g), jax.hessian(f, (0, 1))(x, g)

    points = [(-np.inf, 0, 0.3), (np.inf, 0, 0.3), (2.0, 0, np.inf), (2.0, 3, -np.inf), (-np.inf, 1, 0.0)]
    for leaf in jax.tree.leaves(quick(jax.vmap(slopes))(*np.array(points, np.float32).T)):
        assert np.isfinite(leaf).all(), leaf


def test_statsmodels():
    truncated = pytest.importorskip("statsmodels.discrete.truncated_model")
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(40), rng.normal(size=40)])
    k, slopes = 1 + rng.poisson(2, 40), np.array([0.5, -0.2])
    truth = -truncated.TruncatedLFPoisson(k, design, truncation=0).loglikeobs(slopes)
    x = (design @ slopes).astype(np.float32)
    losses = quick(lambda x: jaxloss.hurdle_poisson_nll(x, k, gate_logits=-jnp.inf))(x)
    np.testing.assert_allclose(losses, truth, rtol=2e-6)
