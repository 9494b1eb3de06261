r"""Losses of a margin, $z = y f$: the output f of a binary classifier times the sign y of the class."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Elements, Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses._signs import signs


def hinge_loss(predictor_outputs: Floats, targets: Numbers, *, where: Mask | None = None) -> Array:
    r"""The hinge loss, 0 where an output is on the side of its target by a margin of at least 1.

    `max(0, 1 - y * f)` with f = predictor_outputs and y = targets.

    $$\ell = \max(0, 1 - y f)$$

    Any real output f: an infinite one has loss 0 where it agrees with the target and an infinite loss elsewhere. A
    target y other than -1 and 1 has loss nan. Where $y f = 1$ the slope is 0.

    Args:
        predictor_outputs: The outputs of the decision function; any shape.
        targets: -1 or 1, of the shape of `predictor_outputs`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the outputs.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Outputs that are not floats, targets of a dtype without -1.

    Example:
        >>> print(hinge_loss(jnp.array([2.0, 0.25, -1.0]), jnp.array([1, 1, 1])))
        [0.   0.75 2.  ]

    Source: Cortes, Vapnik, "Support-vector networks", 1995.
    """
    elements, excess = _hinge("hinge_loss", predictor_outputs, targets, where, 1.0)
    return elements.finish(excess)


def squared_hinge_loss(predictor_outputs: Floats, targets: Numbers, *, where: Mask | None = None) -> Array:
    r"""The square of the hinge loss, whose slope has no jump.

    `max(0, 1 - y * f)**2` with f = predictor_outputs and y = targets.

    $$\ell = \max(0, 1 - y f)^2$$

    Any real output f: an infinite one has loss 0 where it agrees with the target and an infinite loss elsewhere. A
    target y other than -1 and 1 has loss nan. Where $y f = 1$ the second derivative is 0.

    Args:
        predictor_outputs: The outputs of the decision function; any shape.
        targets: -1 or 1, of the shape of `predictor_outputs`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the squared units of the outputs.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Outputs that are not floats, targets of a dtype without -1.

    Example:
        >>> print(squared_hinge_loss(jnp.array([2.0, 0.25, -1.0]), jnp.array([1, 1, 1])))
        [0.     0.5625 4.    ]

    Source: Cortes, Vapnik, "Support-vector networks", 1995.
    """
    elements, excess = _hinge("squared_hinge_loss", predictor_outputs, targets, where, 1.0)
    return elements.finish(jnp.square(excess))


def perceptron_loss(predictor_outputs: Floats, targets: Numbers, *, where: Mask | None = None) -> Array:
    r"""The loss of the perceptron: how far an output is on the wrong side of 0.

    `max(0, -y * f)` with f = predictor_outputs and y = targets.

    $$\ell = \max(0, -y f)$$

    Any real output f: an infinite one has loss 0 where it agrees with the target and an infinite loss elsewhere. A
    target y other than -1 and 1 has loss nan. Where $f = 0$ the slope is 0, so a model whose outputs are all 0 does not
    move: let its weights start at random.

    Args:
        predictor_outputs: The outputs of the decision function; any shape.
        targets: -1 or 1, of the shape of `predictor_outputs`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the outputs.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Outputs that are not floats, targets of a dtype without -1.

    Example:
        >>> print(perceptron_loss(jnp.array([2.0, -0.25]), jnp.array([1, 1])))
        [0.   0.25]

    Source: Rosenblatt, "The perceptron: a probabilistic model for information storage and organization", 1958.
    """
    elements, excess = _hinge("perceptron_loss", predictor_outputs, targets, where, 0.0)
    return elements.finish(excess)


def soft_margin_loss(predictor_outputs: Floats, targets: Numbers, *, where: Mask | None = None) -> Array:
    r"""The logistic loss of a margin: the cross-entropy of a class that is -1 or 1.

    `log(1 + exp(-y * f))` with f = predictor_outputs and y = targets.

    $$\ell = \log(1 + e^{-y f})$$

    Any real output f: an infinite one has loss 0 where it agrees with the target and an infinite loss elsewhere. A
    target y other than -1 and 1 has loss nan. It is `sigmoid_binary_cross_entropy` of the label $(1 + y) / 2$.

    Args:
        predictor_outputs: The outputs of the decision function, which are log-odds; any shape.
        targets: -1 or 1, of the shape of `predictor_outputs`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Outputs that are not floats, targets of a dtype without -1.

    Example:
        >>> print("{:.4g} {:.4g}".format(*soft_margin_loss(jnp.array([0.0, 20.0]), jnp.array([-1, 1]))))
        0.6931 2.061e-09

    Source: Friedman, Hastie, Tibshirani, "Additive logistic regression: a statistical view of boosting", 2000.
    """
    elements = _outputs("soft_margin_loss", predictor_outputs, targets, where)
    return elements.finish(numerics.soft_margin(*elements.arrays))


def _outputs(name: str, outputs: Floats, targets: Numbers, where: Mask | None) -> Elements:
    return elementwise(name, where, Given("predictor_outputs", outputs, 0.0), signs(name, targets))


def _hinge(name: str, outputs: Floats, targets: Numbers, where: Mask | None, margin: float) -> tuple[Elements, Array]:
    elements = _outputs(name, outputs, targets, where)
    f, y = elements.arrays
    return elements, numerics.hinge(f, y, jnp.asarray(margin, f.dtype))


@class_form
class HingeLoss(Loss):
    """The class form of `hinge_loss`."""

    fn = staticmethod(hinge_loss)


@class_form
class SquaredHingeLoss(Loss):
    """The class form of `squared_hinge_loss`."""

    fn = staticmethod(squared_hinge_loss)


@class_form
class PerceptronLoss(Loss):
    """The class form of `perceptron_loss`."""

    fn = staticmethod(perceptron_loss)


@class_form
class SoftMarginLoss(Loss):
    """The class form of `soft_margin_loss`."""

    fn = staticmethod(soft_margin_loss)


__all__ = [
    "HingeLoss",
    "PerceptronLoss",
    "SoftMarginLoss",
    "SquaredHingeLoss",
    "hinge_loss",
    "perceptron_loss",
    "soft_margin_loss",
    "squared_hinge_loss",
]
