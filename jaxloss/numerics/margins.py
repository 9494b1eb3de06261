"""Losses of a margin: of a score times a sign, or of the gap between two classes' scores.

Their slopes stay finite where a score is infinite.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import form
from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._shapes import many_classes
from jaxloss.numerics.guarded import absent, clip_infinite, largest
from jaxloss.numerics.label import distance_from_label, is_label, label_value, others_selected
from jaxloss.numerics.logistic import sigmoid, softplus


@jax.custom_jvp
def hinge(x: jax.Array, sign: jax.Array, margin: jax.Array) -> jax.Array:
    r"""$\max(0, m - s x)$, with slope 0 at the kink."""
    return jnp.maximum(margin - sign * x, 0)


@rule(hinge)
def _hinge_jvp(primals, tangents):
    x, sign, margin = primals
    short = margin - sign * x > 0
    # Selected, not multiplied by 0 or 1: the slope in the sign is -x, which may be infinite where the loss is 0.
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
    # An infinite score would be multiplied by 0; the largest finite number has the same slopes.
    bounded = clip_infinite(x)
    miss = sigmoid(-(sign * bounded))
    return soft_margin(x, sign), tangent(x, (lambda: -sign * miss, tangents[0]), (lambda: -bounded * miss, tangents[1]))


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def label_gap(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    r"""$x_t - \max_{j \ne t} x_j$ of each row, infinite where every other class has score minus infinity.

    Other classes that are tied at the maximum share its slope equally. The class axis is kept with length 1, in the
    labels too.
    """
    return _above(label_value(x, labels, axis), _highest_other(x, labels, axis))


def _highest_selected(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    return jnp.max(jnp.where(is_label(x, labels, axis), filled(x, -jnp.inf), x), axis, keepdims=True)


@form(_highest_selected)
def _highest_other(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    r"""$\max_{j \ne t} x_j$; over many classes by a bound of -inf at the label, where a select would be stored.

    Measured: jaxlib 0.10.2, multiclass_hinge_loss 8192x1000, the twin takes 1.5 times the CPU time and stores 33 MB,
    the form 0.1 MB.
    """
    if not many_classes(x, axis):
        return _highest_selected(x, labels, axis)
    return jnp.max(jnp.minimum(x, _bound(x, labels, axis)), axis, keepdims=True)


def _above(score: jax.Array, highest: jax.Array) -> jax.Array:
    """`score - highest`, infinite where `highest` is minus infinity."""
    none = highest == -jnp.inf
    return jnp.where(none, filled(score, jnp.inf), score - jnp.where(none, jnp.zeros_like(score), highest))


@rule(label_gap)
def _label_gap_jvp(axis, primals, tangents):
    x, labels = primals
    highest, at_label = _highest_other(x, labels, axis), is_label(x, labels, axis)
    tied = (x == highest) & ~at_label
    share = 1 / jnp.maximum(jnp.sum(tied, axis, keepdims=True, dtype=x.dtype), 1)
    slope = jnp.where(at_label, jnp.ones_like(x), jnp.where(tied, -share, jnp.zeros_like(x)))
    gap = _above(label_value(x, labels, axis), highest)
    return gap, jnp.sum(slope * tangents[0], axis, keepdims=True)


def hinge_terms(x: jax.Array, labels: jax.Array, score: jax.Array, margin: jax.Array, axis: int) -> jax.Array:
    r"""$\max(0, m - x_t + x_j)$ for every class j, and 0 for the label t, whose finite score $x_t$ is given."""
    gaps = score - jnp.maximum(x, -largest(x))
    return _zero_at_label(hinge(gaps, jnp.ones_like(gaps), margin), labels, axis)


@form(others_selected)
def _zero_at_label(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """`x` >= 0 with 0 at the label; over many classes by a bound, where a select would be stored before it is summed.

    Measured: jaxlib 0.10.2, multi_margin_loss 8192x1000, the twin stores 33 MB and the form 0.1 MB.
    """
    if not many_classes(x, axis):
        return others_selected(x, labels, axis)
    return jnp.maximum(jnp.minimum(x, _bound(x, labels, axis)), 0)


def _bound(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """Minus infinity at the label, infinity elsewhere."""
    return (distance_from_label(x, labels, axis) - 0.5) * jnp.inf


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def categorical_gap(x: jax.Array, y: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    r"""$\sum_j y_j x_j - \max_j (1 - y_j) x_j$ of each row with $0 \cdot \infty = 0$, the axes kept with length 1.

    Classes that are tied at the maximum share its slope equally. Where the maximum is minus infinity the gap is
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
    bounded = jnp.where(jnp.isinf(x), jnp.zeros_like(x), x)  # an infinite score is multiplied by a label or share of 0
    slopes = tangent(x, (lambda: y - share * (1 - y), tangents[0]), (lambda: bounded + share * bounded, tangents[1]))
    return categorical_gap(x, y, axes), jnp.sum(slopes, axes, keepdims=True)
