"""Masks and weights in Keras' shapes, which may have an axis of length 1 that the losses lack."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss._arrays import fitted, real
from jaxloss._masks import inert
from jaxloss._masks import mask as boolean
from jaxloss._types import Array


def without(where: Array, x: Array, axis: int | None = None, fill: float = 0.5) -> Array:
    """The array with a harmless value where it is masked, so that no nan there reaches a value or a gradient.

    The mask has the leading axes of the array, without the class axis if one is given. An array that the mask does not
    fit is returned as it is: the mask is one of the other array.
    """
    shape = x.shape if axis is None else (*x.shape[:axis], *x.shape[axis + 1 :])
    kept = where
    if kept.ndim > 1 and kept.shape[-1] == 1 and kept.shape != shape[: kept.ndim]:
        kept = kept[..., 0]
    if kept.shape != shape[: kept.ndim]:
        return x
    kept = kept.reshape(kept.shape + (1,) * (len(shape) - kept.ndim))
    kept = kept if axis is None else jnp.expand_dims(kept, axis)
    # One half is a probability, a rate and a logit, in the domain of all predictions; 0 is an index of a class.
    return inert(jnp.broadcast_to(kept, x.shape), (x, fill if jnp.issubdtype(x.dtype, jnp.floating) else 0))[0]


def masks_of(name: str, masks: list[Any]) -> list[Array]:
    """The masks that are given, as boolean arrays."""
    return [boolean(name, m, "mask") for m in masks if m is not None]


def mask_of_losses(name: str, masks: list[Array], losses: Array) -> Array | None:
    """The mask of the losses that all masks keep; None for all losses."""
    where = None
    for m in masks:
        # If a loss is of a whole sample, one step that counts makes the sample count.
        m = _squeezed(m, losses)
        m = fitted(name, "mask", m.any(tuple(range(losses.ndim, m.ndim))), losses.shape)
        where = m if where is None else where & m
    return where


def mask_of_elements(name: str, masks: list[Array], x: Array) -> Array | None:
    """The mask of the elements of an array that all masks keep, each of its leading axes; None for all elements."""
    where = None
    for m in masks:
        m = jnp.broadcast_to(fitted(name, "mask", _squeezed(m, x), x.shape, "y_pred"), x.shape)
        where = m if where is None else where & m
    return where


def weights_of_losses(name: str, sample_weight: Any, losses: Array) -> Array | None:
    """The weights with the axes of the losses."""
    if sample_weight is None:
        return None
    weights = _squeezed(real(name, "sample_weight", sample_weight), losses)
    if weights.ndim and losses.ndim == 0:
        raise ValueError(
            f"{name}: sample_weight {weights.shape} cannot weigh a loss of the whole batch, which is one number: give "
            "the loss an axis, such as (1, 2, 3), so that there is one for each sample."
        )
    return fitted(name, "sample_weight", weights, losses.shape)


def _squeezed(x: Array, losses: Array) -> Array:
    """The array without a last axis of length 1 that the losses lack, which labels and weights often have."""
    return x[..., 0] if x.ndim == losses.ndim + 1 and x.shape[-1] == 1 else x


__all__ = ["mask_of_elements", "mask_of_losses", "masks_of", "weights_of_losses", "without"]
