"""The element of a row at the row's label: its value, the row without it, and sums in which it has another slope.

Labels are int32 and keep the class axis with length 1. A label out of range has no element here; another device may
hold its class.

The plain expressions compare the index of each element with the label, which needs no one-hot array. The forms find
the label's element by a gather, or leave it out by arithmetic.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import by_platform, form
from jaxloss.numerics._mesh import columns, explicit_sharding, is_split, keep, replicated
from jaxloss.numerics._rule import rule
from jaxloss.numerics._shapes import MANY, known


def is_label(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """True where the index along the axis is the label."""
    return columns(x, axis, jnp.int32) == labels


def distance_from_label(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """The distance of each index from the label, in the dtype of x: 0 at the label alone, exact to 2**24 classes."""
    return jnp.abs(columns(x, axis, x.dtype) - labels.astype(x.dtype))


# ----------------------------------------------------------------------------------------------------------- the value


def compared_value(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """`label_value`, by a sum over the row."""
    return jnp.sum(jnp.where(is_label(x, labels, axis), x, jnp.zeros_like(x)), axis, keepdims=True)


@form(compared_value)
def label_value(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """The element of each row at its label, 0 for a label out of range; by a gather, which reads no other element.

    TPUs read a whole tile for an element that is gathered, so they take the twin. Measured: jaxlib 0.10.2,
    softmax_cross_entropy_with_integer_labels 8192x1000, the twin takes 1.5 times the CPU time and stores an array of
    the size of the logits; with its gradient at 256x32000, 1.7 times.
    """
    # JAX refuses a gather along an explicitly sharded axis; the sum becomes an all-reduce.
    return compared_value(x, labels, axis) if is_split(x, (axis,)) else _found_value(x, labels, axis)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _found_value(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    def gathered(x: jax.Array, labels: jax.Array) -> jax.Array:
        found = jnp.take_along_axis(x, jnp.clip(labels, 0, x.shape[axis] - 1), axis)
        return keep((labels >= 0) & (labels < x.shape[axis]), found)

    compared = lambda x, labels: compared_value(x, labels, axis)  # noqa: E731
    return by_platform(x, labels, cpu=gathered, gpu=gathered, default=compared)


@rule(_found_value)
def _found_value_jvp(axis, primals, tangents):
    x, labels = primals
    # The transpose of a gather would be a scatter into an array of zeros; that of the sum is a select.
    return _found_value(x, labels, axis), compared_value(tangents[0], labels, axis)


def _compared_entry(table: jax.Array, indices: jax.Array) -> jax.Array:
    at = jnp.expand_dims(jnp.clip(indices, 0, table.size - 1), -1)
    hit = columns(jnp.broadcast_to(at, (*indices.shape, *table.shape)), indices.ndim, indices.dtype) == at
    entries = jnp.expand_dims(table, tuple(range(indices.ndim)))
    if table.dtype == jnp.bool_:
        return jnp.any(hit & entries, -1)
    return jnp.sum(jnp.where(hit, entries, jnp.zeros_like(entries)), -1, dtype=table.dtype)


@form(_compared_entry)
def look_up(table: jax.Array, indices: jax.Array) -> jax.Array:
    """The elements of a one-dimensional table at the indices, in their shape and sharding; by a gather.

    TPUs take the twin, as in `label_value`. Measured: jaxlib 0.10.2, softmax_cross_entropy_with_integer_labels weights
    65536x10, the twin takes 1.3 times the CPU time.
    """
    table = replicated(table, (0,))
    sharding = explicit_sharding(indices)
    if sharding is not None:
        return table.at[indices].get(mode="clip", out_sharding=sharding)
    gathered = lambda table, indices: jnp.take(table, indices, mode="clip")  # noqa: E731
    return by_platform(table, indices, cpu=gathered, gpu=gathered, default=_compared_entry)


# --------------------------------------------------------------------------------------------------- the row without it


def others_selected(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """`x` with 0 at the label of each row, by a select."""
    return jnp.where(is_label(x, labels, axis), jnp.zeros_like(x), x)


@form(others_selected)
def without_label(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """`x` with 0 at the label of each row; over many classes, on CPUs, written in place.

    Measured: jaxlib 0.10.2, gradient of softmax_cross_entropy_with_integer_labels 256x32000, the twin takes 1.15 times
    the CPU time.
    """

    def in_place(x: jax.Array) -> jax.Array:
        others = tuple(i for i in range(x.ndim) if i != axis)
        elements = lax.ScatterDimensionNumbers((), (axis,), (axis,), others, tuple(range(len(others))))
        indices = jnp.expand_dims(jnp.squeeze(labels, axis), -1)
        zeros = jnp.zeros_like(jnp.squeeze(labels, axis), x.dtype)
        return lax.scatter(x, indices, zeros, elements, unique_indices=True, mode="drop")

    selected = lambda x: others_selected(x, labels, axis)  # noqa: E731
    if not known(x.shape[axis]) or x.shape[axis] < MANY or explicit_sharding(x) is not None:
        return selected(x)
    return by_platform(x, cpu=in_place, default=selected)


def _sum_of_selected(e: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    return jnp.sum(others_selected(e, labels, axis), axis, keepdims=True)


@form(_sum_of_selected)
def sum_without_label(e: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    r"""$\sum_{j \ne t} e_j$ of numbers from 0 to 1, as $\sum_j \min(e_j, 2 |j - t|)$.

    Measured: jaxlib 0.10.2, value of softmax_cross_entropy_with_integer_labels 8192x1000, the twin takes 1.8 times the
    CPU time and stores 32.8 MB, as much as the logits, the form 0.1 MB.
    """
    # Twice the distance, because a minimum of two equal numbers, such as 1 and 1, would halve the slope.
    return jnp.sum(jnp.minimum(e, 2 * distance_from_label(e, labels, axis)), axis, keepdims=True)


# ------------------------------------------------------------------------------------------------------ sums of slopes


def sums_of_slopes(
    slopes: list[tuple[jax.Array, jax.Array]], tangent: jax.Array, labels: jax.Array, axis: int
) -> list[jax.Array]:
    """The sum of slope times tangent over each row, for several slopes.

    A slope is a pair of arrays: the slope of each element, and what is added to it at the label, with length 1 on the
    axis.
    """
    hit = is_label(tangent, labels, axis)
    return [jnp.sum(jnp.where(hit, s + excess, s) * tangent, axis, keepdims=True) for s, excess in slopes]
