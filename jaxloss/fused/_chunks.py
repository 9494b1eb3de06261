r"""A sum over tokens, taken chunk by chunk, whose gradient is computed in the same pass: the logits are never kept.

The gradient of $L = \sum_i w_i \ell_i$ is known as soon as its terms are, up to one factor, the cotangent of L, which
comes later. So the derivative rule computes the gradient with the value, from the logits of each chunk: this takes
three matrix products, where computing the logits again would take four.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics import replaced, rule


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def sum_of_chunks(weighted: Callable[[Any, Any], jax.Array], shared: Any, tokens: Any) -> jax.Array:
    """The sum of `weighted(shared, chunk)` over the chunks of the tokens.

    Args:
        weighted: A function of arrays alone, whose value is a sum; the shared arrays may come in a wider dtype.
        shared: A pytree of arrays that all chunks share.
        tokens: A pytree of arrays `[chunks, ...]`.
    """
    # The values of the chunks are summed at the end: added one after the other, many of them would lose digits.
    return jnp.sum(lax.scan(lambda _, chunk: (None, weighted(shared, chunk)), None, tokens)[1])


@rule(sum_of_chunks)
def _sum_of_chunks_jvp(weighted, primals, tangents):
    leaves, tree = jax.tree.flatten(primals)
    slopes = tree.flatten_up_to(tangents)
    shared = len(jax.tree.leaves(primals[0]))
    active = [i for i, t in enumerate(slopes) if not isinstance(t, SymbolicZero)]
    of_shared, of_tokens = [i for i in active if i < shared], [i for i in active if i >= shared]
    wide = _loss_dtype(weighted, *primals)

    # The checkpoint is for second derivatives, which then compute the chunks again instead of storing them.
    @partial(jax.checkpoint, prevent_cse=False)
    def of_chunk(leaves: list[Any], chunk: list[Any]) -> Any:
        def value(shared_arrays: list[Any], token_arrays: list[Any]) -> jax.Array:
            return weighted(
                *tree.unflatten(replaced(leaves + chunk, [*of_shared, *of_tokens], shared_arrays + token_arrays))
            )

        # The shared arrays are cast, so that their gradients are computed, and summed, in the wider dtype.
        shared_arrays = [leaves[i].astype(wide) for i in of_shared]
        return jax.value_and_grad(value, (0, 1))(shared_arrays, [chunk[i - shared] for i in of_tokens])

    def add(carry: Any, chunk: list[Any]) -> Any:
        value, (in_shared, in_tokens) = of_chunk(leaves[:shared], chunk)
        return jax.tree.map(jnp.add, carry, in_shared), (value, in_tokens)

    start = [jnp.zeros_like(leaves[i], wide) for i in of_shared]
    in_shared, (values, in_tokens) = lax.scan(add, start, leaves[shared:])
    total = jnp.sum(values)
    products = [
        jnp.sum(gradient.astype(wide) * slopes[i].astype(wide))
        for i, gradient in zip([*of_shared, *of_tokens], [*in_shared, *in_tokens], strict=True)
    ]
    return total, sum(products[1:], products[0]) if products else jnp.zeros_like(total)


def _loss_dtype(weighted: Callable[[Any, Any], jax.Array], shared: Any, tokens: Any) -> Any:
    chunk = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), tokens)
    return jax.eval_shape(weighted, shared, chunk).dtype


def split(tokens: Any, shape: tuple[int, ...], size: int) -> Any:
    """Arrays `[*shape, ...]` as `[chunks, tokens, ...]`, with at most `size` tokens in a chunk, taken in strides.

    Chunk i of k holds the tokens i, i + k, i + 2k ...: if the tokens are sharded, each device has its share of every
    chunk. A number of chunks that divides the last axis, or the tokens, is preferred; else zeros are added.
    """
    count = math.prod(shape)
    least = max(1, -(-count // size))
    fitting = (k for n in (*shape[-1:], count) for k in range(least, 2 * least) if n and n % k == 0)
    chunks = next(fitting, least)
    length = -(-count // chunks)

    def cut(a: jax.Array) -> jax.Array:
        a = a.reshape(count, *a.shape[len(shape) :])
        if length * chunks != count:
            a = jnp.pad(a, [(0, length * chunks - count)] + [(0, 0)] * (a.ndim - 1))
        return a.reshape(length, chunks, *a.shape[1:]).swapaxes(0, 1)

    return jax.tree.map(cut, tokens)


__all__ = ["split", "sum_of_chunks"]
