"""Shapes: axes, sizes that may be symbolic (`jax.export`), and whether a row has few or many classes."""

import math
from typing import Any, TypeAlias

import jax

from jaxloss.numerics._mesh import is_split

Axes: TypeAlias = int | tuple[int, ...]
"""One axis, or several that are taken together."""

FEW = 32  # classes
MANY = 256


def known(*sizes: Any) -> bool:
    """Whether all sizes are numbers; symbolic sizes can be added and multiplied, but not compared."""
    return all(isinstance(n, int) for n in sizes)


def few_classes(x: jax.Array, axes: Axes) -> bool:
    """Whether the class axis is the last one, is not sharded, and has 2 to FEW classes."""
    last = x.ndim - 1
    if axes not in (-1, last, (-1,), (last,)) or not known(x.shape[-1]) or is_split(x, (last,)):
        return False
    return 2 <= x.shape[-1] <= FEW


def many_classes(x: jax.Array, axes: Axes) -> bool:
    """Whether the axes have at least MANY classes; a symbolic number is taken to be as large."""
    sizes = [x.shape[i] for i in as_tuple(axes)]
    return not known(*sizes) or math.prod(sizes) >= MANY


def many_apart(x: jax.Array, axes: Axes) -> bool:
    """Whether a row has many elements, which lie apart in memory.

    XLA for GPUs would store the operands of one reduction of several over them.
    """
    taken = as_tuple(axes)
    together = {i % x.ndim for i in taken} == {*range(x.ndim - len(taken), x.ndim)}
    return not together and many_classes(x, axes)


def as_tuple(axes: Axes) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else axes
