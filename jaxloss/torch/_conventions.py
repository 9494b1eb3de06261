"""PyTorch's rules of reduction, dtype and shape."""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypeAlias, cast, get_args

import jax.numpy as jnp
import numpy as np

from jaxloss import numerics
from jaxloss._arrays import real, together, wide
from jaxloss._domain import checked_only
from jaxloss._options import choice
from jaxloss._reduce import reduce
from jaxloss._types import Array

Reduction: TypeAlias = Literal["none", "mean", "sum"]
REDUCTIONS: tuple[str, ...] = get_args(Reduction)


def chosen(
    name: str,
    reduction: str,
    size_average: bool | None = None,
    reduce: bool | None = None,
    allowed: tuple[str, ...] = REDUCTIONS,
    stacklevel: int = 4,
) -> Any:
    """The reduction, which either of the two deprecated arguments overrides."""
    if size_average is None and reduce is None:
        choice(name, "reduction", reduction, allowed)
        return reduction
    summed = "mean" if size_average is None or size_average else "sum"
    reduction = summed if reduce is None or reduce else "none"
    message = f"{name}: size_average and reduce are deprecated: pass reduction={reduction!r} instead."
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)
    return reduction


def operands(name: str, **arrays: Any) -> tuple[tuple[Array, ...], Any]:
    """The arrays in the dtype of computation, and the dtype of the result."""
    return together(name, arrays), result_dtype(*arrays.values())


def result_dtype(*arrays: Any) -> Any:
    """The dtype of the floats among the arrays, or the wider one of several."""
    dtypes = {np.dtype(jnp.asarray(x).dtype) for x in arrays}
    floating = [d for d in dtypes if jnp.issubdtype(d, jnp.floating)]
    return floating[0] if len(floating) == 1 else wide(*floating)


def broadcast(name: str, **arrays: Array) -> list[Array]:
    """The arrays in the shape that they broadcast to."""
    try:
        shape = jnp.broadcast_shapes(*(x.shape for x in arrays.values()))
    except ValueError as error:
        shapes = " and ".join(f"{argument} {x.shape}" for argument, x in arrays.items())
        raise ValueError(f"{name}: {shapes} do not broadcast: reshape one.") from error
    return [jnp.broadcast_to(x, shape) for x in arrays.values()]


def broadcast_alike(name: str, **arrays: Array) -> list[Array]:
    """`broadcast` of arrays that must have the same number of axes."""
    if len({x.ndim for x in arrays.values()}) > 1:
        *others, last = (f"{argument} {x.shape}" for argument, x in arrays.items())
        raise ValueError(
            f"{name}: {', '.join(others)} and {last} must have the same number of axes: insert the axis that one lacks."
        )
    return broadcast(name, **arrays)


def same_shape(name: str, input: Array, target: Array) -> None:
    if input.shape != target.shape:
        raise ValueError(f"{name}: target must have the shape of input {input.shape}, got {target.shape}: reshape one.")


def signed(name: str, target: Any) -> Array:
    """A target of signs; under `checked`, an error for one that is neither 1 nor -1."""
    y = real(name, "target", target)
    return checked_only(name, y, lambda: (y == 1) | (y == -1), "target must be 1 or -1")


def expanded(name: str, argument: str, weight: Any, losses: Array) -> Array:
    """A weight in the shape and dtype of the losses, to which it is broadcast as in NumPy."""
    array = real(name, argument, weight).astype(losses.dtype)
    try:
        return jnp.broadcast_to(array, losses.shape)
    except ValueError as error:
        raise ValueError(f"{name}: {argument} must broadcast to {losses.shape}, got shape {array.shape}.") from error


def reduced(losses: Array, reduction: str, dtype: Any, weights: Array | None = None) -> Array:
    """PyTorch's two means: over the sum of `weights` if these are given, else over the number of losses.

    Either is 0 where it is 0 / 0. The losses are multiplied by the weights already.
    """
    if reduction == "mean" and weights is not None:
        return numerics.divide(jnp.sum(losses), jnp.sum(weights)).astype(dtype)
    return reduce(losses, reduction=cast(Reduction, reduction)).astype(dtype)
