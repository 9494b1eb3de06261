"""A sum over tokens taken chunk by chunk, whose gradients are computed in the same pass: no logit outlives its chunk.

The gradient of a sum is known as soon as its terms are, up to the one factor that it is multiplied with later. So the
derivative rule computes it beside the value, while a chunk's logits are at hand: three matrix products instead of the
four of computing the logits again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics import replaced, rule


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def sum_of_chunks(weighted: Callable[[Any, Any], jax.Array], shared: Any, rows: Any) -> jax.Array:
    """The sum of `weighted(shared, chunk)` over the chunks of the rows.

    Args:
        weighted: A function of arrays alone, with a sum for value; it may get the shared ones in a wider dtype.
        shared: A pytree of arrays that all chunks share.
        rows: A pytree of arrays `[chunks, ...]`.
    """
    # Added up at the end: of many chunks, one after the other, the sum would lose digits.
    return jnp.sum(lax.scan(lambda _, chunk: (None, weighted(shared, chunk)), None, rows)[1])


@rule(sum_of_chunks)
def _sum_of_chunks_jvp(weighted, primals, tangents):
    leaves, tree = jax.tree.flatten(primals)
    slopes = tree.flatten_up_to(tangents)
    shared = len(jax.tree.leaves(primals[0]))
    active = [i for i, t in enumerate(slopes) if not isinstance(t, SymbolicZero)]
    of_all, of_rows = [i for i in active if i < shared], [i for i in active if i >= shared]
    wide = _zero(weighted, *primals).dtype  # in which losses are computed

    @partial(jax.checkpoint, prevent_cse=False)  # for second derivatives: the rule itself is not differentiated else
    def of_chunk(leaves: list[Any], chunk: list[Any]) -> Any:
        def value(some: list[Any], others: list[Any]) -> jax.Array:
            return weighted(*tree.unflatten(replaced(leaves + chunk, [*of_all, *of_rows], some + others)))

        # In the wider dtype, so that the gradients come out in it, to be added up.
        some = [leaves[i].astype(wide) for i in of_all]
        return jax.value_and_grad(value, (0, 1))(some, [chunk[i - shared] for i in of_rows])

    def add(carry: Any, chunk: list[Any]) -> Any:
        value, (some, others) = of_chunk(leaves[:shared], chunk)
        return jax.tree.map(jnp.add, carry, some), (value, others)

    start = [jnp.zeros_like(leaves[i], wide) for i in of_all]
    some, (values, others) = lax.scan(add, start, leaves[shared:])
    total = jnp.sum(values)
    products = [
        jnp.sum(gradient.astype(wide) * slopes[i].astype(wide))
        for i, gradient in zip([*of_all, *of_rows], [*some, *others], strict=True)
    ]
    return total, sum(products[1:], products[0]) if products else jnp.zeros_like(total)


def _zero(weighted: Callable[[Any, Any], jax.Array], shared: Any, rows: Any) -> jax.Array:
    first = jax.tree.leaves(rows)[0]
    kind = jax.eval_shape(weighted, shared, jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), rows))
    return jnp.zeros_like(first, kind.dtype, shape=())


def split(rows: Any, shape: tuple[int, ...], size: int) -> Any:
    """Arrays `[*shape, ...]` as `[chunks, tokens, ...]`, of at most `size` tokens each, in strides.

    Chunk i of k holds the tokens i, i + k, i + 2k ...: if the tokens are sharded, each device has its share of every
    chunk. A number of chunks that divides the last axis, or the tokens, is preferred; else zeros are added.
    """
    tokens = 1
    for n in shape:
        tokens *= n
    least = max(1, -(-tokens // size))
    fitting = (k for n in (*shape[-1:], tokens) for k in range(least, 2 * least) if n and n % k == 0)
    chunks = next(fitting, least)
    length = -(-tokens // chunks)

    def cut(a: jax.Array) -> jax.Array:
        a = a.reshape(tokens, *a.shape[len(shape) :])
        if length * chunks != tokens:
            a = jnp.pad(a, [(0, length * chunks - tokens)] + [(0, 0)] * (a.ndim - 1))
        return a.reshape(length, chunks, *a.shape[1:]).swapaxes(0, 1)

    return jax.tree.map(cut, rows)
