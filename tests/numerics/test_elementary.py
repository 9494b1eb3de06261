"""Logarithms and exponentials to one unit in the last place, and sums and products that keep what rounding loses."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

from jaxloss.numerics.elementary import exp_of_product, expm1, log1p, log_from_tiny, minus_log, two_sum
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import REALS, TINY, End, Row

TRUTHS = [
    Row(log1p, mp.log1p, REALS[REALS > -0.999], 3, 3),
    Row(expm1, mp.expm1, REALS, 2, 2),
]
ENDS = [
    End(log1p, (-1.0,), -np.inf, (np.inf,)),
    End(log_from_tiny, (0.0,), np.log(TINY), (0,)),
]


def test_functions_for_values_alone_keep_the_last_digits():
    mp.mp.dps = ulp.DIGITS
    x, k = np.float32([-80, -3.3, -1e-3, 0]), np.float32([0.7, 3, 1e3, 5])
    products, differences, (total, lost) = optimized(
        lambda x, k: (exp_of_product(k, x), minus_log(x, k), two_sum(x, k))
    )(x, k)
    np.testing.assert_array_equal(np.float64(total) + np.float64(lost), np.float64(x) + np.float64(k))
    for p, d, a, b in zip(products, differences, map(ulp.exact, x), map(ulp.exact, k), strict=True):
        assert ulp.ulps(p, mp.exp(a * b)) <= 2
        assert ulp.ulps(d, a - mp.log(b)) <= 1
    assert exp_of_product(jnp.float32(0), jnp.float32(-np.inf)) == 1
    assert jax.grad(log_from_tiny)(jnp.float32(2)) == 0.5
