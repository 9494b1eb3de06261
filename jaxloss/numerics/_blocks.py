"""Functions of elements that hold many intermediate results, computed block by block.

XLA on CPU stores each logarithm, exponential and quotient that is used twice, for all elements at once. A function of
many of them would hold many arrays of the size of its input; of a block at a time it holds as many small ones.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._forms import by_platform, form
from jaxloss.numerics._mesh import explicit_sharding, on_mesh, varying_alike
from jaxloss.numerics._rule import rule
from jaxloss.numerics._shapes import known

BLOCK, LARGE = 2**13, 2**16
Elementwise = Callable[..., tuple[jax.Array, ...]]


def in_blocks(f: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A function of arrays of one shape, element by element, with its derivatives, that holds few large arrays."""
    several = _differentiable(lambda *arrays: (f(*arrays),))
    return lambda *arrays: several(*arrays)[0] if _large(*arrays) else f(*arrays)


def _large(*arrays: jax.Array) -> bool:
    """Whether blocks pay; an array over several devices is left to XLA, which would gather it."""
    x = arrays[0]
    if not known(*x.shape) or x.size < LARGE:
        return False
    return not on_mesh(*arrays) and all(explicit_sharding(a) is None for a in arrays)


def _differentiable(f: Elementwise) -> Elementwise:
    """The function by blocks; values and slopes are computed in one loop, and the slopes may be differentiated too."""

    @jax.custom_jvp
    @partial(jax.jit, inline=True)
    def run(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return each_block(arrays, f)

    @rule(run)
    def _run_jvp(primals, tangents):
        active = [i for i, t in enumerate(tangents) if not isinstance(t, SymbolicZero)]
        results = _differentiable(_with_slopes(f, active))(*primals)
        count = len(results) // (1 + len(active))
        values, slopes = results[:count], results[count:]
        moved = [jnp.zeros_like(v) for v in values]
        for place, i in enumerate(active):
            own = slopes[place * count : (place + 1) * count]
            moved = [m + slope * tangents[i] for m, slope in zip(moved, own, strict=True)]
        return values, tuple(moved)

    return run


def _with_slopes(f: Elementwise, active: list[int]) -> Elementwise:
    """The values of an elementwise function, then their slopes in each active argument."""

    def both(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        results: list[Any] = []
        for i in active:
            of_one = lambda x, i=i: f(*arrays[:i], x, *arrays[i + 1 :])  # noqa: E731
            values, slopes = jax.jvp(of_one, (arrays[i],), (jnp.ones_like(arrays[i]),))
            results = [*(results or values), *slopes]
        return tuple(results) if active else f(*arrays)

    return both


def _at_once(arrays: Sequence[jax.Array], f: Elementwise) -> tuple[jax.Array, ...]:
    return f(*arrays)


@form(_at_once)
def each_block(arrays: Sequence[jax.Array], f: Elementwise) -> tuple[jax.Array, ...]:
    """`f(*arrays)` of an elementwise f; on CPUs in a loop over blocks.

    Measured: jaxlib 0.10.2, value and gradient of log_normal_nll with entries and upper bounds 1M, the twin stores 282
    MB, the form 5 MB.
    """
    return by_platform(*arrays, cpu=partial(_loop, f), default=f)


def _loop(f: Elementwise, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    flat = varying_alike(*(a.reshape(-1) for a in arrays))
    size = flat[0].size
    block = min(BLOCK, size)
    # The last block ends with the last element, and may repeat some of the one before it.
    place = lambda i: jnp.minimum(i * block, size - block)  # noqa: E731

    def step(i: jax.Array, results: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        parts = f(*(lax.dynamic_slice(a, (place(i),), (block,)) for a in flat))
        found = zip(results, parts, strict=True)
        return tuple(lax.dynamic_update_slice(result, part, (place(i),)) for result, part in found)

    shapes = jax.eval_shape(f, *(jax.ShapeDtypeStruct((block,), a.dtype) for a in flat))
    empty = tuple(jnp.zeros_like(flat[0], dtype=s.dtype) for s in shapes)
    results = lax.fori_loop(0, -(-size // block), step, empty)
    return tuple(result.reshape(arrays[0].shape) for result in results)
