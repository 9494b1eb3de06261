r"""The Huber loss: quadratic near the target, linear far from it."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import number
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar


def huber_loss(
    predictions: Floats, targets: Numbers | None = None, *, delta: Scalar = 1.0, where: Mask | None = None
) -> Array:
    r"""Squared error up to a distance delta, absolute error beyond it.

    `e**2 / 2 if |e| <= delta else delta * (|e| - delta / 2)` with e = predictions - targets.

    $$\ell = \begin{cases} e^2 / 2 & |e| \le \delta \\ \delta (|e| - \delta / 2) & |e| > \delta \end{cases}$$

    with $e = \text{prediction} - \text{target}$, any real number; an infinite error has an infinite loss.

    Args:
        predictions: Any shape.
        targets: Of the shape of `predictions`; zeros if left out.
        delta: Where the loss turns linear, in the units of the predictions; above 0.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the squared units of the predictions.

    Raises:
        ValueError: Shapes that differ, or a delta of 0 or less.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(huber_loss(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])))
        [0.125 2.5  ]

    Source: Huber, "Robust estimation of a location parameter", 1964.
    """
    name = "huber_loss"
    given = Given("predictions", predictions, 0.0), Given("targets", targets, 0.0, optional=True)
    elements = elementwise(name, where, *given)
    x, y = elements.arrays
    return elements.finish(numerics.huber(x - y, number(name, "delta", delta, x.dtype)))


@class_form
class HuberLoss(Loss):
    """Huber loss: the class form of `huber_loss`."""

    fn = staticmethod(huber_loss)
    delta: Scalar = 1.0


__all__ = ["HuberLoss", "huber_loss"]
