"""What every derivative rule of this folder is written with."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

Slope = Callable[[], jax.Array]


def rule(primitive: Any) -> Callable[[Callable[..., Any]], Any]:
    """Registers the decorated function as the derivative rule of `primitive`, with zero tangents left symbolic."""
    return partial(primitive.defjvp, symbolic_zeros=True)


def tangent(value: jax.Array, *terms: tuple[Slope, Any]) -> jax.Array:
    """The sum of slope times tangent over the inputs that are differentiated.

    A slope is a thunk, for two reasons: the slope of an input that nobody differentiates costs nothing, and where it
    is infinite (log at 0) it is not multiplied by a zero tangent, which would make the whole derivative nan.
    """
    total = None
    for slope, t in terms:
        if not isinstance(t, SymbolicZero):
            product = slope() * t
            total = product if total is None else total + product
    return jnp.zeros_like(value) if total is None else total
