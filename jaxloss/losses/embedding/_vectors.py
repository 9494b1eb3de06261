"""Vectors of features, and what the losses that compare them share."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, floating, real, without
from jaxloss._domain import required
from jaxloss._elements import Given, elementwise
from jaxloss._masks import kept_rows, masked, of_elements
from jaxloss._rows import Rows, rows_of
from jaxloss._types import Array, Axes


class Vectors(NamedTuple):
    """Arrays of vectors, of one shape and dtype, 0 where they do not count; masks keep the feature axes, length 1."""

    arrays: tuple[Array, ...]
    axes: tuple[int, ...]
    rows: Array | None
    """Which rows count; None for all."""
    inside: Array
    """Which rows hold finite numbers alone, or do not count."""

    def with_rule(self, name: str, ok: Array, rule: str) -> Vectors:
        """The same, with rows that are not `ok` outside the domain, if they count."""
        ok = ok if self.rows is None else ok | ~self.rows
        required(name, ok, rule)
        return self._replace(inside=self.inside & ok)

    def per_row(self, name: str, argument: str, array: Any) -> Array:
        """An array with one number for each row, the feature axes put in with length 1."""
        array, shape = real(name, argument, array), self.arrays[0].shape
        rows = without(shape, self.axes)
        if array.shape != rows:
            raise ValueError(
                f"{name}: {argument} {array.shape} and vectors {shape} do not fit: {argument} need shape {rows}, one "
                "for each pair."
            )
        return jnp.expand_dims(numerics.aligned_labels(self.arrays[0], array, self.axes), self.axes)

    def finish(self, losses: Array) -> Array:
        """0 where a row is masked, nan with gradient 0 where it is outside the domain, and the feature axes gone."""
        return jnp.squeeze(masked(numerics.nan_unless(self.inside, losses), self.rows), self.axes)

    def counting(self, losses: Array) -> Rows[Array]:
        """The same, with the rows that count."""
        return rows_of(self.finish(losses), self.rows, self.axes)


def vectors(name: str, axis: Axes | None, where: Any, **arrays: Any) -> Vectors:
    """The arrays, checked, promoted, and filled where they are masked or outside the domain."""
    (first, x), *_ = arrays.items()
    x = floating(name, first, x)
    axes = class_axes(name, first, x, axis)
    elements, rows = kept_rows(name, where, x.shape, axes)
    kept = of_elements(elements, rows, x.shape)
    found = elementwise(name, kept, *(Given(argument, a, 0.0) for argument, a in arrays.items())).arrays
    if rows is not None:
        rows = numerics.sharded_like(found[0], rows)
    largest = [jnp.max(jnp.abs(a), axes, keepdims=True) for a in found]
    inside = jnp.isfinite(largest[0])
    for size in largest[1:]:
        inside = inside & jnp.isfinite(size)
    required(name, inside, "vectors must be finite")
    return Vectors(tuple(numerics.keep(inside, a) for a in found), axes, rows, inside)


__all__ = ["Vectors", "vectors"]
