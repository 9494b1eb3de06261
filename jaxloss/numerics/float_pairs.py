"""The difference of two floats as a double-float: its rounded value, and the rounding error.

Functions that grow fast, such as those of a tail, are corrected by the rounding error.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import two_sum
from jaxloss.numerics.standard_times import Pair


@jax.custom_jvp
def difference_as_pair(a: jax.Array, b: jax.Array) -> Pair:
    """$a - b$ and its rounding error; the derivatives are those of the rounded value, and the error has none."""
    finite, zero = jnp.isfinite(a) & jnp.isfinite(b), jnp.zeros_like(a)
    _, rest = two_sum(jnp.where(finite, a, zero), -jnp.where(finite, b, zero))
    return a - b, jnp.where(jnp.isfinite(rest), rest, zero)


@rule(difference_as_pair)
def _difference_as_pair_jvp(primals, tangents):
    a, b = primals
    high, low = difference_as_pair(a, b)
    one = jnp.ones_like(a)
    moved = tangent(high, (lambda: one, tangents[0]), (lambda: -one, tangents[1]))
    return (high, low), (moved, jnp.zeros_like(low))
