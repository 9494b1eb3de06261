r"""Squared and absolute errors."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def squared_error(predictions: Floats, targets: Numbers | None = None, *, where: Mask | None = None) -> Array:
    r"""The squared difference of predictions and targets, any real numbers.

    `(predictions - targets)**2` for each element.

    $$\ell = (\text{prediction} - \text{target})^2$$

    Args:
        predictions: Any shape.
        targets: Of the shape of `predictions`; zeros if left out.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the squared units of the predictions.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(squared_error(jnp.array([0.5, 3.0]), jnp.array([0.0, 1.0])))
        [0.25 4.  ]

    Source: Gauss, "Theoria combinationis observationum", 1823.
    """
    return jnp.square(_error("squared_error", predictions, targets, where))


def l2_loss(predictions: Floats, targets: Numbers | None = None, *, where: Mask | None = None) -> Array:
    r"""Half the squared difference of predictions and targets: its slope is the error.

    `(predictions - targets)**2 / 2` for each element.

    $$\ell = \tfrac12 (\text{prediction} - \text{target})^2$$

    Args:
        predictions: Any shape.
        targets: Of the shape of `predictions`; zeros if left out.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the squared units of the predictions.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(l2_loss(jnp.array([0.5, 3.0]), jnp.array([0.0, 1.0])))
        [0.125 2.   ]

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, section 1.1.
    """
    return 0.5 * jnp.square(_error("l2_loss", predictions, targets, where))


def absolute_error(predictions: Floats, targets: Numbers | None = None, *, where: Mask | None = None) -> Array:
    r"""The absolute difference of predictions and targets, with slope 0 where they are equal.

    `|predictions - targets|` for each element.

    $$\ell = |\text{prediction} - \text{target}|$$

    Args:
        predictions: Any shape.
        targets: Of the shape of `predictions`; zeros if left out.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the predictions.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(absolute_error(jnp.array([0.5, 3.0]), jnp.array([0.0, 1.0])))
        [0.5 2. ]

    Source: Laplace, "Mémoire sur la probabilité des causes par les événements", 1774.
    """
    return numerics.absolute(_error("absolute_error", predictions, targets, where))


def _error(name: str, predictions: Floats, targets: Numbers | None, where: Mask | None) -> Array:
    given = Given("predictions", predictions, 0.0), Given("targets", targets, 0.0, optional=True)
    x, y = elementwise(name, where, *given).arrays
    return x - y  # 0 where both are filled


@class_form
class SquaredError(Loss):
    """Squared error: the class form of `squared_error`."""

    fn = staticmethod(squared_error)


@class_form
class L2Loss(Loss):
    """Half the squared error: the class form of `l2_loss`."""

    fn = staticmethod(l2_loss)


@class_form
class AbsoluteError(Loss):
    """Absolute error: the class form of `absolute_error`."""

    fn = staticmethod(absolute_error)


__all__ = ["AbsoluteError", "L2Loss", "SquaredError", "absolute_error", "l2_loss", "squared_error"]
