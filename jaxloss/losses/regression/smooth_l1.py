r"""The smooth L1 loss: the absolute error, quadratic near the target."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import number
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar


def smooth_l1_loss(
    predictions: Floats, targets: Numbers | None = None, *, beta: Scalar = 1.0, where: Mask | None = None
) -> Array:
    r"""The absolute error, less half of beta, and quadratic up to a distance beta.

    `e**2 / (2 * beta) if |e| < beta else |e| - beta / 2` with e = predictions - targets.

    $$\ell = \begin{cases} e^2 / (2 \beta) & |e| < \beta \\ |e| - \beta / 2 & |e| \ge \beta \end{cases}$$

    with $e = \text{prediction} - \text{target}$, any real number; an infinite error has an infinite loss. Its slope is
    $e / \beta$ near the target and the sign of e elsewhere; it is `huber_loss` with delta beta over beta, and
    `absolute_error` at a beta of 0.

    Args:
        predictions: Any shape.
        targets: The shape of `predictions`; zeros if left out.
        beta: Where the loss turns linear, in the units of the predictions; at least 0.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the predictions.

    Raises:
        ValueError: Shapes that differ, or a beta below 0.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(smooth_l1_loss(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0]), beta=2.0))
        [0.0625 2.    ]

    Source: Girshick, "Fast R-CNN", 2015.
    """
    name = "smooth_l1_loss"
    given = Given("predictions", predictions, 0.0), Given("targets", targets, 0.0, optional=True)
    elements = elementwise(name, where, *given)
    x, y = elements.arrays
    return elements.finish(numerics.smooth_l1(x - y, number(name, "beta", beta, x.dtype)))


@class_form
class SmoothL1Loss(Loss):
    """The class form of `smooth_l1_loss`."""

    fn = staticmethod(smooth_l1_loss)
    beta: Scalar = 1.0


__all__ = ["SmoothL1Loss", "smooth_l1_loss"]
