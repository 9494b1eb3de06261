r"""The logarithm of the factor by which a number grows, and what the growth exceeds it by.

They are computed from both numbers and their difference, so that neither a small growth nor a large one loses digits.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import atanh_tail, log1p_near
from jaxloss.numerics.log_ratio import log_ratio


@jax.custom_jvp
def log_growth(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log(1 + b / a)$ for $a > 0$ and $b \ge 0$, where the quotient may overflow."""
    small = b <= a
    near = as_minimum(jnp.where(small, b, jnp.zeros_like(b)) / a, 2)
    return jnp.where(small, log1p_near(near), log_ratio(a + b, a))


@rule(log_growth)
def _log_growth_jvp(primals, tangents):
    a, b = primals
    value = log_growth(a, b)
    inverse = 1 / (a + b)
    return value, tangent(value, (lambda: -(b * inverse) * (1 / a), tangents[0]), (lambda: inverse, tangents[1]))


def weighted_log_growth(a: jax.Array, b: jax.Array, log: jax.Array) -> jax.Array:
    r"""$a \log(1 + b / a)$ from the logarithm, which may be too small for a float. For values, not for slopes."""
    return jnp.where(b < a * (float(jnp.finfo(a.dtype).eps) / 8), b, a * log)


def log_growth_excess(growth: jax.Array, a: jax.Array, grown: jax.Array, log: jax.Array | None = None) -> jax.Array:
    r"""$g - a \log(c / a) \ge 0$ for a growth g from a > 0 to c = a + g > 0. For values, not for slopes.

    For a small growth it is near $g^2 / 2 a$. With $s = g / (a + c)$, $\log(c / a) = 2 \operatorname{atanh}(s)$, and
    up to half and three times the size it is $s (g - 2 a s^2 t)$ with t the tail of the series of atanh. The growth is
    given beside both numbers since it may be known to more digits than their difference has, and the logarithm of c / a
    where c may underflow.
    """
    s = as_minimum(growth / (a + grown), 2)
    close = jnp.abs(s) <= 1 / 2
    near = jnp.where(close, s, jnp.zeros_like(s))
    w = near * near
    far = growth - a * (log_ratio(jnp.where(close, a, grown), a) if log is None else log)
    return jnp.where(close, near * (growth - 2 * a * (w * atanh_tail(w, 1 / 4))), far)
