"""Probabilities of the Gaussian law between two numbers."""

import jax
import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics import gaussian_spans
from tests import ulp
from tests.compiling import optimized
from tests.numerics.pairs import since_a_number
from tests.numerics.test_gaussian_tail import hazard, tail

STARTS = np.float32([-30, -8, -2, -0.5, 0, 0.3, 1, 3, 12, 100, 1e4])
SPREADS = np.float32([1e-6, 1e-3, 0.049, 0.3, 0.6, 1, 4, 20])


def _since(a, z):
    ended = tail(a) - tail(z) if a > -1 else tail(-z) - tail(-a)
    return -mp.log(tail(z) / tail(a)) if ended > tail(a) / 2 else -mp.log1p(-ended / tail(a))


def _within(a, z):
    low, high = (-z, -a) if a + z < 0 else (a, z)
    part = tail(low) - tail(high)
    return -mp.log(part / tail(a)) if part < tail(a) / 2 else mp.log1p(tail(z) / part)


def _points():
    """Starts and spreads whose sum is exact, so that all three numbers are those of the truth."""
    a, d = (np.ravel(v) for v in np.meshgrid(STARTS, SPREADS))
    z = a + d
    exact = (np.float64(a) + np.float64(d) == z) | (z - a > 0)
    d = np.float32(np.float64(z) - np.float64(a))
    keep = exact & (d > 0) & (np.float64(a) + np.float64(d) == z)
    return a[keep], d[keep]


@pytest.mark.parametrize("x64", [False, True])
def test_after_survival_to_a_number(x64):
    """The probability to survive on, and that of an event, as exact as the first numbers are."""
    mp.mp.dps = ulp.DIGITS
    kind = np.float64 if x64 else np.float32
    since, within = since_a_number(gaussian_spans.gaussian_since), since_a_number(gaussian_spans.gaussian_within)
    with jax.enable_x64(x64):
        a, d = (v.astype(kind) for v in _points())
        run = lambda a, d: [jax.vmap(jax.value_and_grad(f, 1))(a, d) for f in (since, within)]
        (survived, in_spread), (ended, _) = jax.tree.map(np.asarray, optimized(run)(a, d))
    for i, (low, apart) in enumerate(zip(a, d, strict=True)):
        start = ulp.exact(low)
        z = start + ulp.exact(apart)
        assert ulp.ulps(survived[i], _since(start, z), dtype=kind) < 8, (low, apart)
        assert ulp.ulps(in_spread[i], hazard(z), dtype=kind) < 10, (low, apart)
        truth = _within(start, z)
        # It is a function of what survives, whose rounding it has.
        unit = max(abs(truth), _since(start, z) / mp.expm1(_since(start, z)))
        assert ulp.ulps(ended[i], truth, unit, dtype=kind) < 10, (low, apart)


def test_the_slope_of_a_narrow_interval_does_not_cancel():
    mp.mp.dps = ulp.DIGITS
    since = since_a_number(gaussian_spans.gaussian_since)
    slopes = optimized(jax.vmap(jax.grad(since)))(*(np.float32(v) for v in ([1.0, 0.25, -1.0], [2.0**-12] * 3)))
    for a, slope in zip((1, 0.25, -1), slopes, strict=True):
        truth = hazard(mp.mpf(a) + mp.mpf(2) ** -12) - hazard(mp.mpf(a))
        assert ulp.ulps(slope, truth) < 8
