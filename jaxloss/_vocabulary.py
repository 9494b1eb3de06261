"""Classes that are spread over mesh axes, inside `shard_map`: which of them this device has."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._types import Array, AxisName


class Shards(NamedTuple):
    """The devices that have a part of the classes each, all of one size."""

    axis_name: AxisName = None
    devices: int = 1  # how many
    here: Array | int = 0  # which of them this is

    def sum(self, x: Array) -> Array:
        return numerics.sum_of_shards(x, self.axis_name)

    def any(self, mask: Array) -> Array:
        """Where the mask is True on any of them."""
        return mask if self.axis_name is None else self.sum(mask.astype(jnp.int32)) > 0

    def labels(self, labels: Array, own: int) -> Array:
        """Indices into all classes as indices into the `own` ones of this device, outside of them for others'."""
        return labels if self.axis_name is None else labels - self.here * own

    def values(self, array: Array, own: int) -> Array:
        """This device's values, of an array that has those or the values of all classes."""
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
"""No axis: every class is here."""


def shards_of(name: str, vocab_axis_name: AxisName, class_axes: tuple[int, ...] = (-1,)) -> Shards:
    """What the mesh axes' name says of this device; of the arrays' own axes it is one that is spread."""
    if vocab_axis_name is None:
        return WHOLE
    if len(class_axes) != 1:
        raise ValueError(
            f"{name}: the classes are on the axes {class_axes}, but vocab_axis_name {vocab_axis_name!r} says that they "
            "are spread over devices, which one class axis can be: reshape the class axes to one, or give one as axis."
        )
    try:
        return Shards(vocab_axis_name, lax.axis_size(vocab_axis_name), lax.axis_index(vocab_axis_name))
    except NameError as error:
        raise ValueError(
            f"{name}: vocab_axis_name {vocab_axis_name!r} is no mesh axis here: call the loss inside jax.shard_map "
            "over it, each device with its part of the classes."
        ) from error


__all__ = ["WHOLE", "Shards", "shards_of"]
