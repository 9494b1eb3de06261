r"""The generalized Dice loss: classes weigh by how rare they are in the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import floating
from jaxloss._loss import Loss
from jaxloss._masks import kept
from jaxloss._options import number, option
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, AxisName, Floats, Mask, Numbers, Scalar
from jaxloss.losses.segmentation._overlaps import from_probabilities, from_sigmoid, from_softmax, overlap, summed_axes


@over_rows
def multiclass_generalized_dice_loss(
    predictions: Floats,
    targets: Numbers,
    *,
    smooth: Scalar = 1.0,
    apply_softmax: bool = True,
    ignore_background: bool = False,
    axis: Axes | None = None,
    where: Mask | None = None,
    batch_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""The mean of the Dice losses of all samples and classes, each class weighed by how rare it is in the batch.

    $$\ell = \frac{1}{N K} \sum_{n, k} w_k \frac{F_{nk} + M_{nk}}{2 C_{nk} + F_{nk} + M_{nk} + 2 s}, \quad
        w_k \propto \frac{1}{T_k^2}, \; \frac1K \sum_k w_k = 1$$

    with the sums C, F and M of `dice_loss`, of the same domain, and T the sum of the targets of a class over the batch.
    A class that the batch does not have weighs as much as the rarest one it has, so that the others keep their weights.

    `axis` has the axes of a batch, that of its samples first and then those of space: by default all but the last. A
    mask of the shape of `predictions` leaves classes out; one without the last axes leaves out pixels or samples.

    Args:
        predictions: Logits, or probabilities, `[batch, ..., classes]`.
        targets: One-hot or soft labels, of the shape of `predictions`.
        smooth: What is added to the common part, s; at least 0.
        apply_softmax: Whether the predictions are logits; else they are probabilities, which need not sum to 1.
        ignore_background: Whether class 0 is left out of the mean, if it is not the only one.
        axis: The axes to reduce; the default is described above.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        batch_axis_name: Mesh axes over which the batch is spread, inside `shard_map`: every device has the loss of all.

    Returns:
        One value per batch: the shape of `predictions` without `axis` and the class axis, a scalar for one batch. The
        class form has the same ones.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Predictions that are not floats.

    Example:
        >>> p, t = jnp.array([[[0.5, 0.5], [1.0, 0.0]]]), jnp.array([[[0.0, 1.0], [1.0, 0.0]]])
        >>> print(multiclass_generalized_dice_loss(p, t, apply_softmax=False, smooth=0.0).round(4))
        0.2667

    Source: Sudre et al., "Generalised Dice overlap as a deep learning loss function for highly unbalanced
    segmentations", 2017, where the weights are in the numerator and in the denominator; here, as in optax, they weigh
    the ratios.
    """
    name = "multiclass_generalized_dice_loss"
    x = floating(name, "predictions", predictions)
    axes = _batch_axes(name, x, axis)
    way = from_probabilities
    if option(name, "apply_softmax", apply_softmax):
        way = from_sigmoid if x.shape[-1] == 1 else from_softmax
    space = axes[1:]
    found = overlap(name, x, targets, where, way, space, (*axes, x.ndim - 1), None)
    half, s = (number(name, "smooth", value, found.common.dtype) for value in (0.5, smooth))
    at = axes[0] - sum(a < axes[0] for a in space)  # the axis of the samples, now that those of space are gone
    losses = found.loss(half, half, s)
    there = _sum(name, jnp.sum(found.there, at, keepdims=True), batch_axis_name)
    losses = losses * _weights(there)
    if option(name, "ignore_background", ignore_background) and losses.shape[-1] != 1:
        losses = numerics.replicated(losses, (losses.ndim - 1,))[..., 1:]
    samples = _samples(name, where, x, space)
    mean = jnp.mean(losses, -1)
    counts = jnp.ones_like(mean, bool) if samples is None else numerics.sharded_like(mean, samples)
    outside = jnp.any(~jnp.squeeze(found.inside, -1), at)
    total, count, outside = (
        _sum(name, a, batch_axis_name)
        for a in (
            jnp.sum(numerics.keep(counts, mean), at),
            jnp.sum(counts, at, dtype=mean.dtype),
            outside.astype(jnp.int32),
        )
    )
    losses = numerics.nan_unless(outside == 0, numerics.divide(total, count))
    elements = kept(name, where, x.shape)
    counting = None if elements is None else jnp.any(elements, (*axes, x.ndim - 1))
    if counting is not None:
        counting = numerics.sum_of_shards(counting.astype(jnp.int32), batch_axis_name) > 0
    return Rows(losses, counting)


def _batch_axes(name: str, x: Array, axis: Any) -> tuple[int, ...]:
    axes = tuple(range(x.ndim - 1)) if axis is None else summed_axes(name, x, axis, 1)
    if not axes:
        raise ValueError(
            f"{name}: predictions {x.shape} have no axis of samples: give them one, [batch, ..., classes]."
        )
    return axes


def _weights(there: Array) -> Array:
    """The weights of the classes, of mean 1; those that are absent have the largest of the others."""
    some = there > 0
    rarest = jnp.min(numerics.keep(some, there, jnp.inf), -1, keepdims=True)
    rarest = jnp.where(jnp.isfinite(rarest), rarest, jnp.ones_like(rarest))
    # The scale does not matter, and has no derivative: that of the mean would cancel it.
    weights = jnp.square(lax.stop_gradient(rarest) / jnp.where(some, there, rarest))
    return weights / jnp.mean(weights, -1, keepdims=True)


def _samples(name: str, where: Any, x: Array, space: tuple[int, ...]) -> Array | None:
    """Which samples have an element that counts."""
    elements = kept(name, where, x.shape)
    return None if elements is None else jnp.any(elements, (*space, x.ndim - 1))


def _sum(name: str, x: Array, batch_axis_name: AxisName) -> Array:
    try:
        return numerics.sum_of_shards(x, batch_axis_name)
    except NameError as error:
        raise ValueError(
            f"{name}: batch_axis_name {batch_axis_name!r} is no mesh axis here: call the loss inside jax.shard_map "
            "over it, each device with its part of the batch."
        ) from error


@dataclass(frozen=True, kw_only=True)
class MulticlassGeneralizedDiceLoss(Loss):
    """The class form of `multiclass_generalized_dice_loss`."""

    fn = staticmethod(multiclass_generalized_dice_loss)
    smooth: Scalar = 1.0
    apply_softmax: bool = True
    ignore_background: bool = False
    axis: Axes | None = None
    batch_axis_name: AxisName = None


__all__ = ["MulticlassGeneralizedDiceLoss", "multiclass_generalized_dice_loss"]
