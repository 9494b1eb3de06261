"""Sums over the devices over which the elements of one loss are spread, inside `shard_map`."""

from __future__ import annotations

from typing import TypeVar

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._types import Array, AxisName

Sums = TypeVar("Sums")


def sum_over_devices(name: str, argument: str, arrays: Sums, axis_name: AxisName) -> Sums:
    """The sum of each array over the mesh axes that an option names."""
    try:
        return numerics.sum_of_shards(arrays, axis_name)
    except NameError as error:
        raise ValueError(
            f"{name}: {argument} {axis_name!r} is no mesh axis here: call the loss inside jax.shard_map over it, each "
            "device with its part of the arrays."
        ) from error


def any_device(mask: Array | None, axis_name: AxisName) -> Array | None:
    """Where the mask is True on any device; None without a mask."""
    if mask is None or axis_name is None:
        return mask
    return numerics.sum_of_shards(mask.astype(jnp.int32), axis_name) > 0


__all__ = ["any_device", "sum_over_devices"]
