"""Shapes: axes, sizes that may be symbolic (`jax.export`), and whether a row has few or many classes."""

import math
from typing import Any

import jax

from jaxloss.numerics._mesh import is_split

Axes = int | tuple[int, ...]
FEW = 32  # classes
MANY = 256


def known(*sizes: Any) -> bool:
    """Whether sizes are numbers: symbolic ones may be added and multiplied, but not compared."""
    return all(isinstance(n, int) for n in sizes)


def few_classes(x: jax.Array, axes: Axes) -> bool:
    """Whether the axes are the last one, and it has but a few classes."""
    last = x.ndim - 1
    if axes not in (-1, last, (-1,), (last,)) or not known(x.shape[-1]) or is_split(x, (last,)):
        return False
    return 2 <= x.shape[-1] <= FEW


def many_classes(x: jax.Array, axes: Axes) -> bool:
    """Whether the axes have many classes; symbolic ones are taken to."""
    sizes = [x.shape[i] for i in as_tuple(axes)]
    return not known(*sizes) or math.prod(sizes) >= MANY


def as_tuple(axes: Axes) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else axes
