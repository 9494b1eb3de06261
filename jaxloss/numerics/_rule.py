"""The helpers with which the derivative rules of this folder are written.

A slope is a partial derivative: the slope in x of a function of x and y is its derivative in x at a fixed y. "For
values, not for slopes" in a docstring says that JAX's derivative of the function may be inexact, or nan: the function
is not to be differentiated, and its callers have derivative rules of their own.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import mul
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

Slope = Callable[[], jax.Array | tuple[jax.Array, ...]]
"""A thunk: a function without arguments that computes the slope, or factors of it."""


def rule(primitive: Any) -> Callable[[Callable[..., Any]], Any]:
    """Registers the decorated function as the derivative rule of `primitive`, with zero tangents left symbolic."""
    return partial(primitive.defjvp, symbolic_zeros=True)


def compiled(*static: int) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a primitive of many operations for eager calls; within `jit` it is inlined.

    Forty operations that are called one by one take milliseconds, and `jax_debug_nans` inspects the result of each one,
    such as an infinity that a select removes again.
    """
    return partial(jax.jit, static_argnums=static, inline=True)


def tangent(value: jax.Array, *terms: tuple[Slope, Any]) -> jax.Array:
    """The sum of slope times tangent over the inputs that are differentiated.

    A slope is a thunk for two reasons: the slope in an input that is not differentiated costs nothing, and where it is
    infinite (log at 0) it is not multiplied by a zero tangent, which would make the whole derivative nan.

    A slope that may overflow where its factors are finite is given as these. The tangent is multiplied by one after the
    other: the zeros among the tangents, as in the rows of a Hessian, stay zeros, and small ones meet no infinity.
    """
    total = None
    for slope, t in terms:
        if not isinstance(t, SymbolicZero):
            term = reduce(mul, factors if isinstance(factors := slope(), tuple) else (factors,), t)
            total = term if total is None else total + term
    return jnp.zeros_like(value) if total is None else total


def pushed(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The derivative of f at the primals along the tangents; an input that is not differentiated costs nothing."""
    leaves, tree = jax.tree.flatten(primals)
    slopes = tree.flatten_up_to(tangents)
    active = [i for i, t in enumerate(slopes) if not isinstance(t, SymbolicZero)]
    call = lambda *differentiated: f(*tree.unflatten(replaced(leaves, active, differentiated)))  # noqa: E731
    return jax.jvp(call, [leaves[i] for i in active], [slopes[i] for i in active])[1]


def replaced(leaves: list[Any], where: list[int], others: Sequence[Any]) -> list[Any]:
    """A list with some of its elements replaced."""
    changed = dict(zip(where, others, strict=True))
    return [changed.get(i, leaf) for i, leaf in enumerate(leaves)]
