"""The rules of Keras' functions: targets first, shapes that differ by an axis of length 1, means over the last axis."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._answers import OF_INDICES
from jaxloss._arrays import class_axes, matched, real, same_shape, without
from jaxloss._types import Array

EPSILON = 1e-7  # keras.config.epsilon()
_NO_CLASS = jnp.iinfo(jnp.int32).min  # the index of a label that is not a whole number


def pair(name: str, y_true: Any, y_pred: Any, *, broadcast: bool = False) -> tuple[Array, Array, Any]:
    """Targets and predictions of one shape in the dtype of computation, and the dtype that Keras returns."""
    t, p = real(name, "y_true", y_true), predicted(name, y_pred)
    t, p = _of_one_rank(t, p)
    dtype = p.dtype
    if broadcast and t.shape != p.shape:
        try:
            t, p = jnp.broadcast_arrays(t, p)
        except ValueError as error:
            raise ValueError(f"{name}: y_true {t.shape} and y_pred {p.shape} do not broadcast: reshape one.") from error
    if name not in OF_INDICES:
        same_shape(name, {"y_pred": p, "y_true": t})
    p, t = matched(name, p, t, ("y_pred", "y_true"))
    return t, p, dtype


def predicted(name: str, y_pred: Any) -> Array:
    """Predictions as floats: of their own dtype, or float32 if they are not floats."""
    p = real(name, "y_pred", y_pred)
    return p if jnp.issubdtype(p.dtype, jnp.floating) else p.astype(jnp.float32)


def _of_one_rank(a: Array, b: Array) -> tuple[Array, Array]:
    """Keras' rule for ranks that differ by an axis of length 1: `[batch]` gets it, any other shape loses it."""
    if a.ndim < b.ndim:
        b, a = _of_one_rank(b, a)
        return a, b
    if a.ndim != b.ndim + 1 or a.shape[-1] != 1:
        return a, b
    return (a, b[..., None]) if b.ndim == 1 else (a[..., 0], b)


def indices(labels: Array) -> Array:
    """Class indices of any dtype as integers; a float that is not a whole number is out of range."""
    if jnp.issubdtype(labels.dtype, jnp.floating):
        whole = labels == jnp.floor(labels)
        return jnp.where(whole, labels.astype(jnp.int32), jnp.full_like(labels, _NO_CLASS, jnp.int32))
    return labels.astype(jnp.int32) if labels.dtype == jnp.bool_ else labels


def labels_of(name: str, y_true: Any, y_pred: Array, axis: int) -> Array:
    """Class indices, one for each row of the predictions."""
    labels, axes = real(name, "y_true", y_true), class_axes(name, "y_pred", y_pred, axis)
    rows = without(y_pred.shape, axes)
    if labels.ndim == y_pred.ndim and all(labels.shape[a] == 1 for a in axes):
        labels = jnp.squeeze(labels, axes)
    if labels.shape != rows:
        remedy = "; for distributions over the classes, one-hot ones too, take categorical_crossentropy"
        raise ValueError(
            f"{name}: y_true {labels.shape} and y_pred {y_pred.shape} do not fit: with the classes on axis {axis} "
            f"y_true needs shape {rows}" + (remedy if labels.shape == y_pred.shape else "") + "."
        )
    return indices(labels)


def mean(name: str, losses: Array, dtype: Any, axis: Any = -1) -> Array:
    """The mean over the axis; a single number has no axis."""
    if losses.ndim:
        losses = jnp.mean(losses, class_axes(name, "y_pred", losses, axis))
    return losses.astype(dtype)


def normalized(p: Array, axis: Any) -> Array:
    """Probabilities divided by their sum and clipped."""
    return jnp.clip(numerics.divide(p, jnp.sum(p, axis, keepdims=True)), EPSILON, 1 - EPSILON)


__all__ = ["EPSILON", "indices", "labels_of", "mean", "normalized", "pair", "predicted"]
