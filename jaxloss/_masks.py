"""Masks: checked and broadcast, a harmless value before the formula where they are False, and 0 after it."""

from typing import Any

import jax.numpy as jnp

from jaxloss._arrays import fitted, integers, real, without
from jaxloss._options import option
from jaxloss._types import Array
from jaxloss.numerics import keep


def mask(name: str, where: Any, argument: str = "where") -> Array:
    array = real(name, argument, where, kind="a boolean mask")
    if array.dtype != jnp.bool_:
        raise TypeError(
            f"{name}: {argument} must be boolean, got dtype {array.dtype}: compare it, as in `lengths > 0`."
        )
    return array


def kept(name: str, where: Any, shape: tuple[int, ...]) -> Array | None:
    """An elementwise mask that broadcasts against `shape`, or None."""
    return None if where is None else jnp.broadcast_to(fitted(name, "where", mask(name, where), shape), shape)


def kept_rows(
    name: str, where: Any, shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[Array | None, Array | None]:
    """The masks of the elements and of the rows that `where` keeps, both of the rank of `shape`; None keeps all.

    A mask of the rank of `shape` masks elements; one of the rank of the losses, or less, masks rows.
    """
    if where is None:
        return None, None
    array = mask(name, where)
    if array.ndim == len(shape):
        elements = jnp.broadcast_to(fitted(name, "where", array, shape, "elements"), shape)
        return elements, jnp.any(elements, axes, keepdims=True)
    rows = without(shape, axes)
    remedy = f"; to leave classes out give it the shape {shape}, as in jnp.broadcast_to(where, {shape})"
    return None, jnp.expand_dims(jnp.broadcast_to(fitted(name, "where", array, rows, remedy=remedy), rows), axes)


def of_elements(elements: Array | None, rows: Array | None, shape: tuple[int, ...]) -> Array | None:
    """The mask of each element of `shape`, from what `kept_rows` returns: its own, or else that of its row."""
    return elements if rows is None or elements is not None else jnp.broadcast_to(rows, shape)


def left(name: str, where: Any, ndim: int, shape: tuple[int, ...]) -> Array | None:
    """Which losses, of rank `ndim`, have any element that the mask keeps of predictions of `shape`; None for all.

    Axes that the mask has and the losses lack are the last ones.
    """
    if where is None:
        return None
    array = mask(name, where)
    if array.ndim == len(shape) > ndim:
        axes = tuple(range(ndim, array.ndim))
        array = jnp.broadcast_to(fitted(name, "where", array, shape, "elements"), shape).any(axes)
    return array


def inert(where: Array | None, *filled: tuple[Array, float | int]) -> tuple[Array, ...]:
    """Arrays with a harmless value where the mask is False, so that masked elements affect no value and no gradient."""
    if where is None:
        return tuple(array for array, _ in filled)
    return tuple(keep(where, array, fill) for array, fill in filled)


def masked(losses: Array, where: Array | None) -> Array:
    """The losses, 0 where the mask is False."""
    return losses if where is None else keep(where, losses)


def counted(name: str, labels: Array, ignore_index: Any) -> Array | None:
    """A mask of the labels that are not `ignore_index`; None if that is None."""
    if ignore_index is None:
        return None
    skip = option(name, "ignore_index", ignore_index)
    labels = integers(name, "labels", labels)
    fits = jnp.iinfo(labels.dtype).min <= skip <= jnp.iinfo(labels.dtype).max
    return labels != skip if fits else jnp.ones_like(labels, bool)


__all__ = ["counted", "inert", "kept", "kept_rows", "left", "mask", "masked", "of_elements"]
