"""Keras' hinge losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp

import jaxloss
from jaxloss._arrays import class_axes
from jaxloss._domain import checked_only
from jaxloss._types import Array, Floats, Numbers
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import mean, pair
from jaxloss.keras._reduction import ReductionName


def hinge(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $\max(0, 1 - t p)$ over the last axis.

    Args:
        y_true: -1 or 1, or 0 or 1, where 0 is taken for -1; `[batch, d0, .. dN]`. Labels broadcast with `y_pred`, and
            any other has loss nan.
        y_pred: Predictions, `[batch, d0, .. dN]`.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print(hinge([[0.0, 1.0]], [[-3.0, 0.5]]))
        [0.25]
    """
    return _of_signs("hinge", jaxloss.hinge_loss, y_true, y_pred)


def squared_hinge(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The mean of $\max(0, 1 - t p)^2$ over the last axis.

    Args:
        y_true: -1 or 1, or 0 or 1, where 0 is taken for -1; `[batch, d0, .. dN]`. Labels broadcast with `y_pred`, and
            any other has loss nan.
        y_pred: Predictions, `[batch, d0, .. dN]`.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not broadcast.

    Example:
        >>> print(squared_hinge([[0.0, 1.0]], [[-3.0, 0.5]]))
        [0.125]
    """
    return _of_signs("squared_hinge", jaxloss.squared_hinge_loss, y_true, y_pred)


def categorical_hinge(y_true: Numbers, y_pred: Floats) -> Array:
    r"""The margin of the labelled class over the others, $\max(0, 1 + \max_k (1 - t_k) p_k - \sum_k t_k p_k)$.

    Args:
        y_true: Distributions over the classes, such as one-hot ones, of the shape of `y_pred`. Of labels -1 and 1 it
            is the value of the formula.
        y_pred: Scores of the classes, `[batch, d0, .. dN]`.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that differ.

    Example:
        >>> print(categorical_hinge([[0.0, 1.0, 0.0]], [[0.25, 0.5, -1.0]]))
        [0.75]
    """
    name = "categorical_hinge"
    t, p, dtype = pair(name, y_true, y_pred)
    t = checked_only(name, t, lambda: ~jnp.any(t < 0), "y_true must not be negative")
    axis = -1 if p.ndim else None
    class_axes(name, "y_pred", p, axis)
    return jaxloss.categorical_hinge_loss(p, t, axis=axis).astype(dtype)


def _of_signs(name: str, loss: Callable[..., Array], y_true: Numbers, y_pred: Floats) -> Array:
    t, p, dtype = pair(name, y_true, y_pred, broadcast=True)
    t = jnp.where(t == 0, -jnp.ones_like(t), t)
    t = checked_only(name, t, lambda: jnp.abs(t) == 1, "y_true must be 0 or 1, or -1 or 1")
    return mean(name, loss(p, t), dtype)


@dataclass(eq=False)
class Hinge(Form):
    """The class of `hinge`."""

    fn = staticmethod(hinge)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "hinge"
    dtype: Any = None
    _masked_label: ClassVar[float] = 1.0


@dataclass(eq=False)
class SquaredHinge(Form):
    """The class of `squared_hinge`."""

    fn = staticmethod(squared_hinge)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "squared_hinge"
    dtype: Any = None
    _masked_label: ClassVar[float] = 1.0


@dataclass(eq=False)
class CategoricalHinge(Form):
    """The class of `categorical_hinge`."""

    fn = staticmethod(categorical_hinge)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "categorical_hinge"
    dtype: Any = None


__all__ = ["CategoricalHinge", "Hinge", "SquaredHinge", "categorical_hinge", "hinge", "squared_hinge"]
