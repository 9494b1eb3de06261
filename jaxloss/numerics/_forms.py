"""Sums in the forms that XLA on CPU takes in the least time."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import is_split
from jaxloss.numerics._shapes import MANY, Axes, as_tuple, few_classes, known

BLOCK = 128


def present(weight: jax.Array, value: jax.Array) -> jax.Array:
    r"""The value, 0 where the weight is 0: in a sum of products $0 \cdot \infty$ is 0, any other infinity stays one.

    For values alone: a derivative rule goes with it wherever it is used, for there is none in the weight at 0.
    """
    return jnp.where(weight == 0, jnp.zeros_like(value), value)


def sum_of_terms(x: jax.Array, axes: Axes) -> jax.Array:
    """The sum over some axes.

    Over a few classes XLA on CPU computes whatever it fuses into a sum element by element, logarithms and all. There a
    product with ones leaves the terms to be computed in vectors, in two thirds of the time or less.
    """
    if not few_classes(x, axes):
        return jnp.sum(x, axes)
    ones = jnp.ones(x.shape[-1], x.dtype)
    return lax.platform_dependent(
        x, cpu=lambda x: jnp.dot(x, ones, precision="highest"), default=lambda x: jnp.sum(x, -1)
    )


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def two_sums(a: jax.Array, b: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """The sums of two arrays of one shape, the axes kept with length 1.

    One reduction of two operands: over ten classes XLA on CPU takes five times as long for two reductions of one. But
    it adds their terms one after the other, where it splits a reduction of one into parts. So at most `MANY` terms are
    added that way, of the last axis, in blocks if it is longer.
    """
    axes = tuple(i % a.ndim for i in as_tuple(axes))
    last = max(axes)
    if is_split(a, axes) or not known(a.shape[last]):
        # JAX reduces explicitly sharded axes by the reductions that it names alone; nor has a symbolic length blocks.
        return jnp.sum(a, axes, keepdims=True), jnp.sum(b, axes, keepdims=True)
    zeros = jnp.zeros((), a.dtype), jnp.zeros((), b.dtype)
    of_blocks = lax.reduce(tuple(_in_blocks(x, last) for x in (a, b)), zeros, _add, (last + 1,))
    of_a, of_b = (jnp.sum(t, axes, keepdims=True) if t.shape[last] > 1 or len(axes) > 1 else t for t in of_blocks)
    return of_a, of_b


def _in_blocks(x: jax.Array, axis: int) -> jax.Array:
    """X with an axis split in two, the second of which has at most `MANY` terms; zeros fill the last block."""
    n = x.shape[axis]
    size = n if n < MANY else BLOCK
    blocks = -(-n // size)
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, blocks * size - n if i == axis else 0, 0) for i in range(x.ndim)])
    return x.reshape(*x.shape[:axis], blocks, size, *x.shape[axis + 1 :])


def _add(one, other):  # a lambda would be compiled anew at every call outside of jit
    return one[0] + other[0], one[1] + other[1]


@two_sums.defjvp
def _two_sums_jvp(axes, primals, tangents):
    return two_sums(*primals, axes), tuple(jnp.sum(t, axes, keepdims=True) for t in tangents)
