r"""The Dice losses: the share of errors in a predicted region and a true one."""

from __future__ import annotations

from typing import Literal

from jaxloss import numerics
from jaxloss._arrays import floating
from jaxloss._class_form import class_form
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
    r"""The share of errors among the pixels predicted or labelled as a class, averaged over the classes.

    `w * (alpha * F + beta * N) / (T + alpha * F + beta * N + s)` of each class, with `T = sum_i(min(p[i], t[i]))`,
    `F = sum_i(max(0, p[i] - t[i]))`, `N = sum_i(max(0, t[i] - p[i]))`, w = class_weights and s = smooth.

    $$\ell_k = w_k \frac{\alpha F_k + \beta N_k}{T_k + \alpha F_k + \beta N_k + s}, \quad
        T_k = \sum_i \min(p_{ik}, t_{ik}), \; F_k = \sum_i (p_{ik} - t_{ik})^+, \; N_k = \sum_i (t_{ik} - p_{ik})^+$$

    with the true positives T, false positives F and false negatives N over the pixels i, and with p the softmax of the
    logits, or their sigmoid if there is one class. For targets of 0 and 1 this is 1 minus the Dice coefficient
    $\frac{T + s}{T + \alpha F + \beta N + s}$ with $T = \sum_i p_{ik} t_{ik}$. Soft targets have loss 0 where they are
    predicted exactly, and slope 0 there; with products in the place of the minimum they would be predicted as 0 or 1.

    Any logits, infinite ones included; targets, and probabilities, in [0, 1], else the sample has loss nan. A class
    that is neither labelled nor predicted has loss 0, with s = 0 too.

    The sums are over `axis`: by default all axes but the first and the last, which has the classes. With the first
    among them the batch is one region. `reduction` says whether the losses of a sample's classes are averaged, added or
    returned. A mask of the shape of `predictions` leaves out elements, and the mean is over the classes that have any
    left; one without the last axes leaves out pixels or samples.

    Args:
        predictions: Logits, or probabilities, `[batch, ..., classes]`.
        targets: One-hot or soft labels, of the shape of `predictions`.
        class_weights: One weight for each class; 1 by default.
        smooth: The number s that is added to the true positives; at least 0.
        alpha: The weight of false positives; at least 0.
        beta: The weight of false negatives; at least 0.
        apply_softmax: Whether the predictions are logits; else they are probabilities, which need not sum to 1.
        reduction: How the losses become one number, see above.
        ignore_background: Whether class 0 is left out, if it is not the only one.
        axis: The axes to reduce; the default is described above.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        sum_axis_name: Mesh axes over which the pixels, or the batch, of a region are spread, inside `shard_map`.

    Returns:
        One value per sample: the shape of `predictions` without the axes that are summed over and the class axis; with
        `reduction="none"` one per sample and class. The class form reduces the means of the samples.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Predictions that are not floats.

    Example:
        >>> p = jnp.array([[[0.5, 0.5], [1.0, 0.0]]])  # a sample of two pixels and two classes
        >>> t = jnp.array([[[1.0, 0.0], [1.0, 0.0]]])
        >>> losses = dice_loss(p, t, apply_softmax=False, smooth=0.0, reduction="none")
        >>> print("{:.3f} {:.3f}".format(*losses[0]))
        0.143 1.000

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
    r"""The share of errors among the pixels predicted or labelled as one region.

    `sum_i(|p[i] - t[i]|) / (sum_i(p[i] + t[i]) + 2 * s)` with p = sigmoid(predictions), t = targets and s = smooth.

    $$\ell = \frac{\sum_i |p_i - t_i|}{\sum_i (p_i + t_i) + 2 s}$$

    with p the sigmoid of the logits. For targets of 0 and 1 this is 1 minus the Dice coefficient; soft targets that are
    predicted exactly have loss and slope 0. Any logits, infinite ones included; targets, and probabilities, in
    [0, 1], else the sample has loss nan. A region that is neither labelled nor predicted has loss 0, with s = 0 too.

    The sums are over `axis`: by default all axes but the first. With the first among them the batch is one region. A
    mask of the shape of `predictions` leaves out elements; one without the last axes leaves out pixels or samples.

    Args:
        predictions: Logits, or probabilities, `[batch, ...]`.
        targets: Labels, 0, 1 or between, of the shape of `predictions`.
        smooth: The number s that is added to the true positives; at least 0.
        apply_sigmoid: Whether the predictions are logits; else they are probabilities.
        axis: The axes to reduce; the default is described above.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        sum_axis_name: Mesh axes over which the pixels, or the batch, of a region are spread, inside `shard_map`.

    Returns:
        One value per sample: the shape of `predictions` without the axes that are summed over.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Predictions that are not floats.

    Example:
        >>> loss = binary_dice_loss(jnp.array([[0.5, 1.0]]), jnp.array([[1.0, 1.0]]), apply_sigmoid=False)
        >>> print(f"{loss[0]:.4f}")
        0.0909

    Source: as `dice_loss`.
    """
    name = "binary_dice_loss"
    x = floating(name, "predictions", predictions)
    axes = summed_axes(name, x, axis, 0)
    way = from_sigmoid if option(name, "apply_sigmoid", apply_sigmoid) else from_probabilities
    found = overlap(name, x, targets, where, way, axes, axes, sum_axis_name)
    half, s = (number(name, "smooth", value, found.true_positives.dtype) for value in (0.5, smooth))
    return Rows(numerics.nan_unless(found.inside, found.loss(half, half, s)), found.counting)


@class_form
class DiceLoss(Loss):
    """Dice loss: the class form of `dice_loss`."""

    fn = staticmethod(dice_loss)
    class_weights: Numbers | None = None
    smooth: Scalar = 1.0
    alpha: Scalar = 0.5
    beta: Scalar = 0.5
    apply_softmax: bool = True
    ignore_background: bool = False
    axis: Axes | None = None
    sum_axis_name: AxisName = None


@class_form
class BinaryDiceLoss(Loss):
    """Binary Dice loss: the class form of `binary_dice_loss`."""

    fn = staticmethod(binary_dice_loss)
    smooth: Scalar = 1.0
    apply_sigmoid: bool = True
    axis: Axes | None = None
    sum_axis_name: AxisName = None


__all__ = ["BinaryDiceLoss", "DiceLoss", "binary_dice_loss", "dice_loss"]
