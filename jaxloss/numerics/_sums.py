"""Sums in the forms that XLA on CPU takes in the least time."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._sharding import is_split

Axes = int | tuple[int, ...]
FEW = 32  # classes
MANY = 256


def unclamped(total: jax.Array) -> jax.Array:
    """A sum of products whose second factors were clamped to half the largest number, infinite where a term should be.

    0 * inf is nan, and a select would make XLA on CPU write the products out before it sums them. With clamped factors
    a product is 0 where the first factor is, and else, for a first factor from 1e-19, beyond any sum of true products.
    """
    largest = float(jnp.finfo(total.dtype).max)
    return jnp.maximum(total, total * largest**0.5 - largest / 4)


def few(x: jax.Array, axes: Axes) -> bool:
    """Whether the axes are the last one, and it has but a few classes."""
    last = x.ndim - 1
    return axes in (-1, last, (-1,), (last,)) and 2 <= x.shape[-1] <= FEW and not is_split(x, (last,))


def many(x: jax.Array, axes: Axes) -> bool:
    """Whether the axes have many classes."""
    return math.prod(x.shape[i] for i in _tuple(axes)) >= MANY


def _tuple(axes: Axes) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else axes


def row_sum(x: jax.Array, axes: Axes) -> jax.Array:
    """The sum over some axes.

    Over a few classes XLA on CPU computes whatever it fuses into a sum element by element, logarithms and all. There a
    product with ones leaves the terms to be computed in vectors, in two thirds of the time or less.
    """
    if not few(x, axes):
        return jnp.sum(x, axes)
    ones = jnp.ones(x.shape[-1], x.dtype)
    return lax.platform_dependent(
        x, cpu=lambda x: jnp.dot(x, ones, precision="highest"), default=lambda x: jnp.sum(x, -1)
    )


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def two_sums(a: jax.Array, b: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """The sums of two arrays of one shape, the axes kept with length 1.

    One reduction of two operands: over ten classes XLA on CPU takes five times as long for two reductions of one.
    """
    axes = tuple(i % a.ndim for i in _tuple(axes))
    if is_split(a, axes):  # explicitly sharded axes are only reduced by the reductions that JAX names
        return jnp.sum(a, axes, keepdims=True), jnp.sum(b, axes, keepdims=True)
    zeros = jnp.zeros((), a.dtype), jnp.zeros((), b.dtype)
    of_a, of_b = lax.reduce((a, b), zeros, _add, axes)
    return jnp.expand_dims(of_a, axes), jnp.expand_dims(of_b, axes)


def _add(one, other):  # a lambda would be compiled anew at every call outside of jit
    return one[0] + other[0], one[1] + other[1]


@two_sums.defjvp
def _(axes, primals, tangents):
    return two_sums(*primals, axes), tuple(jnp.sum(t, axes, keepdims=True) for t in tangents)
