r"""Errors relative to the size of the target."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import number
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar


def absolute_percentage_error(
    predictions: Floats, targets: Numbers, *, epsilon: Scalar = 0.0, where: Mask | None = None
) -> Array:
    r"""The absolute error as a share of the target.

    `|predictions - targets| / max(|targets|, epsilon)` for each element.

    $$\ell = \frac{|\text{prediction} - \text{target}|}{\max(|\text{target}|, \epsilon)}$$

    Any real predictions and targets but a target of 0, which without an epsilon has loss nan. An infinite target has
    loss 1. Where prediction and target are equal the slope is 0; at $|\text{target}| = \epsilon$ that in the target is
    0 if 0 lies between the slopes beside it, else that of larger targets.

    Args:
        predictions: Any shape.
        targets: The shape of `predictions`.
        epsilon: The least size that an error is divided by, in the units of the targets; at least 0.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, a fraction: 0.1 is ten percent.

    Raises:
        ValueError: Shapes that differ, or an epsilon below 0.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(absolute_percentage_error(jnp.array([90.0, 250.0]), jnp.array([100.0, 200.0])))
        [0.1  0.25]

    Source: Makridakis, "Accuracy measures: theoretical and practical concerns", 1993.
    """
    name = "absolute_percentage_error"
    given_epsilon = number(name, "epsilon", epsilon, jnp.result_type(float))
    inside = lambda y: (y != 0) | (given_epsilon > 0)  # noqa: E731
    given = Given("targets", targets, 1.0, inside, "targets must not be 0 without an epsilon")
    elements = elementwise(name, where, Given("predictions", predictions, 1.0), given)
    x, y = elements.arrays
    least = elements.option(number(name, "epsilon", epsilon, x.dtype))
    return elements.finish(numerics.relative_error(x, y, least))


def squared_log_error(predictions: Floats, targets: Numbers, *, where: Mask | None = None) -> Array:
    r"""The squared difference of logarithms, of quantities that vary by orders of magnitude and may be 0.

    `(log(1 + predictions) - log(1 + targets))**2` for each element.

    $$\ell = \left(\log(1 + \text{prediction}) - \log(1 + \text{target})\right)^2$$

    It is the square of the logarithm of one ratio, so that its digits are kept where prediction and target nearly
    agree. Numbers from -1: at -1, and at infinity, the loss is infinite unless both are there, where it is 0; a
    prediction or a target below -1 has loss nan.

    Args:
        predictions: Any shape.
        targets: The shape of `predictions`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print("{:.4f} {:.4g}".format(*squared_log_error(jnp.array([1.0, 1e6]), jnp.array([0, 1000001]))))
        0.4805 1e-12

    Source: Tofallis, "A better measure of relative prediction accuracy for model selection and model estimation", 2015,
    with 1 added to both numbers, as in scikit-learn's `mean_squared_log_error`.
    """
    name = "squared_log_error"
    inside = lambda a: a >= -1  # noqa: E731
    given = (
        Given("predictions", predictions, 1.0, inside, "predictions must be at least -1"),
        Given("targets", targets, 1.0, inside, "targets must be at least -1"),
    )
    elements = elementwise(name, where, *given)
    return elements.finish(numerics.squared_log_gap(*elements.arrays))


@class_form
class AbsolutePercentageError(Loss):
    """Absolute percentage error: the class form of `absolute_percentage_error`."""

    fn = staticmethod(absolute_percentage_error)
    epsilon: Scalar = 0.0


@class_form
class SquaredLogError(Loss):
    """Squared logarithmic error: the class form of `squared_log_error`."""

    fn = staticmethod(squared_log_error)


__all__ = ["AbsolutePercentageError", "SquaredLogError", "absolute_percentage_error", "squared_log_error"]
