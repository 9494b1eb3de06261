"""Rows of classes with an integer label each, and what all losses over a class axis share."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, class_indices, floats, one_class_axis
from jaxloss._domain import checked_only, outside_is_nan
from jaxloss._masks import counted, kept_rows, masked
from jaxloss._options import class_table, is_zero, number
from jaxloss._rows import Rows, rows_of
from jaxloss._types import Array, Axes, AxisName, Floats, Labels, Mask, Scalar
from jaxloss._vocabulary import WHOLE, Shards, shards_of

PROBABILITIES = "probabilities must be in [0, 1]"


class LabelRows(NamedTuple):
    """Rows of classes with an integer label each; fields keep the class axis, with length 1 if reduced."""

    x: Array  # filled where a class is masked
    labels: Array  # int32, local to this shard: outside [0, K) if another shard has the class
    elements: Array | None  # mask of the classes; None keeps all
    kept: Array | None  # which rows count; None for all
    valid: Array  # which labels are in range, or do not count
    axis: int
    classes: tuple[int, ...]  # the lengths of the class axes, in the order in which they are named
    shards: Shards

    @property
    def slopes(self) -> Array:
        """A mask of the rows that have slopes: they count and their label is in range."""
        return self.valid if self.kept is None else self.valid & self.kept

    def per_class(self, name: str, argument: str, value: Any) -> tuple[Array, Array]:
        """One value for each class along the class axis, and the value at each row's label, 0 without slopes."""
        table = class_table(name, argument, value, self.classes, self.x.dtype, self.shards)
        along = jnp.expand_dims(table, [i for i in range(self.x.ndim) if i != self.axis])
        own = masked(self.shards.look_up(table, self.labels), self.slopes)
        return numerics.sharded_like(self.x, along), own

    def spread(self, weights: Array | None) -> Array:
        """The weight of the smoothed mass in each class: the class weight, or 1; 0 where a class is masked."""
        shape = tuple(n if i == self.axis else 1 for i, n in enumerate(self.x.shape))
        along = jnp.ones_like(self.x, shape=shape) if weights is None else weights
        if self.elements is None:
            return along
        # Filled before it is multiplied: else a nan at a masked class would be in the gradient of the other factor.
        return masked(jnp.broadcast_to(along, self.x.shape), self.elements)

    def finish(self, name: str, losses: Array) -> Array:
        """Nan for labels out of range, 0 for rows that do not count, and no class axis."""
        rule = f"labels must be from 0 to {self.x.shape[self.axis] * self.shards.devices - 1}"
        losses = outside_is_nan(name, losses, lambda: self.valid, rule)
        return jnp.squeeze(masked(losses, self.kept), self.axis)

    def counting(self, name: str, losses: Array) -> Rows[Array]:
        """The same, with the rows that count."""
        return rows_of(self.finish(name, losses), self.kept, self.axis)


def label_rows(
    name: str,
    argument: str,
    predictions: Floats,
    labels: Labels,
    axis: Axes,
    where: Mask | None,
    ignore_index: int | None,
    fill: float = -jnp.inf,
    vocab_axis_name: AxisName = None,
) -> LabelRows:
    """Predictions over classes and integer labels, checked, with the masks that `where` and `ignore_index` give."""
    array = floats(name, argument, predictions)
    axes = class_axes(name, argument, array, axis)
    shards = shards_of(name, vocab_axis_name, axes, **{argument: array})
    elements, kept = kept_of(name, where, array, axes, shards)
    t = class_indices(name, argument, array, labels, axes, axis)
    x, class_axis = one_class_axis(array, axes), min(axes)
    if elements is not None:
        elements = numerics.sharded_like(x, one_class_axis(elements, axes))
    if kept is not None:
        kept = numerics.sharded_like(x, kept.reshape(t.shape))
    not_ignored = counted(name, t, ignore_index)
    if not_ignored is not None:
        kept = not_ignored if kept is None else kept & not_ignored
    classes_here = x.shape[class_axis]
    valid = (t >= 0) & (t < classes_here * shards.devices)
    t = shards.labels(jnp.where(valid, t, jnp.zeros_like(t)).astype(jnp.int32), classes_here)
    if elements is not None and kept is not None:
        own = jnp.any(elements & numerics.is_label(x, t, class_axis), class_axis, keepdims=True)
        kept = kept & (shards.any(own) | ~valid)
    valid = valid if kept is None else valid | ~kept
    x = x if elements is None else numerics.keep(elements, x, fill)
    lengths = tuple(array.shape[a] for a in axes)
    rows = LabelRows(x, t, elements, kept, valid, class_axis, lengths, shards)
    return rows._replace(x=numerics.gated(x, rows.slopes))


def kept_of(
    name: str, where: Mask | None, x: Array, axes: tuple[int, ...], shards: Shards = WHOLE
) -> tuple[Array | None, Array | None]:
    """`kept_rows`, sharded as x is; a row is kept if any shard keeps a class of it."""
    elements, rows = kept_rows(name, where, x.shape, axes)
    if elements is not None and rows is not None:
        rows = shards.any(rows)
    elements, rows = (None if kept is None else numerics.sharded_like(x, kept) for kept in (elements, rows))
    return elements, rows


def classes(x: Array, axes: tuple[int, ...], elements: Array | None, shards: Shards = WHOLE) -> Array:
    """The number K of classes of a row that are not masked."""
    if elements is None:  # counted as an integer: a float32 sum of ones stops growing at 2**24
        here = jnp.full((1,) * x.ndim, math.prod(x.shape[i] for i in axes), x.dtype)
        return shards.sum(here)
    return jnp.maximum(shards.sum(jnp.sum(elements, axes, keepdims=True, dtype=x.dtype)), 1)


def smoothed(
    name: str,
    y: Array,
    label_smoothing: Scalar,
    axes: tuple[int, ...],
    elements: Array | None,
    argument: str = "label_smoothing",
    shards: Shards = WHOLE,
) -> Array:
    """Distributions with a share of their mass spread evenly over the classes that are not masked."""
    if is_zero(label_smoothing):
        return y
    smoothing = number(name, argument, label_smoothing, y.dtype)
    smooth = (1 - smoothing) * y + smoothing / classes(y, axes, elements, shards)
    return masked(smooth, elements)


def negative_checked(name: str, losses: Array, y: Array, axes: tuple[int, ...], rows: Array | None) -> Array:
    """The losses, with an error under `checked` for a row that counts and has a negative label.

    The formula has a value for it.
    """

    def inside() -> Array:
        fine = ~jnp.any(y < 0, axes, keepdims=True)
        return fine if rows is None else fine | ~rows

    return checked_only(name, losses, inside, "labels must not be negative")


def probable(p: Array, axes: tuple[int, ...]) -> Array:
    """A mask of the rows whose elements are all in [0, 1]; the axes are kept with length 1."""
    return (jnp.min(p, axes, keepdims=True) >= 0) & (jnp.max(p, axes, keepdims=True) <= 1)
