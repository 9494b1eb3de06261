"""Predicted and true regions: the sums over their pixels that the losses of overlap are ratios of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, floating
from jaxloss._domain import in_unit
from jaxloss._elements import Given, elementwise
from jaxloss._masks import masked
from jaxloss._options import choice, number, option, per_class
from jaxloss._rows import Rows
from jaxloss._types import Array, AxisName
from jaxloss.losses._devices import any_device, sum_over_devices

Probabilities = Callable[[Array, Array], tuple[Array, Array]]
"""(predictions, targets) -> the probabilities p, and the targets less them, without a cancellation."""


class Overlap(NamedTuple):
    """The sums over the pixels of each region, without the summed axes."""

    true_positives: Array
    false_positives: Array
    false_negatives: Array
    positives: Array
    """The targets."""
    inside: Array
    """Which samples are inside the domain."""
    counting: Array | None
    """Which regions have an element that counts; None for all."""

    def loss(self, alpha: Array, beta: Array, smooth: Array) -> Array:
        """The weighted errors over themselves and the true positives; 0 for an empty region without errors."""
        errors = alpha * self.false_positives + beta * self.false_negatives
        return numerics.fraction(errors, self.true_positives + smooth)


def from_softmax(x: Array, t: Array) -> tuple[Array, Array]:
    """From logits over classes, the last axis; 1 - p of a class of p > 1/2 is the sum of the other probabilities."""
    p = numerics.softmax(x, -1)
    likely, zero = p > 0.5, jnp.zeros_like(p)
    rest = numerics.sum_of_terms(jnp.where(likely, zero, p), -1)[..., None]
    return p, jnp.where(likely, (t - 1) + rest, t - p)


def from_sigmoid(x: Array, t: Array) -> tuple[Array, Array]:
    """From log-odds."""
    p = numerics.sigmoid(x)
    return p, jnp.where(x > 0, (t - 1) + numerics.sigmoid(-x), t - p)


def from_probabilities(p: Array, t: Array) -> tuple[Array, Array]:
    """From probabilities as they are given."""
    return p, t - p


def way_of_classes(name: str, apply_softmax: Any, x: Array) -> Probabilities:
    """How predictions over classes, the last axis, become probabilities; a single class is a region and its rest."""
    if not option(name, "apply_softmax", apply_softmax):
        return from_probabilities
    return from_sigmoid if x.shape[-1] == 1 else from_softmax


def foreground(x: Array) -> Array:
    """The classes, on the last axis, without the first one, if it is not the only one."""
    return x if x.shape[-1] == 1 else numerics.replicated(x, (x.ndim - 1,))[..., 1:]


_IN_UNIT = "predictions and targets must be in [0, 1], or logits with apply_softmax or apply_sigmoid"


def overlap(
    name: str,
    predictions: Any,
    targets: Any,
    where: Any,
    probabilities: Probabilities,
    axes: tuple[int, ...],
    sample: tuple[int, ...],
    sum_axis_name: AxisName,
) -> Overlap:
    """The sums over `axes` and over mesh axes, from arrays that are checked, and filled where they are masked.

    `sample` are the axes of all elements that one loss depends on: one of them outside the domain makes it nan.
    """
    given = probabilities is from_probabilities
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 0.0 if given else -math.inf, in_unit if given else None, _IN_UNIT),
        Given("targets", targets, 0.0, in_unit, _IN_UNIT),
    )
    x, t = elements.arrays
    inside = jnp.ones_like(x, bool) if elements.inside is None else elements.inside
    # Filled: the sums then have finite slopes wherever the elements are, and a sample with a nan has none.
    x, t = numerics.keep(inside, x), numerics.keep(inside, t)
    parts = *numerics.true_and_false(*probabilities(x, t), t), jnp.where(inside, 0.0, 1.0).astype(t.dtype)
    true, false, missed, outside = numerics.sums_of_regions(parts, axes)
    outside = jnp.sum(outside, [i for i in sample if i not in axes], keepdims=True)
    counting = None if elements.where is None else jnp.any(elements.where, axes)
    sums = (*(jnp.squeeze(s, axes) for s in (true, false, missed)), jnp.sum(t, axes), outside)
    true, false, missed, positives, outside = sum_over_devices(name, "sum_axis_name", sums, sum_axis_name)
    inside, counting = jnp.squeeze(outside == 0, axes), any_device(counting, sum_axis_name)
    return Overlap(true, false, missed, positives, inside, counting)


def summed_axes(name: str, x: Array, axis: Any, classes: int) -> tuple[int, ...]:
    """The axes to sum over: those named, by default all but the first and that of the classes, if there is one."""
    if axis is None:
        return tuple(range(1, x.ndim - classes))
    axes = class_axes(name, "predictions", x, axis)
    if classes and x.ndim - 1 in axes:
        raise ValueError(
            f"{name}: axis {axis} names the last axis of predictions {x.shape}, which has the classes: sum over the "
            "axes of space, and over that of the batch to make it one region."
        )
    return axes


def ratio_losses(
    name: str,
    predictions: Any,
    targets: Any,
    *,
    class_weights: Any,
    smooth: Any,
    alpha: Any,
    beta: Any,
    apply_softmax: Any,
    reduction: str,
    ignore_background: Any,
    axis: Any,
    where: Any,
    sum_axis_name: AxisName,
    gamma: Any = None,
) -> Rows[Array]:
    """The losses of each sample and class, to a power, weighted and reduced over the classes."""
    choice(name, "reduction", reduction, ("mean", "sum", "none"))
    x = floating(name, "predictions", predictions)
    if x.ndim == 0:
        raise ValueError(f"{name}: predictions are a scalar, and need an axis for the classes at least.")
    way, axes = way_of_classes(name, apply_softmax, x), summed_axes(name, x, axis, 1)
    found = overlap(name, x, targets, where, way, axes, (*axes, x.ndim - 1), sum_axis_name)
    dtype = found.true_positives.dtype
    of = {"alpha": alpha, "beta": beta, "smooth": smooth}
    losses = found.loss(**{argument: number(name, argument, value, dtype) for argument, value in of.items()})
    if gamma is not None:
        losses = numerics.positive_power(losses, number(name, "gamma", gamma, dtype))
    if class_weights is not None:
        weights = per_class(name, "class_weights", class_weights, losses.shape, (losses.ndim - 1,), dtype)
        weights = jnp.broadcast_to(numerics.sharded_like(losses, weights), losses.shape)
        losses = masked(weights, found.counting) * losses
    losses = numerics.nan_unless(jnp.broadcast_to(found.inside, losses.shape), losses)
    return _over_classes(losses, found.counting, reduction, option(name, "ignore_background", ignore_background))


def _over_classes(losses: Array, counting: Array | None, reduction: str, ignore_background: bool) -> Rows[Array]:
    """The losses reduced over the classes that count, with the samples that have any."""
    if ignore_background:
        losses, counting = foreground(losses), None if counting is None else foreground(counting)
    samples = None if counting is None else jnp.any(counting, -1)
    if reduction == "none":
        return Rows(losses, samples)
    total = jnp.sum(losses, -1)
    if reduction == "sum":
        return Rows(total, samples)
    count = losses.shape[-1] if counting is None else jnp.maximum(jnp.sum(counting, -1, dtype=losses.dtype), 1)
    return Rows(total / count, samples)


__all__ = [
    "foreground",
    "from_probabilities",
    "from_sigmoid",
    "overlap",
    "ratio_losses",
    "summed_axes",
    "way_of_classes",
]
