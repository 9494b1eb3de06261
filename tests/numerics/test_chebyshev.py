"""Chebyshev series on the half line."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.chebyshev import half_line_series
from tests.compiling import optimized

COEFFICIENTS = [1.0, -0.5, 0.25, 1e-9]
"""The last of them is for float64."""


def _truth(k, coefficients):
    z = np.where(k == np.inf, 1.0, (np.minimum(k, 1e300) - 2) / (np.minimum(k, 1e300) + 2))
    return np.polynomial.chebyshev.chebval(z, coefficients)


def test_from_0_to_infinity():
    k = np.array([0, 1e-6, 0.3, 2, 50, 1e8, np.inf])
    got = optimized(lambda k: half_line_series(k, 2.0, COEFFICIENTS))(np.float32(k))
    np.testing.assert_allclose(got, _truth(k, COEFFICIENTS), rtol=3e-7)


def test_float64_takes_every_term():
    k = np.array([0, 0.3, 2, np.inf])
    with jax.enable_x64(True):
        got = optimized(lambda k: half_line_series(k, 2.0, COEFFICIENTS))(jnp.asarray(k, jnp.float64))
    np.testing.assert_allclose(got, _truth(k, COEFFICIENTS), rtol=1e-14)
    assert np.abs(np.asarray(got)[0] - _truth(k, COEFFICIENTS[:3])[0]) > 1e-10
