"""Class indices as PyTorch has them: the classes are on axis 1, or on axis 0 of a single example."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, integers, real, without
from jaxloss._domain import checked_only
from jaxloss._masks import counted
from jaxloss._options import per_class
from jaxloss._types import Array
from jaxloss.torch._conventions import operands


def class_axis(name: str, x: Array) -> int:
    """The axis of the classes."""
    if x.ndim == 0:
        raise ValueError(f"{name}: input must have an axis of classes, (C,) or (N, C, ...), got a scalar.")
    return class_axes(name, "input", x, min(x.ndim - 1, 1))[0]


def row_axis(name: str, x: Array) -> int:
    """The axis of the classes of a single row, or of rows on one axis."""
    axis = class_axis(name, x)
    if x.ndim > 2:
        raise ValueError(f"{name}: input must have shape (C,) or (N, C), got {x.shape}: move its rows to one axis.")
    return axis


def labelled(name: str, input: Any, target: Any, distributions: bool = False) -> tuple[Array, Array, Any]:
    """Input and class indices, checked, and the dtype of the result."""
    (x,), dtype = operands(name, input=input)
    labels = integers(name, "target", target, ", or give a distribution of the shape of input" if distributions else "")
    rows = without(x.shape, (class_axis(name, x),))
    if labels.shape != rows:
        raise ValueError(f"{name}: target must have shape {rows} for input {x.shape}, got {labels.shape}.")
    return x, labels, dtype


def in_range(name: str, classes: int, labels: Array, ignore_index: int | None) -> Array:
    """The labels; under `checked`, an error for those that are neither a class nor ignored."""
    kept = counted(name, labels, ignore_index)
    known = lambda: (labels >= 0) & (labels < classes) | (jnp.zeros_like(labels, bool) if kept is None else ~kept)  # noqa: E731
    return checked_only(name, labels, known, f"target must be from 0 to {classes - 1}")


def class_weights(name: str, x: Array, weight: Any) -> Array | None:
    """The weight of each class, checked; None if there are none."""
    axis = class_axis(name, x)
    return None if weight is None else per_class(name, "weight", weight, x.shape, (axis,), x.dtype).reshape(-1)


def distribution(name: str, target: Any, ignore_index: int) -> Array:
    """A target of distributions, checked; none of it can be ignored."""
    y = real(name, "target", target)
    if not jnp.issubdtype(y.dtype, jnp.floating):
        raise TypeError(f"{name}: target of the shape of input must be distributions of floats, got dtype {y.dtype}.")
    if ignore_index >= 0:
        raise ValueError(f"{name}: ignore_index must be negative for a target of distributions, got {ignore_index}.")
    return y


def label_weights(name: str, labels: Array, classes: Array | None, dtype: Any, ignore_index: int | None) -> Array:
    """The weight of each class index in the denominator of the mean."""
    weights = jnp.ones_like(labels, dtype) if classes is None else numerics.look_up(classes, labels)
    kept = counted(name, labels, ignore_index)
    return weights if kept is None else numerics.keep(kept, weights)


__all__ = ["class_axis", "class_weights", "distribution", "in_range", "label_weights", "labelled", "row_axis"]
