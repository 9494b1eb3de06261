"""Forms: expressions that are written for a compiler, each registered with its twin, the plain expression.

A form is kept while it pays: its docstring names the version of jaxlib, the row of the benchmark, and what the twin
takes there. `tests/numerics/test_forms.py` holds form and twin together in value, first and second derivatives. The
environment variable JAXLOSS_PLAIN_FORMS, read when jaxloss is imported, replaces forms by their twins: "1" replaces all
of them, names separated by commas replace the named ones.
"""

import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled, is_split, varying_alike
from jaxloss.numerics._shapes import MANY, Axes, as_tuple, few_classes, known, many_classes
from jaxloss.numerics.guarded import clip_infinite, clip_positive_infinity, largest

BLOCK = 128

Function = TypeVar("Function", bound=Callable[..., Any])


class Form(NamedTuple):
    """A form and its twin, functions of the same arguments."""

    shaped: Callable[..., Any]
    twin: Callable[..., Any]


FORMS: dict[str, Form] = {}
branch: ContextVar[str | None] = ContextVar("branch", default=None)
"""The branch that `by_platform` takes: "cpu", "cuda" or "default"; None for the one of the platform."""

_plain = os.environ.get("JAXLOSS_PLAIN_FORMS", "0").split(",")


def form(twin: Callable[..., Any]) -> Callable[[Function], Function]:
    """Registers the decorated function as the form of `twin`; returns the twin where JAXLOSS_PLAIN_FORMS names it."""

    def registered(shaped: Function) -> Function:
        name = shaped.__name__.lstrip("_")
        FORMS[name] = Form(shaped, twin)
        chosen: Any = twin if {"1", name} & {*_plain} else shaped
        return chosen

    return registered


def by_platform(
    *arrays: jax.Array, cpu: Callable[..., Any], default: Callable[..., Any], gpu: Callable[..., Any] | None = None
) -> Any:
    """`cpu(*arrays)` in programs compiled for CPUs, `gpu(*arrays)` in those for GPUs, `default(*arrays)` in others.

    Without a function for GPUs, their programs take the default.
    """
    # Inside `shard_map` the branches of a conditional must vary over the same mesh axes.
    arrays = varying_alike(*arrays)
    functions = {"cpu": cpu} if gpu is None else {"cpu": cpu, "cuda": gpu, "rocm": gpu}
    taken = branch.get()
    if taken is None:
        return lax.platform_dependent(*arrays, default=default, **functions)
    return functions.get(taken, default)(*arrays)


# ---------------------------------------------------------------------------------------------------------------- sums


@form(jnp.sum)
def sum_of_terms(x: jax.Array, axes: Axes) -> jax.Array:
    """The sum over some axes; on CPUs, over a few classes, as a product with ones.

    XLA on CPU computes the terms of a sum over a few classes one by one, but those of a product in vectors. Measured:
    jaxlib 0.10.2, gradient of softmax_cross_entropy_with_integer_labels with smoothing 65536x10, the twin takes 1.8
    times as long.
    """
    if not few_classes(x, axes):
        return jnp.sum(x, axes)
    ones = jnp.ones(x.shape[-1], x.dtype)
    return by_platform(x, cpu=lambda x: jnp.dot(x, ones, precision="highest"), default=lambda x: jnp.sum(x, -1))


def _sum(x: jax.Array, axes: Axes) -> jax.Array:
    return jnp.sum(x, axes, keepdims=True)


def _each_sum(arrays: Sequence[jax.Array], axes: Axes) -> tuple[jax.Array, ...]:
    return tuple(_sum(x, axes) for x in arrays)


@form(_each_sum)
def joint_sums(arrays: Sequence[jax.Array], axes: Axes) -> tuple[jax.Array, ...]:
    """The sums of arrays of one shape, the axes kept with length 1, in one reduction of as many operands.

    XLA adds the terms of such a reduction one after the other. For its rounding errors to stay small, an axis of `MANY`
    terms or more is reduced in blocks of at most `BLOCK` terms. Measured: jaxlib 0.10.2, gradient of
    softmax_cross_entropy 65536x10, the twin takes 2.4 times the CPU time; of softmax_cross_entropy 8192x1000 it stores
    33 MB and the form 0.6 MB.
    """
    return _one_reduction(tuple(arrays), axes)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _one_reduction(arrays: tuple[jax.Array, ...], axes: Axes) -> tuple[jax.Array, ...]:
    like = arrays[0]
    axes = tuple(i % like.ndim for i in as_tuple(axes))
    if not axes or is_split(like, axes) or not known(like.shape[max(axes)]):
        # JAX reduces explicitly sharded axes by the reductions that it names alone; a symbolic length has no blocks.
        return _each_sum(arrays, axes)
    last = max(axes)
    zeros = tuple(jnp.zeros((), x.dtype) for x in arrays)
    of_blocks = lax.reduce(tuple(_with_split_axis(x, last) for x in arrays), zeros, _add, (last + 1,))
    return tuple(_sum(t, axes) if t.shape[last] > 1 or len(axes) > 1 else t for t in of_blocks)


@form(_each_sum)
def sums_of_regions(arrays: Sequence[jax.Array], axes: Axes) -> tuple[jax.Array, ...]:
    """The sums of arrays of one shape, the axes kept with length 1; on CPUs by `joint_sums`.

    XLA for TPUs computes the sums in one kernel by itself, and would store the operands of one reduction. Measured:
    jaxlib 0.10.2, gradient of tversky_loss 32x16384x10, the twin takes 3.1 times the CPU time and stores 68 MB, the
    form 6 MB.
    """
    return by_platform(
        *arrays, cpu=lambda *arrays: joint_sums(arrays, axes), default=lambda *arrays: _each_sum(arrays, axes)
    )


def _with_split_axis(x: jax.Array, axis: int) -> jax.Array:
    """`x` with an axis split in two, into blocks: one of fewer than `MANY` terms, or several of at most `BLOCK`.

    Zeros fill the last block.
    """
    n = x.shape[axis]
    blocks = 1 if n < MANY else -(-n // BLOCK)
    size = -(-n // blocks)
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, blocks * size - n if i == axis else 0, 0) for i in range(x.ndim)])
    return x.reshape(*x.shape[:axis], blocks, size, *x.shape[axis + 1 :])


def _add(one, other):  # a function, because a lambda would be compiled at every call outside of jit
    return tuple(a + b for a, b in zip(one, other, strict=True))


@_one_reduction.defjvp
def _one_reduction_jvp(axes, primals, tangents):
    (arrays,), (along,) = primals, tangents
    return _one_reduction(arrays, axes), _each_sum(along, axes)


def selected_sums(e: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """`total_and_rest`, by a select."""
    total, rest = _each_sum((e, jnp.where(e == 1, jnp.zeros_like(e), e)), axes)
    return total, rest


@form(selected_sums)
def total_and_rest(e: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    r"""$\sum_j e_j$ and $\sum_{e_j < 1} e_j$ of stored exponentials $e \le 1$; the axes are kept with length 1.

    The second is a sum of minima, without a select: XLA on CPU would store the result of a select before it is summed.
    Measured: jaxlib 0.10.2, gradient of softmax_cross_entropy, the twin takes 1.4 times the CPU time at 65536x10, and
    stores 33 MB more at 8192x1000.
    """
    others = jnp.minimum(e, _zero_at_one(e))
    total, rest = (_each_sum if many_classes(e, axes) else joint_sums)((e, others), axes)
    return total, rest


def _zero_at_one(e: jax.Array, zero: jax.Array | float = 0.0) -> jax.Array:
    r"""$c (1 - e)$ with $c = 4 / \epsilon$, without a derivative: 0 where e = 1, and above e where e is less than 1."""
    steep = zero + 4 / float(jnp.finfo(e.dtype).eps)
    return steep - lax.stop_gradient(e) * steep


def _sums_of_shared(x: jax.Array, base: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    return selected_sums(jnp.exp(clip_positive_infinity(x) - base), axes)


@form(_sums_of_shared)
def total_and_rest_of_logits(x: jax.Array, base: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """`total_and_rest` of exp(x - base) without an array of exponentials.

    The exponentials of the two sums are different expressions: XLA on CPU would store exponentials that both share,
    and an array of each constant that the sums of two arrays of logits share, so the bounds are numbers of the row.
    Measured: jaxlib 0.10.2, value of softmax_cross_entropy 8192x1000, the twin takes 1.9 times the CPU time and stores
    66 MB, the form 0.7 MB; with constants, js_divergence_from_logits 8192x1000 took 1.2 times the CPU time.
    """
    zero = lax.stop_gradient(base - base)
    total = _sum(jnp.exp(jnp.minimum(x, zero + largest(x)) - base), axes)
    e = jnp.exp(jnp.minimum(x, zero + 0.99 * largest(x)) + -base)
    return total, _sum(jnp.minimum(e, _zero_at_one(e, zero)), axes)


# ------------------------------------------------------------------------------------------------ functions of the sums


def _with_axes(arrays: Sequence[jax.Array], f: Callable[..., Any], axes: Axes) -> Any:
    del axes
    return f(*arrays)


@form(_with_axes)
def of_rows(arrays: Sequence[jax.Array], f: Callable[..., Any], axes: Axes) -> Any:
    """`f(*arrays)` of an elementwise f, computed without the axes, which have length 1.

    XLA on CPU computes arrays `[rows]` in vectors, but not arrays `[rows, 1]`. Measured: jaxlib 0.10.2, the twin takes
    1.2 times the CPU time of the form for the value of softmax_cross_entropy 65536x10, and as much for the gradient of
    softmax_focal_loss 65536x10.
    """
    results = f(*(jnp.squeeze(a, axes) for a in arrays))
    return jax.tree.map(lambda y: jnp.expand_dims(y, axes), results)


# --------------------------------------------------------------------------------------------------------- differences


def _below(x: jax.Array, top: jax.Array, power: int) -> jax.Array:
    del power
    return (clip_positive_infinity(x) - clip_infinite(top)) * infinite_gap_factor(top)


def infinite_gap_factor(top: jax.Array) -> jax.Array:
    """The factor that makes gaps to an infinite maximum infinite again, after it was clipped; 1 in other rows."""
    return jnp.where(jnp.isinf(top), filled(top, 1e30), jnp.ones_like(top))


@form(_below)
def below_top(x: jax.Array, top: jax.Array, power: int) -> jax.Array:
    """`x - top`, and 0 where both are inf, from operands that are scaled by 2**-power.

    XLA on CPU would share the twin with the exponentials of a row, and store it. Calls with different powers, from 1
    up, are different expressions of the same value, which it computes again instead. Infinities are clipped to numbers
    that no scaled finite number reaches, so that the gap to an infinite top becomes infinite. Measured: jaxlib 0.10.2,
    gradient of log_softmax 8192x1000, the twin stores 33 MB and the form 0.2 MB.
    """
    scale = 0.5**power
    most = (1 - scale / 8) * largest(x)
    return (jnp.minimum(x * scale, most) - jnp.clip(top * scale, -most, most)) / scale
