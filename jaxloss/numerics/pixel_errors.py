r"""True positives, false positives and false negatives of a pixel, from its probability p and its target t.

$$\min(p, t), \quad (p - t)^+, \quad (t - p)^+$$

Where p = t inside (0, 1), 0 lies between the slopes of a loss that is made of their sums, and is taken. At the ends of
[0, 1] there is one side alone, whose slope is taken; for targets of 0 and 1 they have the slopes of the products p t,
p (1 - t) and (1 - p) t.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import compiled, rule, tangent


@jax.custom_jvp
@compiled()
def true_and_false(p: jax.Array, gap: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The three numbers of each pixel; `gap` is t - p, which the caller may know without a cancellation."""
    zero = jnp.zeros_like(gap)
    return jnp.where(gap > 0, p, t), jnp.maximum(-gap, zero), jnp.maximum(gap, zero)


@rule(true_and_false)
def _true_and_false_jvp(primals, tangents):
    p, gap, t = primals
    below = (gap > 0) | ((gap == 0) & (t >= 1))
    above = (gap < 0) | ((gap == 0) & (t <= 0))
    of_p, of_gap, of_t = tangents
    one, zero = jnp.ones_like(p), jnp.zeros_like(p)
    is_below, is_above = (lambda: jnp.where(below, one, zero)), (lambda: jnp.where(above, one, zero))
    true = tangent(p, (is_below, of_p), (is_above, of_t))
    false = tangent(p, (lambda: -is_above(), of_gap))
    missed = tangent(p, (is_below, of_gap))
    return true_and_false(p, gap, t), (true, false, missed)
