"""Vocabulary parallelism inside `shard_map`: each device has a part of the classes."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._types import Array, AxisName


class Shards(NamedTuple):
    """The devices among which the classes are divided into parts of one size."""

    axis_name: AxisName = None
    devices: int = 1  # how many
    here: Array | int = 0  # which of them this is

    def sum(self, x: Array) -> Array:
        return numerics.sum_of_shards(x, self.axis_name)

    def any(self, mask: Array) -> Array:
        """True where the mask is True on any device."""
        return mask if self.axis_name is None else self.sum(mask.astype(jnp.int32)) > 0

    def labels(self, labels: Array, own: int) -> Array:
        """Global class indices as local ones; outside [0, own) for classes that another device has."""
        return labels if self.axis_name is None else labels - self.here * own

    def values(self, array: Array, own: int) -> Array:
        """The values of this device's classes, from an array of those or of all classes."""
        if self.devices == 1 or array.shape != (own * self.devices,):
            return array
        return lax.dynamic_slice_in_dim(array, self.here * own, own)

    def look_up(self, table: Array, labels: Array) -> Array:
        """The elements of a table of this device's values at the labels, whichever device has them."""
        found = numerics.look_up(table, labels)
        if self.axis_name is None:
            return found
        return self.sum(numerics.keep((labels >= 0) & (labels < table.size), found))


WHOLE = Shards()
"""Every class is on this device."""


def shards_of(name: str, vocab_axis_name: AxisName, class_axes: tuple[int, ...] = (-1,), **parts: Array) -> Shards:
    """The shards along the named mesh axes, which divide the one class axis.

    `parts` are the arrays of which each device must have a part of its own.
    """
    if vocab_axis_name is None:
        return WHOLE
    if len(class_axes) != 1:
        raise ValueError(
            f"{name}: the classes are on the axes {class_axes}, but vocab_axis_name {vocab_axis_name!r} says that they "
            "are spread over devices, which one class axis can be: reshape the class axes to one, or give one as axis."
        )
    try:
        shards = Shards(vocab_axis_name, lax.axis_size(vocab_axis_name), lax.axis_index(vocab_axis_name))
    except NameError as error:
        raise ValueError(
            f"{name}: vocab_axis_name {vocab_axis_name!r} is no mesh axis here: call the loss inside jax.shard_map "
            "over it, each device with its part of the classes."
        ) from error
    for argument, array in parts.items():
        _check_part(name, argument, array, shards)
    return shards


def _check_part(name: str, argument: str, array: Array, shards: Shards) -> None:
    """Refuses an array that is the same on every device, as far as `shard_map` knows: it does if `check_vma` is on.

    The softmax would have every class as often as there are devices, and each loss would be too large by the logarithm
    of that number.
    """
    whole = sorted(
        a
        for a in numerics.varying_axes(jnp.asarray(shards.here)) - numerics.varying_axes(array)
        if lax.axis_size(a) > 1
    )
    if whole:
        raise ValueError(
            f"{name}: {argument} {array.shape} is the same on all devices of the mesh axis {', '.join(whole)}, but "
            f"vocab_axis_name {shards.axis_name!r} says that the classes are sharded over it: give each device its "
            "part of the classes, by the in_specs of jax.shard_map, or leave vocab_axis_name out. Parts that are meant "
            "to be equal are declared by jax.lax.pcast(..., to='varying')."
        )


__all__ = ["WHOLE", "Shards", "shards_of"]
