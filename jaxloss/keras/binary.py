"""Keras' binary cross-entropy and focal loss, of probabilities (clipped to 1e-7) and of log-odds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

import jaxloss
from jaxloss._domain import checked_only, in_unit
from jaxloss._elements import Given, elementwise
from jaxloss._options import number, option
from jaxloss._program import one_program
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import EPSILON, mean, pair
from jaxloss.keras._reduction import ReductionName


def binary_crossentropy(
    y_true: Numbers, y_pred: Floats, from_logits: bool = False, label_smoothing: Scalar = 0.0, axis: int = -1
) -> Array:
    r"""The mean of $-t \log p - (1 - t) \log(1 - p)$ over the class axis.

    Args:
        y_true: 0, 1 or a probability, of the shape of `y_pred`.
        y_pred: Probabilities, which are clipped to $[10^{-7}, 1 - 10^{-7}]$, or log-odds.
        from_logits: Whether `y_pred` holds log-odds.
        label_smoothing: The share s of each label that goes to 1/2; in [0, 1].
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        The shape of `y_pred` without `axis`, in its dtype.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.

    Example:
        >>> print("{:.3f} {:.3f}".format(*binary_crossentropy([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])))
        0.916 0.714
    """
    name = "binary_crossentropy"
    option(name, "from_logits", from_logits)
    t, p, dtype = pair(name, y_true, y_pred)
    t = checked_only(name, t, lambda: in_unit(t), _LABELS)
    if from_logits:
        values = jaxloss.sigmoid_binary_cross_entropy(p, t, label_smoothing=label_smoothing)
    else:
        p = jnp.clip(p, EPSILON, 1 - EPSILON)
        values = jaxloss.binary_cross_entropy(p, t, label_smoothing=label_smoothing)
    return mean(name, values, dtype, axis)


def binary_focal_crossentropy(
    y_true: Numbers,
    y_pred: Floats,
    apply_class_balancing: bool = False,
    alpha: Scalar = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    r"""The mean over the class axis of $(1 - p_t)^\gamma$ times the binary cross-entropy.

    The probability of the label is $p_t = t p + (1 - t) (1 - p)$.

    Args:
        y_true: 0, 1 or a probability, of the shape of `y_pred`.
        y_pred: Probabilities, which are clipped to $[10^{-7}, 1 - 10^{-7}]$, or log-odds.
        apply_class_balancing: Whether the losses are multiplied by `alpha`.
        alpha: The weight of label 1, with 1 - alpha for label 0.
        gamma: How much well-classified examples are turned down; at least 0, where the loss is the cross-entropy.
        from_logits: Whether `y_pred` holds log-odds.
        label_smoothing: The share s of each label that goes to 1/2; in [0, 1].
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        The shape of `y_pred` without `axis`, in its dtype.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.

    Example:
        >>> print("{:.3f} {:.3f}".format(*binary_focal_crossentropy([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])))
        0.330 0.206
    """
    name = "binary_focal_crossentropy"
    option(name, "from_logits", from_logits)
    option(name, "apply_class_balancing", apply_class_balancing)
    t, p, dtype = pair(name, y_true, y_pred)
    t = checked_only(name, t, lambda: in_unit(t), _LABELS)
    power, weight = number(name, "gamma", gamma, p.dtype), number(name, "alpha", alpha, p.dtype)
    if from_logits:
        balance = alpha if apply_class_balancing else None
        values = jaxloss.sigmoid_focal_loss(p, t, alpha=balance, gamma=gamma, label_smoothing=label_smoothing)
        return mean(name, values, dtype, axis)
    smoothing = number(name, "label_smoothing", label_smoothing, p.dtype)
    values = _focal(p, t, power, weight if apply_class_balancing else None, smoothing)
    return mean(name, values, dtype, axis)


@one_program()
def _focal(p: Array, t: Array, power: Array, weight: Array | None, smoothing: Array) -> Array:
    name = "binary_focal_crossentropy"
    predictions = Given("y_pred", jnp.clip(p, EPSILON, 1 - EPSILON), 0.5)
    elements = elementwise(name, None, predictions, Given("y_true", t, 0.5, in_unit, _LABELS))
    p, t = elements.arrays
    values = jaxloss.binary_cross_entropy(p, t, label_smoothing=smoothing)
    t = t + elements.option(smoothing) * (0.5 - t)
    values = values * (t * (1 - p) + (1 - t) * p) ** elements.option(power)
    if weight is not None:
        weight = elements.option(weight)
        values = values * (t * weight + (1 - t) * (1 - weight))
    return elements.finish(values)


_LABELS = "y_true must be in [0, 1]"


@dataclass(eq=False)
class BinaryCrossentropy(Form):
    """The class of `binary_crossentropy`."""

    fn = staticmethod(binary_crossentropy)
    from_logits: bool = False
    label_smoothing: Scalar = 0.0
    axis: int = -1
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "binary_crossentropy"
    dtype: Any = None


@dataclass(eq=False)
class BinaryFocalCrossentropy(Form):
    """The class of `binary_focal_crossentropy`."""

    fn = staticmethod(binary_focal_crossentropy)
    apply_class_balancing: bool = False
    alpha: Scalar = 0.25
    gamma: Scalar = 2.0
    from_logits: bool = False
    label_smoothing: Scalar = 0.0
    axis: int = -1
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "binary_focal_crossentropy"
    dtype: Any = None


bce = BCE = binary_crossentropy

__all__ = [
    "BCE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
]
