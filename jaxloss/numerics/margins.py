"""Losses of a margin, the product of a score and a sign, whose slopes stay finite where the score is infinite."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import absent, clip_infinite
from jaxloss.numerics.label import distance_from_label, label_value
from jaxloss.numerics.logistic import sigmoid, softplus


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
    bounded = clip_infinite(x)
    miss = sigmoid(-(sign * bounded))
    return soft_margin(x, sign), tangent(x, (lambda: -sign * miss, tangents[0]), (lambda: -bounded * miss, tangents[1]))


def _not_at_label(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """Minus infinity at the label of each row, infinity elsewhere: a minimum with it leaves the label out.

    A selection of the other classes would be written out by XLA on CPU. Indices are exact to 2**24 classes.
    """
    return (distance_from_label(x, labels, axis) - 0.5) * jnp.inf


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def label_gap(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    r"""$x_t - \max_{j \ne t} x_j$ of each row, infinite where no other class is above minus infinity.

    Other classes that are tied at the maximum share its slope. The class axis is kept with length 1, in
    the labels too.
    """
    return _above(label_value(x, labels, axis), _highest_other(x, labels, axis))


def _highest_other(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    return jnp.max(jnp.minimum(x, _not_at_label(x, labels, axis)), axis, keepdims=True)


def _above(own: jax.Array, highest: jax.Array) -> jax.Array:
    none = highest == -jnp.inf
    return jnp.where(none, filled(own, jnp.inf), own - jnp.where(none, jnp.zeros_like(own), highest))


@rule(label_gap)
def _label_gap_jvp(axis, primals, tangents):
    x, labels = primals
    highest = _highest_other(x, labels, axis)
    others = _not_at_label(x, labels, axis)
    tied = (x == highest) & (others > 0)
    share = 1 / jnp.maximum(jnp.sum(tied, axis, keepdims=True, dtype=x.dtype), 1)
    slope = jnp.where(others < 0, jnp.ones_like(x), jnp.where(tied, -share, jnp.zeros_like(x)))
    gap = _above(label_value(x, labels, axis), highest)
    return gap, jnp.sum(slope * tangents[0], axis, keepdims=True)


def lacking(x: jax.Array, labels: jax.Array, own: jax.Array, margin: jax.Array, axis: int) -> jax.Array:
    r"""$\max(0, m - x_t + x_j)$ for every class j, 0 for the label t, whose finite score is given."""
    gaps = own - jnp.maximum(x, -float(jnp.finfo(x.dtype).max))
    return jnp.maximum(jnp.minimum(hinge(gaps, jnp.ones_like(gaps), margin), _not_at_label(x, labels, axis)), 0)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def categorical_gap(x: jax.Array, y: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    r"""$\sum_j y_j x_j - \max_j (1 - y_j) x_j$ of each row with $0 \cdot \infty = 0$, the axes kept with length 1.

    Classes that are tied at the maximum share its slope. Where all are minus infinity there is none, and the gap is
    infinite.
    """
    return _above(jnp.sum(y * absent(y, x), axes, keepdims=True), jnp.max(_missed(x, y), axes, keepdims=True))


def _missed(x: jax.Array, y: jax.Array) -> jax.Array:
    return (1 - y) * absent(1 - y, x)


@rule(categorical_gap)
def _categorical_gap_jvp(axes, primals, tangents):
    x, y = primals
    missed = _missed(x, y)
    top = (missed == jnp.max(missed, axes, keepdims=True)).astype(x.dtype)
    share = top / jnp.maximum(jnp.sum(top, axes, keepdims=True), 1)
    bounded = jnp.where(jnp.isinf(x), jnp.zeros_like(x), x)  # which is multiplied by a label, or a share, of 0
    slopes = tangent(x, (lambda: y - share * (1 - y), tangents[0]), (lambda: bounded + share * bounded, tangents[1]))
    return categorical_gap(x, y, axes), jnp.sum(slopes, axes, keepdims=True)
