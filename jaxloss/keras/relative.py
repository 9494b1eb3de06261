"""Keras' errors relative to the target: in percent, and of logarithms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

import jaxloss
from jaxloss._types import Array, Floats, Numbers
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import EPSILON, mean, pair
from jaxloss.keras._reduction import ReductionName


def mean_absolute_percentage_error(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $100 |t - p| / \max(|t|, 10^{-7})$ over the last axis.

    Args:
        y_true: Targets, `[batch, d0, .. dN]`; they broadcast with `y_pred`.
        y_pred: Predictions, `[batch, d0, .. dN]`.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print(mean_absolute_percentage_error([[100.0, 200.0]], [[90.0, 250.0]]))
        [17.5]
    """
    name = "mean_absolute_percentage_error"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    return mean(name, 100 * jaxloss.absolute_percentage_error(p, t, epsilon=EPSILON), dtype)


def mean_squared_logarithmic_error(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $(\log(1 + t) - \log(1 + p))^2$ over the last axis.

    Args:
        y_true: Targets, `[batch, d0, .. dN]`, those below $10^{-7}$ taken as that; they broadcast with `y_pred`.
        y_pred: Predictions, `[batch, d0, .. dN]`, those below $10^{-7}$ taken as that.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print("{:.4f}".format(*mean_squared_logarithmic_error([[0.0, 3.0]], [[1.0, 3.0]])))
        0.2402
    """
    name = "mean_squared_logarithmic_error"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    t, p = jnp.maximum(t, EPSILON), jnp.maximum(p, EPSILON)
    return mean(name, jaxloss.squared_log_error(p, t), dtype)


@dataclass(eq=False)
class MeanAbsolutePercentageError(Form):
    """The class of `mean_absolute_percentage_error`."""

    fn = staticmethod(mean_absolute_percentage_error)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "mean_absolute_percentage_error"
    dtype: Any = None


@dataclass(eq=False)
class MeanSquaredLogarithmicError(Form):
    """The class of `mean_squared_logarithmic_error`."""

    fn = staticmethod(mean_squared_logarithmic_error)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "mean_squared_logarithmic_error"
    dtype: Any = None


mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error

__all__ = [
    "MAPE",
    "MSLE",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "mape",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "msle",
]
