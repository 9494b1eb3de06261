"""Keras' cross-entropies and focal losses over classes, of probabilities (clipped to 1e-7) and of logits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp

import jaxloss
from jaxloss._arrays import class_axes, floats, real
from jaxloss._domain import checked_only
from jaxloss._masks import counted
from jaxloss._options import number, option, per_class
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import indices, labels_of, normalized, pair, predicted
from jaxloss.keras._reduction import ReductionName


def categorical_crossentropy(
    y_true: Numbers, y_pred: Floats, from_logits: bool = False, label_smoothing: Scalar = 0.0, axis: int = -1
) -> Array:
    r"""The cross-entropy $-\sum_k t_k \log p_k$ of distributions over classes.

    Args:
        y_true: Distributions over the classes, of the shape of `y_pred`.
        y_pred: Probabilities, which are divided by their sum and clipped to $[10^{-7}, 1 - 10^{-7}]$, or logits.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        The shape of `y_pred` without `axis`, in its dtype.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.

    Example:
        >>> print(categorical_crossentropy([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]).round(4))
        [0.0513 2.3026]
    """
    name = "categorical_crossentropy"
    option(name, "from_logits", from_logits)
    t, p, dtype = pair(name, y_true, y_pred)
    t = checked_only(name, t, lambda: ~jnp.any(t < 0), _LABELS)
    class_axes(name, "y_pred", p, axis)
    if from_logits:
        values = jaxloss.softmax_cross_entropy(p, t, axis, label_smoothing=label_smoothing)
    else:
        p = normalized(p, axis)
        values = jaxloss.categorical_cross_entropy(p, t, axis, label_smoothing=label_smoothing)
    return values.astype(dtype)


def categorical_focal_crossentropy(
    y_true: Numbers,
    y_pred: Floats,
    alpha: Numbers = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    r"""The focal cross-entropy $-\sum_k \alpha_k t_k (1 - p_k)^\gamma \log p_k$ of distributions over classes.

    Args:
        y_true: Distributions over the classes, of the shape of `y_pred`.
        y_pred: Probabilities, which are divided by their sum and clipped to $[10^{-7}, 1 - 10^{-7}]$, or logits.
        alpha: The weights of the classes: a number, or one for each class.
        gamma: How much well-classified examples are turned down; at least 0, where the loss is the cross-entropy.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        The shape of `y_pred` without `axis`, in its dtype.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.

    Example:
        >>> print(categorical_focal_crossentropy([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]).round(5))
        [3.0000e-05 4.6627e-01]
    """
    name = "categorical_focal_crossentropy"
    option(name, "from_logits", from_logits)
    t, p, dtype = pair(name, y_true, y_pred)
    t = checked_only(name, t, lambda: ~jnp.any(t < 0), _LABELS)
    axes, power = class_axes(name, "y_pred", p, axis), number(name, "gamma", gamma, p.dtype)
    number(name, "label_smoothing", label_smoothing, p.dtype)
    if from_logits:
        values = jaxloss.softmax_focal_loss(p, t, axis, alpha=alpha, gamma=gamma, label_smoothing=label_smoothing)
        return values.astype(dtype)
    weights = real(name, "alpha", option(name, "alpha", alpha))
    if weights.ndim:
        weights = per_class(name, "alpha", weights, p.shape, axes, p.dtype)
    p = normalized(p, axis)
    weights = weights.astype(p.dtype) * (1 - p) ** power
    # This is the cross-entropy of labels that are weighted class by class.
    smooth = jaxloss.smooth_labels(t, label_smoothing, axis=axis)
    return jaxloss.categorical_cross_entropy(p, weights * smooth, axis).astype(dtype)


def sparse_categorical_crossentropy(
    y_true: Numbers,
    y_pred: Floats,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
    label_smoothing: Scalar = 0.0,
) -> Array:
    r"""The cross-entropy $-(1 - s) \log p_t - \frac{s}{K} \sum_k \log p_k$ of class indices t.

    Args:
        y_true: Class indices, of the shape of `y_pred` without `axis`, or with length 1 there. Floats that are whole
            numbers are taken too; another float, or a label out of range, has loss nan.
        y_pred: Probabilities, which are divided by their sum and clipped to $[10^{-7}, 1 - 10^{-7}]$, or logits.
        from_logits: Whether `y_pred` holds logits.
        ignore_class: A label that has loss 0 and, by the class, does not count in the mean.
        axis: The axis of a row, or axes that are taken together; None takes all.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].

    Returns:
        The shape of `y_pred` without `axis`, in its dtype.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.

    Example:
        >>> print(sparse_categorical_crossentropy([1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]).round(4))
        [0.0513 2.3026]
    """
    name = "sparse_categorical_crossentropy"
    option(name, "from_logits", from_logits)
    p = predicted(name, y_pred)
    labels = labels_of(name, y_true, p, axis)
    dtype, p = p.dtype, floats(name, "y_pred", p)
    ignored = None if ignore_class is None else option(name, "ignore_class", ignore_class)
    classes = math.prod(p.shape[a] for a in class_axes(name, "y_pred", p, axis))
    known = lambda: (labels >= 0) & (labels < classes) | (ignored is not None and labels == ignored)  # noqa: E731
    labels = checked_only(name, labels, known, f"y_true must be from 0 to {classes - 1}")
    loss = (
        jaxloss.softmax_cross_entropy_with_integer_labels if from_logits else jaxloss.sparse_categorical_cross_entropy
    )
    p = p if from_logits else normalized(p, axis)
    return loss(p, labels, axis, ignore_index=ignored, label_smoothing=label_smoothing).astype(dtype)


_LABELS = "y_true must not be negative"


@dataclass(eq=False)
class CategoricalCrossentropy(Form):
    """The class of `categorical_crossentropy`."""

    fn = staticmethod(categorical_crossentropy)
    from_logits: bool = False
    label_smoothing: Scalar = 0.0
    axis: int = -1
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "categorical_crossentropy"
    dtype: Any = None


@dataclass(eq=False)
class CategoricalFocalCrossentropy(Form):
    """The class of `categorical_focal_crossentropy`."""

    fn = staticmethod(categorical_focal_crossentropy)
    alpha: Numbers = 0.25
    gamma: Scalar = 2.0
    from_logits: bool = False
    label_smoothing: Scalar = 0.0
    axis: int = -1
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "categorical_focal_crossentropy"
    dtype: Any = None


@dataclass(eq=False)
class SparseCategoricalCrossentropy(Form):
    """The class of `sparse_categorical_crossentropy`."""

    fn = staticmethod(sparse_categorical_crossentropy)
    from_logits: bool = False
    ignore_class: int | None = None
    reduction: ReductionName = "sum_over_batch_size"
    axis: int = -1
    label_smoothing: Scalar = 0.0
    name: str | None = "sparse_categorical_crossentropy"
    dtype: Any = None
    _masked_label: ClassVar[float] = 0.0

    def _counted(self, y_true: Any, y_pred: Any) -> Array | None:
        """The mask of the labels that are not ignored; the function checks whether they fit the predictions."""
        if self.ignore_class is None:
            return None
        name = type(self).__name__
        (axis,) = class_axes(name, "y_pred", y_pred, self.axis)
        keeps_axis = y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1
        labels = jnp.squeeze(y_true, axis) if keeps_axis else y_true
        return counted(name, indices(labels), self.ignore_class)


__all__ = [
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy",
]
