"""Keras' losses of regions, over a whole batch or over the axes that are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

import jaxloss
from jaxloss._arrays import class_axes
from jaxloss._domain import checked_only, in_unit
from jaxloss._options import option
from jaxloss._types import Array, Axes, Floats, Numbers, Scalar
from jaxloss.keras._loss import Form
from jaxloss.keras._masks import mask_of_elements, without
from jaxloss.keras._pairs import pair
from jaxloss.keras._reduction import ReductionName


def dice(y_true: Numbers, y_pred: Floats, axis: Axes | None = None) -> Array:
    r"""The share of errors in regions, $1 - 2 \sum t p / (\sum t + \sum p)$; 0 where nothing is labelled or predicted.

    A row is a region, by default the whole batch. See `jaxloss.binary_dice_loss`, also for labels between 0 and 1.

    Args:
        y_true: Labels in [0, 1], of the shape of `y_pred`; with any other the region has loss nan.
        y_pred: Probabilities in [0, 1], `[batch, d0, .. dN]`; with any other the region has loss nan.
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        The shape of `y_pred` without `axis`, in its dtype.

    Raises:
        ValueError: Shapes that differ, an axis out of range.

    Example:
        >>> print("{:.4f}".format(dice([[1.0, 1.0], [0.0, 0.0]], [[0.5, 1.0], [0.0, 0.25]])))
        0.2000
    """
    t, p, axes, dtype = _regions("dice", y_true, y_pred, axis)
    losses = jaxloss.binary_dice_loss(p, t, smooth=0.0, apply_sigmoid=False, axis=axes)
    return (losses[0] if axes is None else losses).astype(dtype)


def tversky(
    y_true: Numbers, y_pred: Floats, alpha: Scalar = 0.5, beta: Scalar = 0.5, axis: Axes | None = None
) -> Array:
    r"""The weighted share of errors in regions, $1 - T / (T + \alpha F + \beta N)$; 0 where there are no errors.

    A row is a region, by default the whole batch. T is the sum of the true positives $t p$, F that of the false
    positives $(1 - t) p$, N that of the false negatives $t (1 - p)$. See `jaxloss.tversky_loss`, also for labels
    between 0 and 1.

    Args:
        y_true: Labels in [0, 1], of the shape of `y_pred`; with any other the region has loss nan.
        y_pred: Probabilities in [0, 1], `[batch, d0, .. dN]`; with any other the region has loss nan.
        alpha: The weight of false positives; at least 0.
        beta: The weight of false negatives; at least 0.
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        The shape of `y_pred` without `axis`, in its dtype.

    Raises:
        ValueError: Shapes that differ, an axis or a weight out of range.

    Example:
        >>> print("{:.4f}".format(tversky([1.0, 0.0], [1.0, 0.5], alpha=0.8, beta=0.2)))
        0.2857
    """
    t, p, axes, dtype = _regions("tversky", y_true, y_pred, axis)
    losses = jaxloss.tversky_loss(
        p[..., None],
        t[..., None],
        smooth=0.0,
        alpha=alpha,
        beta=beta,
        apply_softmax=False,
        reduction="none",
        axis=axes,
    )[..., 0]
    return (losses[0] if axes is None else losses).astype(dtype)


def _regions(
    name: str, y_true: Numbers, y_pred: Floats, axis: Axes | None
) -> tuple[Array, Array, tuple[int, ...] | None, Any]:
    """Labels, probabilities, the axes of a region, and the dtype that Keras returns.

    A whole batch is the one sample of a batch, whose axes are all but the first, as the native losses have it.
    """
    axes = option(name, "axis", axis)
    t, p, dtype = pair(name, y_true, y_pred)
    if axes is None:
        t, p = t[None], p[None]
    else:
        axes = class_axes(name, "y_pred", p, axes)
    t = checked_only(name, t, lambda: in_unit(t), "y_true must be in [0, 1]")
    p = checked_only(name, p, lambda: in_unit(p), "y_pred must be in [0, 1]")
    return t, p, axes, dtype


class _Regions(Form):
    """A loss of regions, of which masked elements are no part."""

    axis: Axes | None

    def _counting(self, name: str, y_true: Any, y_pred: Any, masks: list[Array]) -> tuple[Array, Array | None]:
        """The losses, and the mask of the regions of which anything counts."""
        where = mask_of_elements(name, masks, y_pred)
        if where is None:
            return self.call(y_true, y_pred), None
        # What is neither labelled nor predicted adds nothing to a region.
        losses = self.call(without(where, y_true, fill=0.0), without(where, y_pred, fill=0.0))
        return losses, jnp.any(where, class_axes(name, "y_pred", y_pred, self.axis))


@dataclass(eq=False)
class Dice(_Regions):
    """The class of `dice`."""

    fn = staticmethod(dice)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "dice"
    axis: Axes | None = None
    dtype: Any = None


@dataclass(eq=False)
class Tversky(_Regions):
    """The class of `tversky`."""

    fn = staticmethod(tversky)
    alpha: Scalar = 0.5
    beta: Scalar = 0.5
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "tversky"
    axis: Axes | None = None
    dtype: Any = None


__all__ = ["Dice", "Tversky", "dice", "tversky"]
