from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import INF, LOG_RATES, RATES, SCALES, Case, Limit
from tests.compiling import quick

MEANS = replace(RATES, ends=(1e-30, 1e30, INF), outside=(0.0, -0.5))
TARGETS = replace(SCALES, alone=(INF,))
SIZES = [1e-6, 1e-3, 0.1, 1, 3, 40, 1e3, 1e6]


def nll(p, t, shape, log_input=True):
    mean = mp.exp(p) if log_input else p
    return (mp.log(2 * mp.pi) + 3 * mp.log(t) - mp.log(shape) + shape * (t - mean) ** 2 / (mean**2 * t)) / 2


def log_means():
    """Targets and shapes of every size under means far from the target, near it, and nearer."""
    steps = [s * d for s in (-1, 1) for d in (0, 1e-7, 1e-5, 1e-3, 0.1, 0.7, 3, 12)]
    points = [(np.log(np.float32(t)) + d, t, shape) for t in SIZES for d in steps for shape in SIZES]
    return np.array([*points, (80.0, 2.0, 3.0), (200.0, 2.0, 3.0)], np.float32).T


def means():
    """The same, of which float32 holds the second derivatives."""
    x, t, shape = log_means()[:, :-1].astype(np.float64)
    keep = shape * t * np.exp(-4 * x) < 1e36
    return np.array([np.exp(x), t, shape])[:, keep].astype(np.float32)


def _mean(p, log_input):
    """The mean, and the slope of its logarithm in the prediction."""
    return (mp.exp(p), 1) if log_input else (p, 1 / p)


def _error(p, t, log_input):
    """The relative error, and what of it is resolved: logarithms are held to 40 bits."""
    r = t / _mean(p, log_input)[0] - 1
    return max(abs(r), (max(1, abs(p)) if log_input else 0) * mp.mpf(2) ** -16)


def terms(p, t, shape, log_input=True):
    return 3 * mp.log(t) / 2, mp.log(shape) / 2, shape * (t / _mean(p, log_input)[0] - 1) * _error(p, t, log_input) / t


def slope_terms(p, t, shape, log_input=True):
    mean, chain = _mean(p, log_input)
    r = _error(p, t, log_input)
    return {
        "predictions": (shape * r / mean * chain,),
        "targets": (3 / t / 2, shape / mean**2 / 2, shape / t**2 / 2),
        "concentration": (1 / shape / 2, r * r / t / 2),
    }


def bends(p, t, shape, log_input=True):
    mean, chain = _mean(p, log_input)
    r = _error(p, t, log_input)
    with_target, with_shape = shape / mean**2 * chain, r / mean * chain
    return {
        "predictions": (shape / mean * 3 * (r + 1) * chain**2, shape / mean * chain**2, with_target, with_shape),
        "targets": (with_target, shape / t**3, 1.5 / t**2, 1 / mean**2 / 2, 1 / t**2 / 2),
        "concentration": (with_shape, 1 / mean**2 / 2, 1 / t**2 / 2, 1 / shape**2 / 2),
    }


def _case(predictions, grid, **options):
    limit = {name: Limit(scaled=6) for name in ("predictions", "targets", "concentration")}
    return Case(
        fn=jaxloss.inverse_gaussian_nll,
        form=jaxloss.InverseGaussianNLL,
        arrays={"predictions": predictions, "targets": TARGETS, "concentration": SCALES},
        oracle=nll,
        options=options,
        bad_options={"log_input": (1, "yes")},
        grid=grid,
        value=Limit(scaled=6),
        gradient=limit,
        second={name: Limit(scaled=8) for name in limit},
        terms=terms,
        gradient_terms=slope_terms,
        second_terms=bends,
        nonnegative=False,
    )


CASES = [_case(LOG_RATES, log_means), _case(MEANS, means, log_input=False)]


@pytest.mark.parametrize("shape", [0.3, 5.0, 400.0])
def test_it_is_a_density(shape):
    u = np.linspace(-20, 12, 20001)
    t = np.exp(u).astype(np.float32)
    losses = quick(lambda t: jaxloss.inverse_gaussian_nll(jnp.full_like(t, 0.7), t, concentration=shape))(t)
    np.testing.assert_allclose(np.sum(np.exp(u - np.float64(losses))) * (u[1] - u[0]), 1, rtol=1e-5)


def test_the_values_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, t, shape = rng.normal(0, 1, 64), rng.gamma(2, 1, 64), rng.gamma(2, 2, 64)
    truth = -stats.invgauss.logpdf(t, np.exp(x) / shape, scale=shape)
    x, t, shape = (v.astype(np.float32) for v in (x, t, shape))
    np.testing.assert_allclose(jaxloss.inverse_gaussian_nll(x, t, concentration=shape), truth, rtol=1e-5, atol=2e-6)


def test_near_the_mean_of_a_narrow_law_nothing_is_lost():
    """The deviation is 1e-4 of the mean here; the textbook's exponent would be off by 1e-3."""
    mp.mp.dps = 40
    x, shape = np.float32(1.3), np.float32(1e8)
    t = np.float32(np.exp(1.3) * (1 + 1.7e-4))
    loss = lambda x, t: jaxloss.inverse_gaussian_nll(x, t, concentration=shape)
    value, slope = jax.value_and_grad(loss)(x, t)
    truth = lambda x: nll(x, mp.mpf(float(t)), mp.mpf(float(shape)))
    np.testing.assert_allclose(value, float(truth(mp.mpf(float(x)))), rtol=1e-6)
    np.testing.assert_allclose(slope, float(mp.diff(truth, mp.mpf(float(x)))), rtol=2e-6)


def test_under_an_infinite_mean_it_is_the_law_of_levy():
    t = np.float32([0.2, 1, 30])
    truth = 0.5 * np.log(2 * np.pi * np.float64(t) ** 3 / 3) + 1.5 / np.float64(t)
    for x, log_input in ((np.inf, True), (np.inf, False)):
        loss = jaxloss.inverse_gaussian_nll(jnp.full(3, x), t, concentration=3.0, log_input=log_input)
        np.testing.assert_allclose(loss, truth, rtol=1e-6)
