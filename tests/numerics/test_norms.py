"""Lengths of any degree, against arbitrary precision and at zero vectors."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics.norms import minkowski
from tests import ulp
from tests.compiling import optimized


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_lengths_and_their_slopes(p):
    mp.mp.dps = ulp.DIGITS
    x = np.float32([[3, -4, 0.5], [1e30, 1e10, -1e30], [1e-30, 2e-30, 0], [0.1, 0.2, -0.3]])
    run = optimized(lambda x: jax.vmap(jax.value_and_grad(_length), (0, None))(x, jnp.float32(p)))
    for row, value, slope in zip(x, *map(np.asarray, run(x)), strict=True):
        exact = [ulp.exact(v) for v in row]
        true = mp.fsum(abs(v) ** mp.mpf(p) for v in exact) ** (1 / mp.mpf(p))
        assert ulp.ulps(value, true) <= 8
        for v, s in zip(exact, slope, strict=True):
            assert abs(s - float(mp.sign(v) * (abs(v) / true) ** (mp.mpf(p) - 1) if v else 0)) <= 2e-6


def test_a_zero_vector_and_an_infinite_degree():
    zero = np.zeros(3, np.float32)
    for p in (1.0, 2.0, np.inf):
        value, slope = jax.value_and_grad(_length)(zero, jnp.float32(p))
        assert value == 0
        assert not np.any(slope)
    value, slope = jax.value_and_grad(_length)(np.float32([1, -5, 5]), jnp.float32(np.inf))
    assert value == 5
    np.testing.assert_allclose(slope, [0, -0.5, 0.5])


def _length(x, p):
    return minkowski(x, p, jnp.zeros((), x.dtype), (0,))[0]
