"""Checks of arrays: dtypes and promotion, equal shapes, class axes.

Wrong shapes and dtypes are errors raised while tracing; values outside a domain are handled in `_domain.py`.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss._answers import OF_DISTRIBUTIONS, OF_INDICES, described, differing
from jaxloss._types import Array
from jaxloss.numerics import aligned, aligned_labels, replicated

_FIRST = ("predictions", "logits", "probabilities", "log_probabilities")


def real(name: str, argument: str, x: Any, *, kind: str = "a real array") -> Array:
    """`x` as an array of bool, integers or floats."""
    try:
        # An array is returned as it is: under `jax_debug_nans`, jnp.asarray would inspect it before masked elements are
        # filled.
        array = x if isinstance(x, Array) else jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: {argument} must be {kind}, got {described(x)}.") from error
    if jnp.issubdtype(array.dtype, jax.dtypes.extended):
        raise TypeError(f"{name}: {argument} must be {kind}, got a PRNG key, {array.dtype}: draw numbers with it.")
    if not (jnp.issubdtype(array.dtype, jnp.bool_) or jnp.issubdtype(array.dtype, jnp.number)) or jnp.issubdtype(
        array.dtype, jnp.complexfloating
    ):
        raise TypeError(f"{name}: {argument} must be {kind}, got dtype {array.dtype}: take its real part or magnitude.")
    return array


def floating(name: str, argument: str, x: Any) -> Array:
    """`x` as floats of its own dtype."""
    array = real(name, argument, x, kind="an array of floats")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        swapped = " (or are these the targets? They come second)" if argument in _FIRST else ""
        raise TypeError(
            f"{name}: {argument} must be floats, got dtype {array.dtype}: cast it with .astype(float32){swapped}."
        )
    return array


def floats(name: str, argument: str, x: Any) -> Array:
    """`x` as floats of the dtype that losses are computed in: float32, or float64 where it is given."""
    array = floating(name, argument, x)
    # An array of the right dtype is not cast: eagerly, `jax_debug_nans` would inspect the result before masked elements
    # are filled.
    return array if array.dtype == wide(array.dtype) else array.astype(wide(array.dtype))


def integers(name: str, argument: str, x: Any, remedy: str = "") -> Array:
    """`x` as integers that hold any number of classes and any index to ignore: uint8 would wrap both."""
    array = real(name, argument, x, kind="an array of integers")
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(
            f"{name}: {argument} must be integers, got dtype {array.dtype}: cast indices with .astype(int32){remedy}."
        )
    return array.astype(jnp.int32) if array.dtype.itemsize < 4 else array


def wide(*dtypes: Any) -> Any:
    """The dtype that losses of these floating dtypes are computed and returned in."""
    return np.dtype(np.float64) if any(np.dtype(d) == np.float64 for d in dtypes) else np.dtype(np.float32)


def together(name: str, arrays: dict[str, Any]) -> tuple[Array, ...]:
    """The first array as floats, the others of any real dtype, all promoted to the widest dtype of computation."""
    (first, x), *others = arrays.items()
    promoted = [floats(name, first, x), *(real(name, argument, y) for argument, y in others)]
    dtype = wide(*(array.dtype for array in promoted if jnp.issubdtype(array.dtype, jnp.floating)))
    return tuple(array if array.dtype == dtype else array.astype(dtype) for array in promoted)


def same_shape(name: str, arrays: dict[str, Array], remedy: str = "reshape one") -> None:
    """An error unless all arrays have the shape of the first; the dictionary has them by their arguments' names."""
    (first, x), *others = arrays.items()
    for argument, y in others:
        if y.shape != x.shape:
            raise ValueError(differing(name, first, x.shape, argument, y.shape, remedy))


def matched(
    name: str, predictions: Any, targets: Any, names: tuple[str, str] = ("predictions", "targets")
) -> tuple[Array, Array]:
    """Predictions and targets of one shape and dtype."""
    given = targets
    predictions, targets = together(name, {names[0]: predictions, names[1]: targets})
    same_shape(name, {names[0]: predictions, names[1]: targets}, for_indices(name, predictions, given))
    return aligned(predictions, targets)


def for_indices(name: str, predictions: Array, targets: Any) -> str:
    """The remedy where targets that should be distributions have another shape; they may be class indices."""
    if np.ndim(targets) >= predictions.ndim or not jnp.issubdtype(jnp.asarray(targets).dtype, jnp.integer):
        return "reshape one"
    other = f"for class indices take {OF_INDICES[name]}, or make them" if name in OF_INDICES else "make class indices"
    return f"{other} distributions with jax.nn.one_hot"


def class_indices(name: str, argument: str, array: Array, labels: Any, axes: tuple[int, ...], axis: Any) -> Array:
    """Integer labels of the rows of an array, with an axis of length 1 where `one_class_axis` has the classes."""
    other = OF_DISTRIBUTIONS.get(name)
    other = f"for distributions over the classes, one-hot ones too, take {other}" if other else "take class indices"
    labels = integers(name, "labels", labels, f"; {other}")
    rows = without(array.shape, axes)
    if labels.shape != rows:
        raise ValueError(
            f"{name}: labels {labels.shape} and {argument} {array.shape} do not fit: with the classes on axis {axis} "
            f"labels need shape {rows}" + (f"; {other}." if labels.shape == array.shape else ".")
        )
    return jnp.expand_dims(aligned_labels(array, labels, axes), min(axes))


def one_class_axis(array: Array, axes: tuple[int, ...]) -> Array:
    """The array with its class axes as one, of the product length, in the order in which they are named."""
    if len(axes) == 1:
        return array
    first, after = min(axes), min(axes) + len(axes)
    array = jnp.moveaxis(replicated(array, axes), axes, range(first, after))
    return array.reshape((*array.shape[:first], -1, *array.shape[after:]))


# -------------------------------------------------------------------------------------------------------------- axes


def class_axes(name: str, argument: str, array: Array, axis: Any) -> tuple[int, ...]:
    """The class axes as non-negative indices, in the order in which they are named; None means all axes."""
    if axis is None:
        return tuple(range(array.ndim))
    given: Sequence[Any] = cast(tuple[Any, ...], axis) if isinstance(axis, tuple) else (axis,)
    try:
        indices = [operator.index(a) for a in given]
    except TypeError as error:
        raise TypeError(f"{name}: axis must be an integer or a tuple of integers, got {axis!r}.") from error
    if not all(-array.ndim <= a < array.ndim for a in indices):
        n = array.ndim
        axes = f"its axes are {-n} to {n - 1}" if n else "a scalar has no axes"
        raise ValueError(f"{name}: axis {axis} is out of range for {argument} of shape {array.shape}: {axes}.")
    axes = tuple(a % array.ndim for a in indices)
    if len(set(axes)) != len(axes) or not axes:
        raise ValueError(f"{name}: axis {axis} must name at least one axis of {argument} {array.shape}, each once.")
    if math.prod(array.shape[a] for a in axes) == 0:
        raise ValueError(f"{name}: {argument} {array.shape} has no class on axis {axis}: a row needs at least one.")
    return axes


def without(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without these axes: that of the rows."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def fitted(name: str, argument: str, x: Array, shape: tuple[int, ...], what: str = "losses", remedy: str = "") -> Array:
    """`x` with trailing axes of length 1 added, so that it broadcasts against `shape` without moving any axis."""
    expanded = x.reshape(x.shape + (1,) * (len(shape) - x.ndim)) if 0 < x.ndim <= len(shape) else x
    fits = x.ndim <= len(shape) and all(n in (1, m) for n, m in zip(expanded.shape, shape, strict=False))
    if not fits:
        raise ValueError(
            f"{name}: {argument} {x.shape} do not fit {what} {shape}: give one value for each leading index "
            f"(shape {shape[:1]}), or the rank of the {what} with 1 where it does not vary; insert the axis{remedy}."
        )
    return expanded


__all__ = [
    "class_axes",
    "class_indices",
    "fitted",
    "floating",
    "floats",
    "for_indices",
    "integers",
    "matched",
    "one_class_axis",
    "real",
    "same_shape",
    "together",
    "wide",
    "without",
]
