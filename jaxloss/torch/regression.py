"""PyTorch's losses of the distance between input and target."""

from __future__ import annotations

import warnings
from dataclasses import InitVar, dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

import jaxloss
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.torch._conventions import Reduction, broadcast, chosen, expanded, operands, reduced
from jaxloss.torch._loss import PairLoss


def l1_loss(
    input: Floats,
    target: Numbers,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    weight: Numbers | None = None,
) -> Array:
    r"""The absolute error, $\ell = w |x - y|$; see `jaxloss.absolute_error`.

    The reductions are `"none"`, `"mean"` (over the sum of the weights) and `"sum"`.

    Args:
        input: Predictions, any shape.
        target: Targets, of a shape that broadcasts with `input`; a different shape gives a warning.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.
        weight: The weights w, of the shape of `input`; 1 by default.

    Returns:
        A scalar; with `"none"` one value per element.

    Raises:
        ValueError: Shapes that do not broadcast, a weight of another shape, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(l1_loss(jnp.array([1.0, 5.0]), jnp.array([0.0, 2.0])))
        2.0
    """
    name = "l1_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    x, y, dtype = _pair(name, input, target)
    return _over_weights(name, jaxloss.absolute_error(x, y), input, weight, reduction, dtype)


def mse_loss(
    input: Floats,
    target: Numbers,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    weight: Numbers | None = None,
) -> Array:
    r"""The squared error, $\ell = w (x - y)^2$; see `jaxloss.squared_error`.

    The reductions are `"none"`, `"mean"` (over the sum of the weights) and `"sum"`.

    Args:
        input: Predictions, any shape.
        target: Targets, of a shape that broadcasts with `input`; a different shape gives a warning.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.
        weight: The weights w, of the shape of `input`; 1 by default.

    Returns:
        A scalar; with `"none"` one value per element.

    Raises:
        ValueError: Shapes that do not broadcast, a weight of another shape, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(mse_loss(jnp.array([1.0, 5.0]), jnp.array([0.0, 2.0]), weight=jnp.array([3.0, 1.0])))
        3.0
    """
    name = "mse_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    x, y, dtype = _pair(name, input, target)
    return _over_weights(name, jaxloss.squared_error(x, y), input, weight, reduction, dtype)


def smooth_l1_loss(
    input: Floats,
    target: Numbers,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    beta: Scalar = 1.0,
) -> Array:
    r"""The absolute error, quadratic near 0: the Huber loss divided by its distance.

    $$\ell = \begin{cases} e^2 / 2 \beta & |e| < \beta \\ |e| - \beta / 2 & |e| \ge \beta \end{cases}$$

    with $e = x - y$; see `jaxloss.huber_loss`.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input: Predictions, any shape.
        target: Targets, of a shape that broadcasts with `input`; a different shape gives a warning.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.
        beta: Where the loss turns linear, in the units of the input; 0 is the absolute error.

    Returns:
        A scalar; with `"none"` one value per element.

    Raises:
        ValueError: Shapes that do not broadcast, a negative beta, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(smooth_l1_loss(jnp.array([0.5, 5.0]), jnp.array([0.0, 0.0]), reduction="none", beta=2.0))
        [0.0625 4.    ]
    """
    name = "smooth_l1_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    x, y, dtype = _pair(name, input, target)
    return reduced(jaxloss.smooth_l1_loss(x, y, beta=beta), reduction, dtype)


def huber_loss(
    input: Floats, target: Numbers, reduction: Reduction = "mean", delta: Scalar = 1.0, weight: Numbers | None = None
) -> Array:
    r"""The Huber loss,

    $$\ell = \begin{cases} w e^2 / 2 & |e| \le \delta \\ w \delta (|e| - \delta / 2) & |e| > \delta \end{cases}$$

    with $e = x - y$; see `jaxloss.huber_loss`.

    The reductions are `"none"`, `"mean"` (over the number of losses, weighted or not) and `"sum"`.

    Args:
        input: Predictions, any shape.
        target: Targets, of a shape that broadcasts with `input`; a different shape gives a warning.
        reduction: How the losses become one number, see above.
        delta: Where the loss turns linear, in the units of the input; above 0.
        weight: The weights w, of the shape of `input`; 1 by default.

    Returns:
        A scalar; with `"none"` one value per element.

    Raises:
        ValueError: Shapes that do not broadcast, a weight of another shape, a delta of 0 or less, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(huber_loss(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0]), reduction="none"))
        [0.125 2.5  ]
    """
    name = "huber_loss"
    reduction = chosen(name, reduction)
    x, y, dtype = _pair(name, input, target)
    values = jaxloss.huber_loss(x, y, delta=delta)
    if weight is not None:
        values = values * _weight(name, weight, input, values)
    return reduced(values, reduction, dtype)


def _pair(name: str, input: Any, target: Any) -> tuple[Array, Array, Any]:
    (x, y), dtype = operands(name, input=input, target=target)
    a, b = broadcast(name, input=x, target=y)
    if x.shape != y.shape:
        message = (
            f"{name}: target {y.shape} and input {x.shape} differ in shape and are broadcast to {a.shape}, "
            "which is rarely what is meant: reshape one."
        )
        warnings.warn(message, UserWarning, stacklevel=4)
    return a, b, dtype


def _weight(name: str, weight: Any, input: Any, values: Array) -> Array:
    if np.shape(weight) != np.shape(input):
        raise ValueError(
            f"{name}: weight must have the shape of input {np.shape(input)}, got shape {np.shape(weight)}."
        )
    return expanded(name, "weight", weight, values)


def _over_weights(name: str, values: Array, input: Any, weight: Any, reduction: str, dtype: Any) -> Array:
    if weight is None:
        return reduced(values, reduction, dtype)
    values = values * _weight(name, weight, input, values)
    return reduced(values, reduction, dtype, jnp.asarray(weight, values.dtype))


@dataclass(frozen=True)
class L1Loss(PairLoss):
    """The class form of `functional.l1_loss`."""

    fn = staticmethod(l1_loss)
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class MSELoss(PairLoss):
    """The class form of `functional.mse_loss`."""

    fn = staticmethod(mse_loss)
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class SmoothL1Loss(PairLoss):
    """The class form of `functional.smooth_l1_loss`."""

    fn = staticmethod(smooth_l1_loss)
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"
    beta: Scalar = 1.0


@dataclass(frozen=True)
class HuberLoss(PairLoss):
    """The class form of `functional.huber_loss`."""

    fn = staticmethod(huber_loss)
    reduction: Reduction = "mean"
    delta: Scalar = 1.0


__all__ = [
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "SmoothL1Loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]
