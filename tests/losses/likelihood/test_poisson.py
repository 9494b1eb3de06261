from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import COUNTS, LOG_RATES, RATES, Case, Limit
from tests.compiling import jit

HARD_COUNTS = [0, 1, 2, 3, 4, 7, 10, 23, 100, 1000, 12345, 1e6, 1e7, 1e8]


def nll(p, t, log_input=True, full=False, eps=0):
    rate, log_rate = (mp.exp(p), p) if log_input else (p, mp.log(p + eps) if p + eps > 0 else -mp.inf)
    constant = mp.mpf(0)
    if full in (True, "exact"):
        constant = mp.loggamma(t + 1)
    elif full == "stirling" and t > 1:
        constant = t * mp.log(t) - t + mp.log(2 * mp.pi * t) / 2
    return rate - (t * log_rate if t else 0) + constant


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
S4, S8, M2, M4 = Limit(scaled=4), Limit(scaled=8), Limit(strict=2), Limit(strict=4)
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
    losses = jit(lambda k: jaxloss.poisson_nll(np.full(200, np.log(37.5), np.float32), k, full="exact"))(k)
    np.testing.assert_allclose(np.exp(-np.float64(losses)).sum(), 1, rtol=1e-6)


def test_the_slope_in_a_fractional_count_is_that_of_the_gamma_function():
    k = np.float32([0, 0.25, 1, 2.5, 40])
    got = jit(jax.grad(lambda k: jaxloss.poisson_nll(jnp.full(5, 0.3), k, full="exact").sum()))(k)
    truth = [float(mp.digamma(mp.mpf(float(v)) + 1)) - 0.3 for v in k]
    np.testing.assert_allclose(got, truth, rtol=1e-5, atol=1e-6)
