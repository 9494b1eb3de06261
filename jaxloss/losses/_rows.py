"""Rows of classes: what the losses over a class axis share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._check import class_axes, counted, floats, inert, is_zero, kept_rows, labelled, masked, matched, number
from jaxloss._checked import valued
from jaxloss._shards import WHOLE, Shards, shards_of
from jaxloss._types import Array, Axes, AxisName, Floats, Labels, Mask, Scalar


class LabelRows(NamedTuple):
    """Rows of classes with an integer label each; fields keep the class axis, with length 1 if reduced."""

    x: Array  # minus infinity where a class is masked
    labels: Array  # int32 and in range; of another shard's class out of the range of this one's
    elements: Array | None  # what is kept of the classes
    kept: Array | None  # which rows count
    valid: Array  # which labels are in range, or do not count
    axis: int
    shards: Shards

    def finish(self, name: str, losses: Array) -> Array:
        """Nan for labels out of range, 0 for rows that do not count, and the class axis gone."""
        rule = f"labels must be from 0 to {self.x.shape[self.axis] * self.shards.devices - 1}"
        losses = valued(name, losses, lambda: self.valid, rule)
        return jnp.squeeze(masked(losses, self.kept), self.axis)


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
    """Predictions over classes and integer labels, checked, with what `where` and `ignore_index` keep of them."""
    array = floats(name, argument, predictions)
    axes = class_axes(name, argument, array, axis)
    shards = shards_of(name, vocab_axis_name, axes)
    elements, kept = kept_of(name, where, array, axes, shards)
    x, t, class_axis = labelled(name, argument, array, labels, axis)
    if elements is not None:
        elements = (
            elements if len(axes) == 1 else labelled(name, argument, elements.astype(x.dtype), labels, axis)[0] > 0
        )
    if kept is not None:
        kept = kept.reshape(t.shape)
    not_ignored = counted(name, t, ignore_index)
    if not_ignored is not None:
        kept = not_ignored if kept is None else kept & not_ignored
    classes_here = x.shape[class_axis]
    valid = (t >= 0) & (t < classes_here * shards.devices)
    t = shards.labels(jnp.where(valid, t, jnp.zeros_like(t)).astype(jnp.int32), classes_here)
    if elements is not None and kept is not None:
        x = numerics.keep(elements, x, fill)
        own = jnp.any(elements & numerics.at_label(x, t, class_axis), class_axis, keepdims=True)
        kept = kept & (shards.any(own) | ~valid)
    if kept is not None:
        x = numerics.gated(x, kept)
    return LabelRows(x, t, elements, kept, valid if kept is None else valid | ~kept, class_axis, shards)


def at_label(per_class_values: Array, rows: LabelRows) -> Array:
    """The value of each row's label."""
    return rows.shards.look_up(per_class_values.reshape(-1), rows.labels)


def kept_of(
    name: str, where: Mask | None, x: Array, axes: tuple[int, ...], shards: Shards
) -> tuple[Array | None, Array | None]:
    """`kept_rows`, where a row has anything left if it has it on any shard."""
    elements, rows = kept_rows(name, where, x.shape, axes)
    return elements, rows if elements is None or rows is None else shards.any(rows)


def classes(x: Array, axes: tuple[int, ...], elements: Array | None, shards: Shards = WHOLE) -> Array:
    """How many classes a row has, masked ones left out."""
    ones = jnp.ones_like(x, shape=[n if i in axes else 1 for i, n in enumerate(x.shape)])
    if elements is None:
        return shards.sum(jnp.sum(ones, axes, keepdims=True))
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
    """Distributions with a share of their mass spread evenly over the classes that count."""
    if is_zero(label_smoothing):
        return y
    smoothing = number(name, argument, label_smoothing, y.dtype, low=0, high=1)
    smooth = (1 - smoothing) * y + smoothing / classes(y, axes, elements, shards)
    return masked(smooth, elements)


def outcomes(
    name: str, predictions: Any, targets: Any, axis: Axes | None, where: Any, names: tuple[str, str]
) -> tuple[Array, Array, tuple[int, ...], Array | None, Array | None]:
    """Both arrays, their axes of outcomes, and what is kept of the elements and of the rows."""
    p, t = matched(name, predictions, targets, names)
    axes = class_axes(name, names[0], p, axis)
    elements, rows = kept_rows(name, where, p.shape, axes)
    keep = elements if rows is None or elements is not None else jnp.broadcast_to(rows, p.shape)
    return p, t, axes, keep, rows


def from_probabilities(
    name: str,
    predictions: Any,
    targets: Any,
    axis: Axes | None,
    where: Any,
    divergence: Callable[[Array, Array, tuple[int, ...]], Array],
) -> Array:
    """A divergence between two rows of probabilities, nan where one is outside [0, 1]."""
    p, t, axes, keep, _ = outcomes(name, predictions, targets, axis, where, ("predictions", "targets"))
    p, t = inert(keep, (p, 0.0), (t, 0.0))  # an outcome of no mass on either side adds nothing

    def inside() -> Array:
        lowest = jnp.min(jnp.minimum(p, t), axes, initial=0)
        return (lowest >= 0) & (jnp.max(jnp.maximum(p, t), axes, initial=0) <= 1)

    return valued(name, divergence(p, t, axes), inside, "probabilities must be in [0, 1]")
