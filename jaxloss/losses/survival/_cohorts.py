"""Cohorts: samples with times and events, checked and filled, on this device or on all."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import floating, integers, real, same_shape, wide
from jaxloss._domain import required
from jaxloss._masks import inert, kept
from jaxloss._types import Array, AxisName
from jaxloss.losses._devices import sum_over_devices


class Cohort(NamedTuple):
    """The samples of cohorts, `[..., samples]`, filled where they are masked, or where the cohort is not valid."""

    x: Array
    times: Array
    events: Array
    counts: Array
    strata: Array
    entry: Array | None


class Checked(NamedTuple):
    """The samples of this device, and what they are compared with."""

    own: Cohort
    all: Cohort
    start: Array | int
    """The index of the first own sample among all."""
    valid: Array
    """Which samples are of a valid cohort."""
    mask: Array | None


def flags(name: str, events: Any) -> tuple[Array, Array]:
    """Which samples have an event, and which flags are 0 or 1."""
    array = real(name, "events", events)
    if array.dtype == jnp.bool_:
        return array, jnp.ones_like(array)
    return array != 0, (array == 0) | (array == 1)


def _moments(name: str, argument: str, times: Any) -> Array:
    """Times; integers of 64 bits that JAX would wrap to 32 are an error, not times in another order."""
    array, limits = real(name, argument, times), np.iinfo(np.int32)
    wrapped = isinstance(times, np.ndarray) and times.dtype.kind in "iu" and times.dtype.itemsize > array.dtype.itemsize
    if wrapped and times.size and not limits.min <= times.min() <= times.max() <= limits.max:
        raise ValueError(f"{name}: {argument} go beyond int32: take a coarser unit, or their ranks.")
    return array


def cohorts(
    name: str, log_hazards: Any, times: Any, events: Any, strata: Any, entry: Any, where: Any, axis_name: AxisName
) -> Checked:
    """The cohorts, each along the last axis."""
    x, given = floating(name, "log_hazards", log_hazards), {"times": _moments(name, "times", times)}
    given["events"] = real(name, "events", events)
    if strata is not None:
        given["strata"] = integers(name, "strata", strata)
    if entry is not None:
        given["entry"] = _moments(name, "entry", entry)
    if x.ndim < 1:
        raise ValueError(
            f"{name}: log_hazards must have an axis of samples, got a scalar: a cohort is their last axis."
        )
    same_shape(name, {"log_hazards": x, **given})
    mask = kept(name, where, x.shape)
    x = numerics.replicated(x, (x.ndim - 1,))  # on explicit meshes: whole cohorts are compared
    (x,) = inert(mask, (x, 0.0))
    x = x.astype(wide(x.dtype))
    counts = numerics.sharded_like(x, jnp.ones(x.shape, bool) if mask is None else mask)
    fills = {"times": 1, "events": 0, "strata": 0, "entry": 0}
    filled = [(numerics.sharded_like(x, a), fills[k]) for k, a in given.items()]
    like = dict(zip(given, inert(None if mask is None else counts, *filled), strict=True))
    like |= _of_one_dtype({k: a for k, a in like.items() if k in ("times", "entry")})
    happened, known = flags(name, like["events"])
    inside = _inside(name, x, like, known)
    if axis_name is not None:
        inside = sum_over_devices(name, "batch_axis_name", (~inside).astype(jnp.int32), axis_name) == 0
    valid = jnp.broadcast_to(inside[..., None], x.shape)
    x = numerics.keep(valid, x)
    own = Cohort(
        x, like["times"], happened, counts, like.get("strata", jnp.zeros_like(happened, jnp.int32)), like.get("entry")
    )
    everyone, start = own, 0
    if axis_name is not None:
        gathered = lambda a: lax.all_gather(a, axis_name, axis=x.ndim - 1, tiled=True)  # noqa: E731
        everyone, start = jax.tree.map(gathered, own), lax.axis_index(axis_name) * x.shape[-1]
    return Checked(own, everyone, start, valid, mask)


def _of_one_dtype(arrays: dict[str, Array]) -> dict[str, Array]:
    """Times as they are, since integers have more digits than floats; mixed ones as floats."""
    kinds = {a.dtype for a in arrays.values()}
    if len(kinds) == 1:
        return arrays
    floats = [kind for kind in kinds if jnp.issubdtype(kind, jnp.floating)]
    dtype = wide(*floats) if floats else np.result_type(*kinds)
    return {k: a.astype(dtype) for k, a in arrays.items()}


def _inside(name: str, x: Array, given: dict[str, Array], known: Array) -> Array:
    """Which cohorts are inside the domain."""
    times = given["times"]
    rules = {"log_hazards must be finite": jnp.isfinite(x), "events must be 0 or 1": known}
    rules["times must not be nan"] = ~jnp.isnan(times)
    if "entry" in given:
        rules["entry must be before the time"] = given["entry"] < times
    inside = jnp.ones(x.shape[:-1], bool)
    for rule, fine in rules.items():
        required(name, fine, rule)
        inside = inside & jnp.all(fine, -1)
    return inside


__all__ = ["Checked", "Cohort", "cohorts", "flags"]
