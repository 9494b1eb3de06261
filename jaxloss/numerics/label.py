"""The element of a row at the row's label: found, left out of the row, given a slope of its own.

Labels are int32 and keep the class axis with length 1. One that is out of range has no element: another device has it.

An element is found by comparing the index of each with the label, which stores no one-hot and fuses with what is done
before and after; or by the label as an index, which touches no other element. XLA on CPU takes less time for the second
over many classes, where what it is done to is in memory anyway.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import columns, explicit_sharding, is_split, keep
from jaxloss.numerics._rule import rule
from jaxloss.numerics._shapes import MANY, known


def is_label(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """True where the index along the axis is the label."""
    return columns(x, axis, jnp.int32) == labels


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def label_value(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """The element of each row at its label, 0 where that is out of range."""
    if is_split(x, (axis,)):
        # A gather along an explicitly sharded axis is refused; a masked maximum needs only an all-reduce.
        found = jnp.where(is_label(x, labels, axis), x, jnp.full_like(x, -jnp.inf))
        return keep(_in_range(x, labels, axis), jnp.max(found, axis, keepdims=True))
    return _indexed(x, labels, axis)


@rule(label_value)
def _label_value_jvp(axis, primals, tangents):
    x, labels = primals
    return label_value(x, labels, axis), _tangent(tangents[0], labels, axis)


def _tangent(t: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    def compared(t: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(is_label(t, labels, axis), t, jnp.zeros_like(t)), axis, keepdims=True)

    # The transpose of a gather is a scatter, that of the sum a select.
    return _cheaper(partial(_indexed, labels=labels, axis=axis), compared, t, axis)


def without_label(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """X with 0 at the label of each row."""

    def compared(x: jax.Array) -> jax.Array:
        return jnp.where(is_label(x, labels, axis), jnp.zeros_like(x), x)

    def by_index(x: jax.Array) -> jax.Array:
        rows = tuple(i for i in range(x.ndim) if i != axis)
        elements = lax.ScatterDimensionNumbers((), (axis,), (axis,), rows, tuple(range(len(rows))))
        indices = jnp.expand_dims(jnp.squeeze(labels, axis), -1)
        zeros = jnp.zeros_like(jnp.squeeze(labels, axis), x.dtype)
        return lax.scatter(x, indices, zeros, elements, unique_indices=True, mode="drop")

    return _cheaper(by_index, compared, x, axis)


def sums_of_slopes(
    slopes: list[tuple[jax.Array, jax.Array]], tangent: jax.Array, labels: jax.Array, axis: int
) -> list[jax.Array]:
    """The sum over each row of slope times tangent, for each of some slopes.

    A slope is a pair: that of every element, and what the label's has beyond it, which keeps the axis as the sums do.
    """
    if not _by_index_pays(tangent, axis):
        hit = is_label(tangent, labels, axis)
        return [jnp.sum(jnp.where(hit, s + own, s) * tangent, axis, keepdims=True) for s, own in slopes]
    # First, so that its transpose is added last: XLA on CPU then changes one element of a row in place.
    own_tangent = _tangent(tangent, labels, axis)
    return [jnp.sum(s * tangent, axis, keepdims=True) + own * own_tangent for s, own in slopes]


def _by_index_pays(x: jax.Array, axis: int) -> bool:
    return known(x.shape[axis]) and x.shape[axis] >= MANY and explicit_sharding(x) is None


def _cheaper(
    by_index: Callable[[jax.Array], jax.Array], compared: Callable[[jax.Array], jax.Array], x: jax.Array, axis: int
) -> jax.Array:
    return lax.platform_dependent(x, cpu=by_index, default=compared) if _by_index_pays(x, axis) else compared(x)


def _in_range(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    return (labels >= 0) & (labels < x.shape[axis])


def _indexed(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    found = jnp.take_along_axis(x, jnp.clip(labels, 0, x.shape[axis] - 1), axis)
    return keep(_in_range(x, labels, axis), found)
