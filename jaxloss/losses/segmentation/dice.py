r"""The Dice loss: how much of two regions, a predicted one and a true one, is not common to both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxloss import numerics
from jaxloss._arrays import floating
from jaxloss._loss import Loss
from jaxloss._options import number, option
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, AxisName, Floats, Mask, Numbers, Scalar
from jaxloss.losses.segmentation._overlaps import (
    from_probabilities,
    from_sigmoid,
    overlap,
    ratio_losses,
    summed_axes,
)


@over_rows
def dice_loss(
    predictions: Floats,
    targets: Numbers,
    *,
    class_weights: Numbers | None = None,
    smooth: Scalar = 1.0,
    alpha: Scalar = 0.5,
    beta: Scalar = 0.5,
    apply_softmax: bool = True,
    reduction: Literal["mean", "sum", "none"] = "mean",
    ignore_background: bool = False,
    axis: Axes | None = None,
    where: Mask | None = None,
    sum_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""Of each class, what is predicted too much and what is missing, as a part of all that is predicted or there.

    $$\ell_k = w_k \frac{\alpha F_k + \beta M_k}{C_k + \alpha F_k + \beta M_k + s}, \quad
        C_k = \sum_i \min(p_{ik}, t_{ik}), \; F_k = \sum_i (p_{ik} - t_{ik})^+, \; M_k = \sum_i (t_{ik} - p_{ik})^+$$

    over the pixels i, with p the softmax of the logits, or their sigmoid if there is one class. For targets of 0 and 1
    this is one less the Dice coefficient $\frac{C + s}{C + \alpha F + \beta M + s}$ with $C = \sum_i p_{ik} t_{ik}$,
    and soft targets are best predicted as they are, which products would not have them be. Where a prediction is a soft
    target exactly, the slope is 0.

    Any logits, infinite ones included; targets, and probabilities, in [0, 1], else the sample has loss nan. A class
    that is neither there nor predicted has loss 0, also with s = 0.

    Sums run over `axis`: by default all axes but the first and that of the classes, the last. With the first among them
    the batch is one region. `reduction` says whether the losses of a sample's classes are averaged, added or returned.
    A mask of the shape of `predictions` leaves elements out; one without the last axes leaves out pixels or samples.

    Args:
        predictions: Logits, or probabilities, `[batch, ..., classes]`.
        targets: One-hot or soft labels, of the shape of `predictions`.
        class_weights: One weight for each class; 1 by default.
        smooth: What is added to the common part, s; at least 0.
        alpha: The weight of what is predicted too much; at least 0.
        beta: The weight of what is missing; at least 0.
        apply_softmax: Whether the predictions are logits; else they are probabilities, which need not sum to 1.
        reduction: How the losses become one number, see above.
        ignore_background: Whether class 0 is left out, if it is not the only one.
        axis: The axes to reduce; the default is described above.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        sum_axis_name: Mesh axes over which the pixels, or the batch, that are summed are spread, inside `shard_map`.

    Returns:
        One value per sample: the shape of `predictions` without the axes that are summed over and the class axis; with
        `reduction="none"` one per sample and class. The class form takes those of each sample.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Predictions that are not floats.

    Example:
        >>> p = jnp.array([[[0.5, 0.5], [1.0, 0.0]]])  # a sample of two pixels and two classes
        >>> t = jnp.array([[[1.0, 0.0], [1.0, 0.0]]])
        >>> print(dice_loss(p, t, apply_softmax=False, smooth=0.0, reduction="none").round(3))
        [[0.143 1.   ]]

    Source: Milletari, Navab, Ahmadi, "V-Net", 2016; the form for soft labels, Wang et al., "Dice Semimetric Losses",
    2023.
    """
    return ratio_losses(
        "dice_loss",
        predictions,
        targets,
        class_weights=class_weights,
        smooth=smooth,
        alpha=alpha,
        beta=beta,
        apply_softmax=apply_softmax,
        reduction=reduction,
        ignore_background=ignore_background,
        axis=axis,
        where=where,
        sum_axis_name=sum_axis_name,
    )


@over_rows
def binary_dice_loss(
    predictions: Floats,
    targets: Numbers,
    *,
    smooth: Scalar = 1.0,
    apply_sigmoid: bool = True,
    axis: Axes | None = None,
    where: Mask | None = None,
    sum_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""Of one region, what is predicted too much and what is missing, as a part of all that is predicted or there.

    $$\ell = \frac{\sum_i |p_i - t_i|}{\sum_i (p_i + t_i) + 2 s}$$

    with p the sigmoid of the logits. For targets of 0 and 1 this is one less the Dice coefficient; for soft ones it is
    0 where they are predicted as they are. Any logits, infinite ones included; targets, and probabilities, in [0, 1],
    else the sample has loss nan. Where nothing is there and nothing is predicted the loss is 0, also with s = 0.

    Sums run over `axis`: by default all axes but the first. With the first among them the batch is one region.
    A mask of the shape of `predictions` leaves elements out; one without the last axes leaves out pixels or samples.

    Args:
        predictions: Logits, or probabilities, `[batch, ...]`.
        targets: Labels, 0, 1 or between, of the shape of `predictions`.
        smooth: What is added to the common part, s; at least 0.
        apply_sigmoid: Whether the predictions are logits; else they are probabilities.
        axis: The axes to reduce; the default is described above.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        sum_axis_name: Mesh axes over which what is summed is spread; see `dice_loss`.

    Returns:
        One value per sample: the shape of `predictions` without the axes that are summed over.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(binary_dice_loss(jnp.array([[0.5, 1.0]]), jnp.array([[1.0, 1.0]]), apply_sigmoid=False).round(4))
        [0.0909]

    Source: as `dice_loss`.
    """
    name = "binary_dice_loss"
    x = floating(name, "predictions", predictions)
    axes = summed_axes(name, x, axis, 0)
    way = from_sigmoid if option(name, "apply_sigmoid", apply_sigmoid) else from_probabilities
    found = overlap(name, x, targets, where, way, axes, axes, sum_axis_name)
    half, s = (number(name, "smooth", value, found.common.dtype) for value in (0.5, smooth))
    return Rows(numerics.nan_unless(found.inside, found.loss(half, half, s)), found.counting)


@dataclass(frozen=True, kw_only=True)
class DiceLoss(Loss):
    """The class form of `dice_loss`."""

    fn = staticmethod(dice_loss)
    class_weights: Numbers | None = None
    smooth: Scalar = 1.0
    alpha: Scalar = 0.5
    beta: Scalar = 0.5
    apply_softmax: bool = True
    ignore_background: bool = False
    axis: Axes | None = None
    sum_axis_name: AxisName = None


@dataclass(frozen=True, kw_only=True)
class BinaryDiceLoss(Loss):
    """The class form of `binary_dice_loss`."""

    fn = staticmethod(binary_dice_loss)
    smooth: Scalar = 1.0
    apply_sigmoid: bool = True
    axis: Axes | None = None
    sum_axis_name: AxisName = None


__all__ = ["BinaryDiceLoss", "DiceLoss", "binary_dice_loss", "dice_loss"]
