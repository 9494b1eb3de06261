"""Expressions that are shaped for a compiler, each registered with the plain expression that it stands for, its twin.

A form is kept as long as it earns its place: its docstring names the compiler, the row of the benchmark and what the
twin takes there. `tests/numerics/test_forms.py` holds form and twin together in value, first and second derivatives,
and the environment variable JAXLOSS_PLAIN_FORMS, read when jaxloss is imported, puts the twins in their place: "1" all
of them, or the named ones, with commas between.
"""

import os
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled, is_split
from jaxloss.numerics._shapes import MANY, Axes, as_tuple, few_classes, known, many_classes

BLOCK = 128

Function = TypeVar("Function", bound=Callable[..., Any])


class Form(NamedTuple):
    """A form and its twin, functions of the same arguments."""

    shaped: Callable[..., Any]
    twin: Callable[..., Any]


FORMS: dict[str, Form] = {}
branch: ContextVar[str | None] = ContextVar("branch", default=None)
"""Which branch of `by_platform` is taken, "cpu" or "default", whatever the platform; None for the platform's own."""

_plain = os.environ.get("JAXLOSS_PLAIN_FORMS", "0").split(",")


def form(twin: Callable[..., Any]) -> Callable[[Function], Function]:
    """Registers the decorated function as a form of `twin`, and is the twin where JAXLOSS_PLAIN_FORMS asks for it."""

    def registered(shaped: Function) -> Function:
        name = shaped.__name__.lstrip("_")
        FORMS[name] = Form(shaped, twin)
        chosen: Any = twin if {"1", name} & {*_plain} else shaped
        return chosen

    return registered


def by_platform(*arrays: jax.Array, cpu: Callable[..., Any], default: Callable[..., Any]) -> Any:
    """`cpu(*arrays)` in programs that are lowered for CPUs, `default(*arrays)` in those for all other platforms."""
    taken = branch.get()
    if taken is None:
        return lax.platform_dependent(*arrays, cpu=cpu, default=default)
    return (cpu if taken == "cpu" else default)(*arrays)


# ---------------------------------------------------------------------------------------------------------------- sums


@form(jnp.sum)
def sum_of_terms(x: jax.Array, axes: Axes) -> jax.Array:
    """The sum over some axes; for CPUs, over a few classes, as a product with ones.

    XLA on CPU computes what it fuses into a sum over a few classes element by element, logarithms and all; a product
    leaves the terms to be computed in vectors. Measured: jaxlib 0.10.2, gradient of
    softmax_cross_entropy_with_integer_labels with smoothing 65536x10, the twin takes 1.8 times as long.
    """
    if not few_classes(x, axes):
        return jnp.sum(x, axes)
    ones = jnp.ones(x.shape[-1], x.dtype)
    return by_platform(x, cpu=lambda x: jnp.dot(x, ones, precision="highest"), default=lambda x: jnp.sum(x, -1))


def _each_sum(a: jax.Array, b: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    return jnp.sum(a, axes, keepdims=True), jnp.sum(b, axes, keepdims=True)


@form(_each_sum)
def two_sums(a: jax.Array, b: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """The sums of two arrays of one shape, the axes kept with length 1, in one reduction of two operands.

    It adds terms one after the other, so at most `MANY` are added that way, in blocks if the last axis is longer.
    Measured: jaxlib 0.10.2, gradient of softmax_cross_entropy 65536x10, the twin takes 2.4 times the CPU time; of
    softmax_cross_entropy 8192x1000 it stores 33 MB and the form 0.6 MB.
    """
    return _one_reduction(a, b, axes)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _one_reduction(a: jax.Array, b: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    axes = tuple(i % a.ndim for i in as_tuple(axes))
    last = max(axes)
    if is_split(a, axes) or not known(a.shape[last]):
        # JAX reduces explicitly sharded axes by the reductions that it names alone; a symbolic length has no blocks.
        return _each_sum(a, b, axes)
    zeros = jnp.zeros((), a.dtype), jnp.zeros((), b.dtype)
    of_blocks = lax.reduce(tuple(_in_blocks(x, last) for x in (a, b)), zeros, _add, (last + 1,))
    of_a, of_b = (jnp.sum(t, axes, keepdims=True) if t.shape[last] > 1 or len(axes) > 1 else t for t in of_blocks)
    return of_a, of_b


def _in_blocks(x: jax.Array, axis: int) -> jax.Array:
    """`x` with an axis split in two, the second of which has at most `MANY` terms; zeros fill the last block."""
    n = x.shape[axis]
    blocks = 1 if n < MANY else -(-n // BLOCK)
    size = -(-n // blocks)
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, blocks * size - n if i == axis else 0, 0) for i in range(x.ndim)])
    return x.reshape(*x.shape[:axis], blocks, size, *x.shape[axis + 1 :])


def _add(one, other):  # a lambda would be compiled anew at every call outside of jit
    return one[0] + other[0], one[1] + other[1]


@_one_reduction.defjvp
def _one_reduction_jvp(axes, primals, tangents):
    return _one_reduction(*primals, axes), _each_sum(tangents[0], tangents[1], axes)


def _selected_sums(e: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    return _each_sum(e, jnp.where(e == 1, jnp.zeros_like(e), e), axes)


@form(_selected_sums)
def total_and_rest(e: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    r"""$\sum_j e_j$ and $\sum_{e_j < 1} e_j$ of exponentials $e \le 1$ in memory; the axes are kept with length 1.

    Both sums are arithmetic on e alone: XLA on CPU stores what a select takes part in before it reduces it. Measured:
    jaxlib 0.10.2, gradient of softmax_cross_entropy, the twin takes 1.4 times the CPU time at 65536x10, and
    stores 33 MB more at 8192x1000.
    """
    others = jnp.minimum(e, _zero_at_one(e))
    return (_each_sum if many_classes(e, axes) else two_sums)(e, others, axes)


def _zero_at_one(e: jax.Array) -> jax.Array:
    """0 where an exponential is 1, more than it elsewhere, without a comparison, and exact."""
    steep = 4 / float(jnp.finfo(e.dtype).eps)
    return steep - lax.stop_gradient(e) * steep


def _sums_of_shared(x: jax.Array, base: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    return _selected_sums(jnp.exp(jnp.minimum(x, _largest(x)) - base), axes)


@form(_sums_of_shared)
def total_and_rest_of_logits(x: jax.Array, base: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """`total_and_rest` of exp(x - base) without an array of exponentials.

    The two sums exponentiate separately, in different expressions: XLA on CPU would store shared exponentials.
    Measured: jaxlib 0.10.2, value of softmax_cross_entropy 8192x1000, the twin takes 1.9 times the CPU time and stores
    66 MB, the form 0.7 MB.
    """
    total = jnp.sum(jnp.exp(jnp.minimum(x, _largest(x)) - base), axes, keepdims=True)
    e = jnp.exp(jnp.minimum(x, 0.99 * _largest(x)) + -base)
    return total, jnp.sum(jnp.minimum(e, _zero_at_one(e)), axes, keepdims=True)


def _largest(x: jax.Array) -> float:
    return float(jnp.finfo(x.dtype).max)


# --------------------------------------------------------------------------------------------------------- differences


def _below(x: jax.Array, top: jax.Array, power: int) -> jax.Array:
    del power
    largest = _largest(x)
    return (jnp.minimum(x, largest) - jnp.clip(top, -largest, largest)) * beyond(top)


def beyond(top: jax.Array) -> jax.Array:
    """A factor that takes finite gaps to an infinite maximum beyond all that is finite; 1 in any other row."""
    return jnp.where(jnp.isinf(top), filled(top, 1e30), jnp.ones_like(top))


@form(_below)
def below_top(x: jax.Array, top: jax.Array, power: int) -> jax.Array:
    """`x - top`, and 0 where both are inf, scaled on the way: the twin XLA on CPU shares with exponentials and stores.

    Calls with different powers, from 1, differ in expression, not in value: XLA recomputes instead of storing.
    Infinities are clipped to numbers that scaled ones do not reach, so that the gap to an infinite top is infinite.
    Measured: jaxlib 0.10.2, gradient of log_softmax 8192x1000, the twin stores 33 MB and the form 0.2 MB.
    """
    scale = 0.5**power
    largest = (1 - scale / 8) * _largest(x)
    return (jnp.minimum(x * scale, largest) - jnp.clip(top * scale, -largest, largest)) / scale
