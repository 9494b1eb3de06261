"""The negative log-likelihood of a negative binomial law."""

import jax
import mpmath as mp
import numpy as np

from jaxloss.numerics.negative_binomial import negative_binomial_log_mean, negative_binomial_mean
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

ENDS = [
    End(negative_binomial_log_mean, (-np.inf, 0.0, 2.0), 0, (0, 0.69314718 - 1, 0)),
    End(negative_binomial_log_mean, (np.inf, 0.0, 2.0), np.inf, (2, -1, np.inf)),
    End(negative_binomial_mean, (0.0, 0.0, 2.0), 0, (1, -0.30685282, 0)),
]


def test_the_slope_in_a_large_concentration_keeps_its_digits():
    """It is near the mean over the squared concentration, and the terms of the textbook are the mean over it."""
    mp.mp.dps = ulp.DIGITS
    k, r = np.float32([0, 3, 100, 100]), np.float32([1e10, 1e6, 1e10, 1e4])
    x = np.float32([1, 1.5, 4, 5])
    slope = optimized(jax.vmap(jax.grad(negative_binomial_log_mean, 2)))(x, k, r)
    for g, a, b, c in zip(slope, *(map(ulp.exact, v) for v in (x, k, r)), strict=True):
        m = mp.exp(a)
        truth = mp.psi(0, c) - mp.psi(0, b + c) + mp.log1p(m / c) + (b - m) / (c + m)
        assert ulp.ulps(g, truth) <= 64
