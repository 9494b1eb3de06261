"""Keras' losses of numbers, counts and distributions: `jaxloss` with targets first and means over an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

import jaxloss
from jaxloss._arrays import class_axes
from jaxloss._domain import checked_only
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import EPSILON, mean, pair
from jaxloss.keras._reduction import ReductionName


def mean_squared_error(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $(t - p)^2$ over the last axis.

    Args:
        y_true: Targets, `[batch, d0, .. dN]`; they broadcast with `y_pred`.
        y_pred: Predictions, `[batch, d0, .. dN]`.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print(mean_squared_error([[0.0, 1.0]], [[2.0, 1.0]]))
        [2.]
    """
    name = "mean_squared_error"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    return mean(name, jaxloss.squared_error(p, t), dtype)


def mean_absolute_error(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $|t - p|$ over the last axis.

    Args:
        y_true: Targets, `[batch, d0, .. dN]`; they broadcast with `y_pred`.
        y_pred: Predictions, `[batch, d0, .. dN]`.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print(mean_absolute_error([[0.0, 1.0]], [[2.0, 1.0]]))
        [1.]
    """
    name = "mean_absolute_error"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    return mean(name, jaxloss.absolute_error(p, t), dtype)


def huber(y_true: Numbers, y_pred: Floats, delta: Scalar = 1.0) -> Array:
    r"""The mean over the last axis of $e^2 / 2$ up to an error $e$ of delta, of $\delta (e - \delta / 2)$ beyond.

    Args:
        y_true: Targets, `[batch, d0, .. dN]`; they broadcast with `y_pred`.
        y_pred: Predictions, `[batch, d0, .. dN]`.
        delta: Where the loss turns linear, in the units of the predictions; above 0.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast, or a delta of 0 or less.

    Example:
        >>> print(huber([[0.0, 0.0]], [[1.0, 3.0]]))
        [1.5]
    """
    name = "huber"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    return mean(name, jaxloss.huber_loss(p, t, delta=delta), dtype)


def log_cosh(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $\log \cosh (p - t)$ over the last axis.

    Args:
        y_true: Targets, `[batch, d0, .. dN]`; they broadcast with `y_pred`.
        y_pred: Predictions, `[batch, d0, .. dN]`.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print("{:.4f}".format(*log_cosh([[0.0, 1.0]], [[1.0, 1.0]])))
        0.2169
    """
    name = "log_cosh"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    return mean(name, jaxloss.log_cosh(p, t), dtype)


def poisson(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $p - t \log(p + 10^{-7})$ over the last axis.

    Args:
        y_true: Counts, `[batch, d0, .. dN]`; they broadcast with `y_pred`.
        y_pred: Rates of at least 0, `[batch, d0, .. dN]`; a negative one has loss nan.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print("{:.4f}".format(*poisson([[2, 0]], [[1.0, 1.0]])))
        1.0000
    """
    name = "poisson"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    p = checked_only(name, p, lambda: p >= 0, "y_pred must be rates of at least 0")
    t = checked_only(name, t, lambda: t >= 0, "y_true must be counts of at least 0")
    return mean(name, jaxloss.poisson_nll(p, t, log_input=False, eps=EPSILON), dtype)


def kl_divergence(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The sum of $t \log (t / p)$ over the last axis.

    Args:
        y_true: Probabilities, clipped to $[10^{-7}, 1]$; they broadcast with `y_pred`.
        y_pred: Probabilities, clipped to $[10^{-7}, 1]$.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print("{:.4f}".format(*kl_divergence([[1.0, 0.0]], [[0.5, 0.5]])))
        0.6931
    """
    name = "kl_divergence"
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    t, p = jnp.clip(t, EPSILON, 1), jnp.clip(p, EPSILON, 1)
    axis = -1 if p.ndim else None
    class_axes(name, "y_pred", p, axis)
    return jaxloss.kl_divergence_from_probabilities(p, t, axis).astype(dtype)


@dataclass(eq=False)
class MeanSquaredError(Form):
    """The class of `mean_squared_error`."""

    fn = staticmethod(mean_squared_error)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "mean_squared_error"
    dtype: Any = None


@dataclass(eq=False)
class MeanAbsoluteError(Form):
    """The class of `mean_absolute_error`."""

    fn = staticmethod(mean_absolute_error)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "mean_absolute_error"
    dtype: Any = None


@dataclass(eq=False)
class Huber(Form):
    """The class of `huber`."""

    fn = staticmethod(huber)
    delta: Scalar = 1.0
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "huber_loss"
    dtype: Any = None


@dataclass(eq=False)
class LogCosh(Form):
    """The class of `log_cosh`."""

    fn = staticmethod(log_cosh)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "log_cosh"
    dtype: Any = None


@dataclass(eq=False)
class Poisson(Form):
    """The class of `poisson`."""

    fn = staticmethod(poisson)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "poisson"
    dtype: Any = None


@dataclass(eq=False)
class KLDivergence(Form):
    """The class of `kl_divergence`."""

    fn = staticmethod(kl_divergence)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "kl_divergence"
    dtype: Any = None


kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh
mae = MAE = mean_absolute_error
mse = MSE = mean_squared_error

__all__ = [
    "KLD",
    "MAE",
    "MSE",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mean_absolute_error",
    "mean_squared_error",
    "mse",
    "poisson",
]
