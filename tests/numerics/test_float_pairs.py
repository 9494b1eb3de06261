"""Differences as pairs."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.float_pairs import difference_as_pair
from tests.compiling import quick


def test_a_pair_has_what_the_rounded_difference_lacks():
    a, b = np.float32([1, 1e4, 3e-5, 0.1]), np.float32([1e-9, 0.3, 7, -1e7])
    high, low = quick(difference_as_pair)(a, b)
    np.testing.assert_array_equal(high, a - b)
    np.testing.assert_array_equal(np.float64(high) + np.float64(low), a.astype(np.float64) - b.astype(np.float64))


def test_the_rest_of_an_infinite_difference_is_zero_and_the_rest_has_no_slope():
    high, low = difference_as_pair(jnp.float32([np.inf, 1, -np.inf]), jnp.float32([1, np.inf, np.inf]))
    np.testing.assert_array_equal(high, np.float32([np.inf, -np.inf, -np.inf]))
    assert not low.any()
    slopes = jax.grad(lambda a, b: sum(difference_as_pair(a, b)), (0, 1))(1.0, 3.0)
    np.testing.assert_array_equal(slopes, [1, -1])
