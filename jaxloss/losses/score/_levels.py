"""Predictions of several quantiles of each target, along a last axis."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxloss import numerics
from jaxloss._arrays import floats, real
from jaxloss._elements import Elements, Given, elementwise
from jaxloss._masks import inert, kept
from jaxloss._options import option
from jaxloss._types import Array


def level_of_each(name: str, argument: str, value: Any) -> Array:
    """A numeric option that is a number, or an array of one for each quantile or interval."""
    array = real(name, argument, value, kind="a number or an array of numbers along one axis")
    option(name, argument, np.asarray(value) if isinstance(value, (list, tuple)) else value)
    if array.ndim > 1 or array.size == 0:
        raise ValueError(
            f"{name}: {argument} must be a number or an array of at least one along one axis, got shape {array.shape}."
        )
    return array


def rest_of(level: Array, given: Any) -> Array:
    """1 less the level, in float64 where it is known while tracing: in float32, 1 - 0.999999 is off by a hundredth."""
    values = given if isinstance(given, (list, tuple)) else [given]
    if any(isinstance(value, Array) for value in values):
        return 1 - level
    rest = jnp.asarray(1 - np.asarray(given, np.float64), level.dtype)
    return numerics.sharded_like(level, rest.reshape(level.shape))


def along_quantiles(name: str, predictions: Any, targets: Any, count: int, where: Any) -> Elements:
    """The predictions, and the targets and the mask, which lack the axis of the quantiles, along it."""
    x, t = floats(name, "predictions", predictions), real(name, "targets", targets)
    if x.shape != (*t.shape, count):
        raise ValueError(
            f"{name}: predictions {x.shape} and targets {t.shape} do not fit: with {count} quantiles along the last "
            f"axis predictions need shape {(*t.shape, count)}."
        )
    mask = None if where is None else kept(name, where, t.shape)
    (t,) = inert(mask, (t, 0.0))
    mask = None if mask is None else mask[..., None]
    given = Given("predictions", x, 0.0), Given("targets", t[..., None], 0.0, broadcasts=True)
    return elementwise(name, mask, *given)


__all__ = ["along_quantiles", "level_of_each", "rest_of"]
