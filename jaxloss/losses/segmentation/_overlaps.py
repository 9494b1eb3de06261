"""Regions that are predicted and regions that are there: the sums of both that the losses of overlap are ratios of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import class_axes, floating
from jaxloss._elements import Given, elementwise
from jaxloss._options import choice, number, option, per_class
from jaxloss._rows import Rows
from jaxloss._types import Array, AxisName

Probabilities = Callable[[Array, Array], tuple[Array, Array]]
"""(predictions, targets) -> the probabilities p, and what the targets exceed them by, without a cancellation."""


class Overlap(NamedTuple):
    """The sums over the pixels of each region, the axes gone."""

    common: Array
    """What is predicted and is there."""
    over: Array
    """What is predicted too much."""
    under: Array
    """What is missing."""
    there: Array
    """What is there."""
    inside: Array
    """Which samples hold numbers of the domain alone."""
    counting: Array | None
    """Which samples have an element that counts; None for all."""

    def loss(self, alpha: Array, beta: Array, smooth: Array) -> Array:
        """What is wrong, as a part of all; 0 where there is nothing to predict and nothing is predicted."""
        return numerics.fraction(alpha * self.over + beta * self.under, self.common + smooth)


def from_softmax(x: Array, t: Array) -> tuple[Array, Array]:
    """Of logits over classes, the last axis; of a class of p > 1/2 the rest is summed, for 1 - p to keep its digits."""
    p = numerics.softmax(x, -1)
    likely, zero = p > 0.5, jnp.zeros_like(p)
    rest = jnp.sum(jnp.where(likely, zero, p), -1, keepdims=True)
    return p, jnp.where(likely, (t - 1) + rest, t - p)


def from_sigmoid(x: Array, t: Array) -> tuple[Array, Array]:
    """Of log-odds."""
    p = numerics.sigmoid(x)
    return p, jnp.where(x > 0, (t - 1) + numerics.sigmoid(-x), t - p)


def from_probabilities(p: Array, t: Array) -> tuple[Array, Array]:
    """Of probabilities as they are given."""
    return p, t - p


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
    """The sums over `axes`, and over mesh axes; arrays are checked, and filled where they are masked.

    `sample` are the axes that are in one loss: with one element outside the domain all of it is nan.
    """
    given = probabilities is from_probabilities
    unit: Callable[[Array], Array] = lambda p: (p >= 0) & (p <= 1)  # noqa: E731
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 0.0 if given else -math.inf, unit if given else None, _IN_UNIT),
        Given("targets", targets, 0.0, unit, _IN_UNIT),
    )
    x, t = elements.arrays
    inside = jnp.ones_like(x, bool) if elements.inside is None else elements.inside
    # Filled: the slopes of the sums are finite wherever the elements are, and the sample's loss has none.
    x, t = numerics.keep(inside, x), numerics.keep(inside, t)
    p, gap = probabilities(x, t)
    # The lesser of p and t, and what either has more. Where the two agree inside (0, 1), 0 lies between the slopes of
    # the loss; at the ends there is one side alone, and at labels of 0 and 1 the sums are those of products.
    below = (gap > 0) | ((gap == 0) & (t >= 1))
    above = ~below & ~((gap == 0) & (t > 0))  # a nan too, to be seen
    zero = jnp.zeros_like(gap)
    sums = (
        jnp.where(below, p, jnp.where(above, t, lax.stop_gradient(t))),
        jnp.where(above, -gap, zero),
        jnp.where(below, gap, zero),
    )
    outside = jnp.sum(~inside, sample, keepdims=True, dtype=jnp.int32)
    counting = None if elements.where is None else jnp.any(elements.where, sample)
    try:
        totals = numerics.sum_of_shards(tuple(jnp.sum(s, axes) for s in (*sums, t)), sum_axis_name)
        outside = numerics.sum_of_shards(outside, sum_axis_name)
        if counting is not None:
            counting = numerics.sum_of_shards(counting.astype(jnp.int32), sum_axis_name) > 0
    except NameError as error:
        raise ValueError(
            f"{name}: sum_axis_name {sum_axis_name!r} is no mesh axis here: call the loss inside jax.shard_map over "
            "it, each device with its part of what is summed."
        ) from error
    common, over, under, there = totals
    return Overlap(common, over, under, there, jnp.squeeze(outside == 0, axes), counting)


_IN_UNIT = "predictions and targets must be in [0, 1], or logits with apply_softmax or apply_sigmoid"


def summed_axes(name: str, x: Array, axis: Any, classes: int) -> tuple[int, ...]:
    """The axes to sum over: those named, by default all but the first and that of the classes, if there is one."""
    if axis is None:
        return tuple(range(1, x.ndim - classes))
    axes = class_axes(name, "predictions", x, axis)
    if classes and x.ndim - 1 in axes:
        raise ValueError(
            f"{name}: axis {axis} names the last axis of predictions {x.shape}, which are the classes: sum over the "
            "axes of space, and over that of the batch, if it should be one region."
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
    power: Any = None,
) -> Rows[Array]:
    """The losses of each sample and class, to a power, weighed and reduced over the classes."""
    choice(name, "reduction", reduction, ("mean", "sum", "none"))
    x = floating(name, "predictions", predictions)
    if x.ndim == 0:
        raise ValueError(f"{name}: predictions are a scalar, and need an axis for the classes at least.")
    way = from_probabilities
    if option(name, "apply_softmax", apply_softmax):
        way = from_sigmoid if x.shape[-1] == 1 else from_softmax
    axes = summed_axes(name, x, axis, 1)
    found = overlap(name, x, targets, where, way, axes, (*axes, x.ndim - 1), sum_axis_name)
    dtype = found.common.dtype
    of = {"alpha": alpha, "beta": beta, "smooth": smooth}
    losses = found.loss(**{argument: number(name, argument, value, dtype) for argument, value in of.items()})
    if power is not None:
        losses = numerics.positive_power(losses, number(name, "gamma", power, dtype))
    if class_weights is not None:
        weights = per_class(name, "class_weights", class_weights, losses.shape, (losses.ndim - 1,), dtype)
        losses = losses * numerics.sharded_like(losses, weights)
    losses = numerics.nan_unless(jnp.broadcast_to(found.inside, losses.shape), losses)
    if option(name, "ignore_background", ignore_background) and losses.shape[-1] != 1:
        losses = numerics.replicated(losses, (losses.ndim - 1,))[..., 1:]
    if reduction != "none":
        losses = jnp.mean(losses, -1) if reduction == "mean" else jnp.sum(losses, -1)
    return Rows(losses, found.counting)


__all__ = [
    "from_probabilities",
    "from_sigmoid",
    "from_softmax",
    "overlap",
    "ratio_losses",
    "summed_axes",
]
