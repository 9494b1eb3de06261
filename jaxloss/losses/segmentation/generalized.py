r"""The generalized Dice loss: rare classes have larger weights."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import floating
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._options import number, option
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, AxisName, Floats, Mask, Numbers, Scalar
from jaxloss.losses._devices import sum_over_devices
from jaxloss.losses.segmentation._overlaps import foreground, overlap, summed_axes, way_of_classes


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
    r"""The mean of the Dice losses of all samples and classes, with larger weights for classes rare in the batch.

    `mean(w[k] * (F[b, k] + N[b, k]) / (2 * T[b, k] + F[b, k] + N[b, k] + 2 * s))` over samples b and classes k, with
    s = smooth and weights `w[k]` that are proportional to `1 / P[k]**2` and have the mean 1.

    $$\ell = \frac{1}{B K} \sum_{b, k} w_k \frac{F_{bk} + N_{bk}}{2 T_{bk} + F_{bk} + N_{bk} + 2 s}, \quad
        w_k \propto \frac{1}{P_k^2}, \; \frac1K \sum_k w_k = 1$$

    for B samples of K classes, with the true positives T, false positives F and false negatives N of `dice_loss`, on
    the same domain, and the sum P of the targets of a class over the batch. A class without targets in the batch has
    the weight of the rarest one with some, so that the others keep their weights.

    `axis` has the axes of a batch, that of its samples first and then those of space: by default all but the last. A
    mask of the shape of `predictions` leaves out elements, and the mean is over the samples and classes that have any
    left; one without the last axes leaves out pixels or samples.

    Args:
        predictions: Logits, or probabilities, `[batch, ..., classes]`.
        targets: One-hot or soft labels, of the shape of `predictions`.
        smooth: The number s that is added to the true positives; at least 0.
        apply_softmax: Whether the predictions are logits; else they are probabilities, which need not sum to 1.
        ignore_background: Whether class 0 is left out of the mean, if it is not the only one.
        axis: The axes to reduce; the default is described above.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        batch_axis_name: Mesh axes over which the batch is spread, inside `shard_map`; the loss is that of all samples.

    Returns:
        One value per batch: the shape of `predictions` without `axis` and the class axis, a scalar for one batch. The
        class form reduces these.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Predictions that are not floats.

    Example:
        >>> p, t = jnp.array([[[0.5, 0.5], [1.0, 0.0]]]), jnp.array([[[0.0, 1.0], [1.0, 0.0]]])
        >>> print(f"{multiclass_generalized_dice_loss(p, t, apply_softmax=False, smooth=0.0):.4f}")
        0.2667

    Source: Sudre et al., "Generalised Dice overlap as a deep learning loss function for highly unbalanced
    segmentations", 2017, where the weights are in the numerator and in the denominator; here, as in optax, they are
    factors of the ratios.
    """
    name = "multiclass_generalized_dice_loss"
    x = floating(name, "predictions", predictions)
    axes = _batch_axes(name, x, axis)
    way, space = way_of_classes(name, apply_softmax, x), axes[1:]
    found = overlap(name, x, targets, where, way, space, (*axes, x.ndim - 1), None)
    at = axes[0] - sum(a < axes[0] for a in space)  # the axis of the samples, now that those of space are gone
    half, s = (number(name, "smooth", value, found.positives.dtype) for value in (0.5, smooth))
    losses = found.loss(half, half, s)
    regions = jnp.ones_like(losses, bool) if found.counting is None else numerics.sharded_like(losses, found.counting)
    over_batch = lambda *arrays: sum_over_devices(name, "batch_axis_name", arrays, batch_axis_name)  # noqa: E731
    of_classes = (jnp.sum(a, at, keepdims=True, dtype=losses.dtype) for a in (found.positives, regions))
    losses = losses * _weights(*over_batch(*of_classes))  # those of a masked class are 0
    if option(name, "ignore_background", ignore_background):
        losses, regions = foreground(losses), foreground(regions)
    of_all = (jnp.sum(a, (at, a.ndim - 1), dtype=losses.dtype) for a in (losses, regions))
    outside = jnp.any(~found.inside, (at, losses.ndim - 1)).astype(jnp.int32)
    total, count, outside = over_batch(*of_all, outside)
    losses = numerics.nan_unless(outside == 0, numerics.divide(total, count))
    return Rows(losses, None if where is None else count > 0)


def _batch_axes(name: str, x: Array, axis: Any) -> tuple[int, ...]:
    axes = tuple(range(x.ndim - 1)) if axis is None else summed_axes(name, x, axis, 1)
    if not axes:
        raise ValueError(
            f"{name}: predictions {x.shape} have no axis of samples: give them one, [batch, ..., classes]."
        )
    return axes


def _weights(positives: Array, regions: Array) -> Array:
    """The weights of the classes, of mean 1 over those with any region that counts."""
    some = positives > 0
    rarest = jnp.min(numerics.keep(some, positives, jnp.inf), -1, keepdims=True)
    rarest = jnp.where(jnp.isfinite(rarest), rarest, jnp.ones_like(rarest))
    # The scale does not matter, and has no derivative: that of the mean would cancel it.
    weights = numerics.keep(regions > 0, jnp.square(lax.stop_gradient(rarest) / jnp.where(some, positives, rarest)))
    count = jnp.sum(regions > 0, -1, keepdims=True, dtype=weights.dtype)
    return weights * numerics.divide(count, jnp.sum(weights, -1, keepdims=True))


@class_form
class MulticlassGeneralizedDiceLoss(Loss):
    """Generalized Dice loss: the class form of `multiclass_generalized_dice_loss`."""

    fn = staticmethod(multiclass_generalized_dice_loss)
    smooth: Scalar = 1.0
    apply_softmax: bool = True
    ignore_background: bool = False
    axis: Axes | None = None
    batch_axis_name: AxisName = None


__all__ = ["MulticlassGeneralizedDiceLoss", "multiclass_generalized_dice_loss"]
