r"""The Tversky loss: a Dice loss with a weight for either kind of error, and the focal one, which is a power of it."""

from __future__ import annotations

from typing import Literal

from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, AxisName, Floats, Mask, Numbers, Scalar
from jaxloss.losses.segmentation._overlaps import ratio_losses


@over_rows
def tversky_loss(
    predictions: Floats,
    targets: Numbers,
    *,
    class_weights: Numbers | None = None,
    smooth: Scalar = 1.0,
    alpha: Scalar = 0.5,
    beta: Scalar = 0.5,
    gamma: Scalar = 1.0,
    apply_softmax: bool = True,
    reduction: Literal["mean", "sum", "none"] = "mean",
    ignore_background: bool = False,
    axis: Axes | None = None,
    where: Mask | None = None,
    sum_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""The weighted share of errors among the pixels of a class, to a power, averaged over the classes.

    `w * ((alpha * F + beta * N) / (T + alpha * F + beta * N + s))**gamma` of each class, with w = class_weights and
    s = smooth.

    $$\ell_k = w_k \left(\frac{\alpha F_k + \beta N_k}{T_k + \alpha F_k + \beta N_k + s}\right)^\gamma$$

    with the true positives T, false positives F and false negatives N of `dice_loss`, on the same domain. A gamma above
    1 gives classes with many errors more weight. With a gamma below 1 the slope grows without bound as the loss goes to
    0, where it is taken as 0. `axis`, `reduction` and the mask mean the same as in `dice_loss`.

    Args:
        predictions: Logits, or probabilities, `[batch, ..., classes]`.
        targets: One-hot or soft labels, of the shape of `predictions`.
        class_weights: One weight for each class; 1 by default.
        smooth: The number s that is added to the true positives; at least 0.
        alpha: The weight of false positives; at least 0.
        beta: The weight of false negatives; at least 0.
        gamma: The power; at least 0.
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
        >>> p, t = jnp.array([[[0.5], [1.0]]]), jnp.array([[[1.0], [1.0]]])
        >>> print(f"{tversky_loss(p, t, apply_softmax=False, beta=0.7, gamma=2.0, smooth=0.0)[0]:.4f}")
        0.0358

    Source: Salehi, Erdogmus, Gholipour, "Tversky loss function for image segmentation", 2017; the power, Abraham and
    Khan, "A novel focal Tversky loss function", 2019, where it is 1 / gamma.
    """
    return ratio_losses(
        "tversky_loss",
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
        gamma=gamma,
    )


@class_form
class TverskyLoss(Loss):
    """Tversky loss: the class form of `tversky_loss`."""

    fn = staticmethod(tversky_loss)
    class_weights: Numbers | None = None
    smooth: Scalar = 1.0
    alpha: Scalar = 0.5
    beta: Scalar = 0.5
    gamma: Scalar = 1.0
    apply_softmax: bool = True
    ignore_background: bool = False
    axis: Axes | None = None
    sum_axis_name: AxisName = None


__all__ = ["TverskyLoss", "tversky_loss"]
