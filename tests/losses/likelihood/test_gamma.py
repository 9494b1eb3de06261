from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import INF, LOG_RATES, RATES, SCALES, Case, Limit, choice
from tests.compiling import quick

MEANS = replace(RATES, ends=(1e-12, 1e30, INF), outside=(0.0, -0.5))
TARGETS = replace(SCALES, alone=(INF,))
CONCENTRATIONS = replace(SCALES, hard=choice(lambda: [1e-3, 0.1, 1, 40, 1e5]), ends=(1e-10, 1e8))
SIZES = [1e-6, 1e-3, 0.1, 0.9, 1, 2, 40, 1e3, 1e6, 1e8]


def nll(p, t, k, log_input=True):
    log_mean, mean = (p, mp.exp(p)) if log_input else (mp.log(p), p)
    return mp.loggamma(k) - k * (mp.log(k) - log_mean) - (k - 1) * mp.log(t) + k * t / mean


def log_means():
    """Targets and concentrations of every size under means far from the target, near it, and nearer."""
    steps = [s * d for s in (-1, 1) for d in (0, 1e-7, 1e-5, 1e-3, 0.1, 0.7, 3, 12)]
    return np.array([(np.log(np.float32(t)) + d, t, k) for t in SIZES[:-1] for d in steps for k in SIZES], np.float32).T


def means():
    x, t, k = log_means().astype(np.float64)
    return np.array([np.exp(x), t, k]).astype(np.float32)


def _mean(p, log_input):
    """The mean, and the slope of its logarithm in the prediction."""
    return (mp.exp(p), 1) if log_input else (p, 1 / p)


def _excess(p, t, log_input):
    r = t / _mean(p, log_input)[0]
    return r - 1 - mp.log(r)


def _error(p, t, log_input):
    """The relative error, and what of it is resolved: logarithms are held to 40 bits."""
    r = t / _mean(p, log_input)[0] - 1
    return max(abs(r), (max(1, abs(p)) if log_input else 0) * mp.mpf(2) ** -16)


def terms(p, t, k, log_input=True):
    return mp.log(t), mp.log(k), k * _excess(p, t, log_input), 1


def slope_terms(p, t, k, log_input=True):
    _, chain = _mean(p, log_input)
    r = _error(p, t, log_input)
    return {
        "predictions": (k * r * chain,),
        "targets": (1 / t, k * r / t),
        "concentration": (_excess(p, t, log_input), mp.log(k) - mp.digamma(k)),
    }


def bends(p, t, k, log_input=True):
    mean, chain = _mean(p, log_input)
    r = _error(p, t, log_input)
    with_target, with_k = k / mean * chain, r * chain
    return {
        "predictions": (k * chain**2, k * (r + 1) * chain**2, with_target, with_k),
        "targets": (with_target, 1 / t**2, k / t**2, r / t),
        "concentration": (with_k, r / t, mp.polygamma(1, k) - 1 / k),
    }


def _case(predictions, grid, **options):
    names = "predictions", "targets", "concentration"
    return Case(
        fn=jaxloss.gamma_nll,
        form=jaxloss.GammaNLL,
        arrays={"predictions": predictions, "targets": TARGETS, "concentration": CONCENTRATIONS},
        oracle=nll,
        options=options,
        bad_options={"log_input": (1, "yes")},
        grid=grid,
        value=Limit(scaled=4),
        gradient={name: Limit(scaled=6) for name in names},
        second={name: Limit(scaled=8) for name in names},
        held=1 if options.get("log_input", True) else 2,  # the relative error, and its logarithm
        terms=terms,
        gradient_terms=slope_terms,
        second_terms=bends,
        nonnegative=False,
    )


CASES = [_case(LOG_RATES, log_means), _case(MEANS, means, log_input=False)]


@pytest.mark.parametrize("k", [0.3, 1.0, 20.0, 1e4])
def test_it_is_a_density(k):
    u = np.linspace(-60, 8, 40001)
    t = np.exp(u).astype(np.float32)
    losses = quick(lambda t: jaxloss.gamma_nll(jnp.full_like(t, 0.7), t, concentration=k))(t)
    np.testing.assert_allclose(np.sum(np.exp(u - np.float64(losses))) * (u[1] - u[0]), 1, rtol=1e-5)


def test_the_values_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, t, k = (v.astype(np.float32) for v in (rng.normal(0, 1, 64), rng.gamma(2, 1, 64), rng.gamma(2, 2, 64)))
    wide = [v.astype(np.float64) for v in (x, t, k)]
    truth = -stats.gamma.logpdf(wide[1], wide[2], scale=np.exp(wide[0]) / wide[2])
    np.testing.assert_allclose(jaxloss.gamma_nll(x, t, concentration=k), truth, rtol=1e-5, atol=2e-6)


def test_of_concentration_1_it_is_the_exponential_law():
    x, t = np.float32([-2, 0, 3]), np.float32([0.1, 5, 0.7])
    np.testing.assert_allclose(jaxloss.gamma_nll(x, t, concentration=1.0), x + t * np.exp(-x), rtol=1e-6)


def test_of_a_large_concentration_it_is_gaussian_in_the_logarithm():
    k, u = np.float32(1e8), np.float32([0, 1e-4, -2e-4])
    value = quick(lambda u: jaxloss.gamma_nll(jnp.zeros_like(u), jnp.exp(u), concentration=k))(u)
    exact = np.log(np.float64(np.exp(u)))
    truth = 0.5 * np.log(2 * np.pi / 1e8) + exact + 1e8 * (np.expm1(exact) - exact)
    np.testing.assert_allclose(value, truth, rtol=1e-6)


def test_the_curvature_keeps_its_digits_at_a_large_mean():
    """It is k t / m; from 1 + r with r = t / m - 1 it would be 0 at a log-mean of 18."""
    curvature = jax.grad(jax.grad(lambda x: jaxloss.gamma_nll(x, 1.0, concentration=1e6)))
    for x in (10.0, 18.0):
        np.testing.assert_allclose(curvature(x), 1e6 * np.exp(-x), rtol=1e-6)
