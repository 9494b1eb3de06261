"""Rows whose elements are spread over mesh axes, inside `shard_map`: what all devices' parts come to.

With no axis named these do nothing. Derivative rules may call them: a tangent that ends in a sum over the shards is
transposed rightly whether `shard_map` checks what varies or not.
"""

from typing import TypeVar

import jax
from jax import lax

AxisName = str | tuple[str, ...] | None
Sums = TypeVar("Sums")


def sum_of_shards(x: Sums, axis_name: AxisName) -> Sums:
    """The sum of each array over the devices; of a tuple in one message."""
    return x if axis_name is None else lax.psum(x, axis_name)


def max_of_shards(x: jax.Array, axis_name: AxisName) -> jax.Array:
    """The maximum over the devices, which has no derivative."""
    return x if axis_name is None else lax.pmax(lax.stop_gradient(x), axis_name)
