"""The steps of an elementwise loss before and after its formula.

Before the formula, a masked element is filled with a harmless value, so that neither the formula nor its derivatives
depend on the original value; an element outside the domain keeps its value, but has no derivative. After the formula,
the loss of a masked element is 0, and that of an element outside the domain is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxloss import numerics
from jaxloss._arrays import floating, real, same_shape, wide
from jaxloss._domain import in_unit, required
from jaxloss._masks import inert, kept, masked
from jaxloss._options import is_zero, number, option
from jaxloss._types import Array


class Given(NamedTuple):
    """An array as the caller gave it, the value that fills its masked elements, and its domain."""

    argument: str
    array: Any
    fill: float
    inside: Callable[[Array], Array] | None = None
    rule: str = ""
    """The message under `checked` for an element outside the domain."""
    broadcasts: bool = False
    """Whether it may be a scalar, or have length 1 on axes where it does not vary."""
    option: bool = False
    """Whether it is an option, whose dtype does not affect the dtype of the result."""
    optional: bool = False
    """Whether it may be left out, as None, and is zeros then."""


class Elements(NamedTuple):
    """The arrays of a loss, of one shape and dtype, and which of their elements count."""

    arrays: tuple[Array, ...]
    inside: Array | None
    """Which elements are inside the domains of all arrays, or masked; None where no array has a domain."""
    where: Array | None

    def option(self, value: Array) -> Array:
        """A scalar option along the elements, without derivatives at elements outside the domain."""
        if self.inside is None:
            return value
        along = jnp.broadcast_to(value, self.inside.shape)
        return numerics.gated(numerics.sharded_like(self.arrays[0], along), self.inside)

    def within(self, name: str, *rules: tuple[Array, str]) -> Elements:
        """The same in a domain of several arrays together, such as a count of at most its total: masks, with rules."""
        total = self.inside
        for inside, rule in rules:
            required(name, inside, rule)
            total = inside if total is None else total & inside
        if total is None or not rules:
            return self
        return Elements(tuple(numerics.gated(a, total) for a in self.arrays), total, self.where)

    def finish(self, losses: Array) -> Array:
        """0 where an element is masked, nan with gradient 0 where it is outside the domain."""
        return masked(losses if self.inside is None else numerics.nan_unless(self.inside, losses), self.where)


def elementwise(name: str, where: Any, first: Given, *others: Given) -> Elements:
    """The arrays, checked, promoted, and filled where they are masked.

    The predictions come first and must be floats.
    """
    given = [first, *(g for g in others if g.array is not None or not g.optional)]
    arrays = [floating(name, first.argument, first.array)]
    arrays += [real(name, g.argument, g.array) for g in given[1:]]
    dtype = wide(*(a.dtype for a, g in zip(arrays, given, strict=True) if _is_floating(a) and not g.option))
    named = list(zip(given, arrays, strict=True))
    same_shape(name, {g.argument: a for g, a in named if not g.broadcasts})
    shape = arrays[0].shape
    for g, a in named:
        _check_broadcast(name, first.argument, shape, g, a)
    where = kept(name, where, shape)
    like = next((a for a in arrays if a.shape == shape and numerics.explicit_sharding(a) is not None), arrays[0])
    arrays = [_filled(a, g.fill, where, like, dtype) for a, g in zip(arrays, given, strict=True)]
    inside = _inside(name, given, arrays)
    if inside is not None:
        # Gated, not filled: to fill two arrays by it, XLA on CPU would materialise the mask.
        arrays = [numerics.gated(a, inside) for a in arrays]
    for i, g in enumerate(others, 1):
        if g.array is None and g.optional:
            arrays.insert(i, jnp.zeros_like(arrays[0]))
    return Elements(tuple(arrays), inside, where)


def _is_floating(array: Array) -> bool:
    return jnp.issubdtype(array.dtype, jnp.floating)


def _check_broadcast(name: str, first: str, shape: tuple[int, ...], given: Given, array: Array) -> None:
    fits = array.ndim == len(shape) and all(n in (1, m) for n, m in zip(array.shape, shape, strict=True))
    if given.broadcasts and array.ndim and not fits:
        raise ValueError(
            f"{name}: {first} {shape} and {given.argument} {array.shape} do not fit: {given.argument} may be a scalar, "
            f"of the shape of {first}, or of length 1 on the axes where it does not vary; insert the axis."
        )


def _filled(array: Array, fill: float, where: Array | None, like: Array, dtype: Any) -> Array:
    """The array in the shape, sharding and dtype of the others, filled where it is masked."""
    if not _is_floating(array) or array.ndim == 0:
        array = array.astype(dtype)
    if array.shape != like.shape:
        array = jnp.broadcast_to(array, like.shape)
    (array,) = inert(where, (numerics.aligned(like, array)[1], fill))
    # The cast comes after the filling: eagerly and under `jax_debug_nans`, a cast of a masked nan would be an error.
    return array.astype(dtype)


def _inside(name: str, given: list[Given], arrays: list[Array]) -> Array | None:
    total = None
    for g, a in zip(given, arrays, strict=True):
        if g.inside is not None:
            inside = g.inside(a)
            required(name, inside, g.rule)
            total = inside if total is None else total & inside
    return total


def one_of(name: str, **arrays: Any) -> tuple[str, Any]:
    """The argument that is given of several, and its array; an error unless it is exactly one."""
    given = {argument: array for argument, array in arrays.items() if array is not None}
    if len(given) != 1:
        raise ValueError(f"{name}: give exactly one of {', '.join(arrays)}, got {' and '.join(given) or 'none'}.")
    return given.popitem()


def binary(
    name: str, predictions: Given, labels: Any, label_smoothing: Any, where: Any, *others: Given
) -> tuple[Array, Elements]:
    """The smoothed labels, and predictions, labels and further arrays."""
    given = Given("labels", labels, 0.5, in_unit, "labels must be in [0, 1]")
    elements = elementwise(name, where, predictions, given, *others)
    y = elements.arrays[1]
    smoothing = elements.option(number(name, "label_smoothing", label_smoothing, y.dtype))
    return y if is_zero(label_smoothing) else (1 - smoothing) * y + 0.5 * smoothing, elements


def for_each_class(name: str, argument: str, value: Any, predictions: Any, fill: float) -> tuple[Given, ...]:
    """A numeric option that is a scalar or has one value for each class, the last axis, as an array that broadcasts."""
    array = real(name, argument, value, kind="a number or an array of one for each class")
    shape = np.shape(predictions)
    option(name, argument, value)
    if array.ndim == 0:
        return (Given(argument, array, fill, broadcasts=True, option=True),)
    if array.shape != shape[-1:]:
        raise ValueError(
            f"{name}: {argument} must be a scalar or have one value for each class, shape {shape[-1:]}, "
            f"got {array.shape}."
        )
    return (Given(argument, array.reshape((1,) * (len(shape) - 1) + array.shape), fill, broadcasts=True, option=True),)


__all__ = ["Elements", "Given", "binary", "elementwise", "for_each_class", "one_of"]
