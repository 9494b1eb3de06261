"""Losses of a margin, the product of a score and a sign, whose slopes stay finite where the score is infinite."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.sigmoid import sigmoid, softplus
from jaxloss.numerics.softmax import finite


@jax.custom_jvp
def hinge(x: jax.Array, sign: jax.Array, margin: jax.Array) -> jax.Array:
    r"""$\max(0, m - s x)$, with slope 0 at the kink."""
    return jnp.maximum(margin - sign * x, 0)


@rule(hinge)
def _hinge_jvp(primals, tangents):
    x, sign, margin = primals
    short = margin - sign * x > 0
    # Selected, not multiplied: in the sign the slope is -x, which may be infinite where the loss is 0.
    where_short = lambda slope: jnp.where(short, slope, jnp.zeros_like(x))  # noqa: E731
    return hinge(x, sign, margin), tangent(
        x,
        (lambda: where_short(-sign), tangents[0]),
        (lambda: where_short(-x), tangents[1]),
        (lambda: short.astype(x.dtype), tangents[2]),
    )


@jax.custom_jvp
def soft_margin(x: jax.Array, sign: jax.Array) -> jax.Array:
    r"""$\log(1 + e^{-s x})$."""
    return softplus(-(sign * x))


@rule(soft_margin)
def _soft_margin_jvp(primals, tangents):
    x, sign = primals
    # An infinite score would be multiplied by a slope of 0; the largest number has the same slopes.
    bounded = finite(x)
    miss = sigmoid(-(sign * bounded))
    return soft_margin(x, sign), tangent(x, (lambda: -sign * miss, tangents[0]), (lambda: -bounded * miss, tangents[1]))
