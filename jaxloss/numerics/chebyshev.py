r"""Chebyshev series of functions on the half line from 0 to infinity, both ends included."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._storing import as_minimum


def half_line_series(k: jax.Array, centre: float | int, coefficients: list[float]) -> jax.Array:
    r"""$\sum_i c_i T_i(z)$ with $z = (k - c) / (k + c)$ for $k \ge 0$ and a centre c, by Clenshaw's recurrence.

    Of the coefficients those are taken that the dtype can hold.
    """
    least = float(jnp.finfo(k.dtype).eps) / 8 * abs(coefficients[0])
    count = max(i for i, c in enumerate(coefficients) if abs(c) > least) + 1
    z = as_minimum(1 - (2 * centre) / (k + centre), 2)
    one, other = filled(z, coefficients[count - 1]), jnp.zeros_like(z)
    for coefficient in reversed(coefficients[1 : count - 1]):
        one, other = (2 * z) * one - other + coefficient, one
    return z * one - other + coefficients[0]
