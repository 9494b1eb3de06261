"""What every derivative rule of this folder is written with."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

Slope = Callable[[], jax.Array]


def rule(primitive: Any) -> Callable[[Callable[..., Any]], Any]:
    """Registers the decorated function as the derivative rule of `primitive`, with zero tangents left symbolic."""
    return partial(primitive.defjvp, symbolic_zeros=True)


def compiled(*static: int) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a primitive of many operations for eager calls; within `jit` it leaves no trace.

    Called eagerly, forty operations take milliseconds, and what one of them makes on the way, an infinity that a select
    takes out again, is seen by `jax_debug_nans`.
    """
    return partial(jax.jit, static_argnums=static, inline=True)


def tangent(value: jax.Array, *terms: tuple[Slope, Any]) -> jax.Array:
    """The sum of slope times tangent over the inputs that are differentiated.

    A slope is a thunk, for two reasons: the slope of an input that nobody differentiates costs nothing, and where it
    is infinite (log at 0) it is not multiplied by a zero tangent, which would make the whole derivative nan.
    """
    total = None
    for slope, t in terms:
        if not isinstance(t, SymbolicZero):
            term = slope() * t
            total = term if total is None else total + term
    return jnp.zeros_like(value) if total is None else total


def pushed(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The tangent of f at the primals, a pytree of arguments; what nobody differentiates costs nothing."""
    leaves, tree = jax.tree.flatten(primals)
    slopes = tree.flatten_up_to(tangents)
    active = [i for i, t in enumerate(slopes) if not isinstance(t, SymbolicZero)]
    call = lambda *some: f(*tree.unflatten(replaced(leaves, active, some)))  # noqa: E731
    return jax.jvp(call, [leaves[i] for i in active], [slopes[i] for i in active])[1]


def replaced(leaves: list[Any], where: list[int], others: Sequence[Any]) -> list[Any]:
    """A list with some of its elements replaced."""
    changed = dict(zip(where, others, strict=True))
    return [changed.get(i, leaf) for i, leaf in enumerate(leaves)]
