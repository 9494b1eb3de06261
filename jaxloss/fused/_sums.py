"""The sums of each token over all classes: in one tile or chunk by chunk, and over all shards of the vocabulary.

Derivatives compute the logits of a chunk again, so that only those of one chunk are stored at a time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._types import Array
from jaxloss.fused import _tile as tile
from jaxloss.fused._inputs import Inputs
from jaxloss.fused._layer import OVERLAP, Head, Static, Sums
from jaxloss.numerics import pushed, rule


def sums_of(given: Inputs, factors: Array | None, chunk: int) -> Sums:
    """The sums of each token, over all shards of the vocabulary, in the shape of the labels."""

    def run(x: Array, labels: Array, head: Head) -> Sums:
        flat = x.reshape(labels.size, x.shape[-1]), labels.reshape(-1)
        if chunk:
            sums = from_chunks(head, *flat, given.static, chunk)
        else:
            sums = from_all(tile.live_kernel(head, given.static), *flat, given.static)
        return Sums(*(s.reshape(labels.shape) for s in _over_shards(sums, given)))

    leaves, tree = jax.tree.flatten((given.x, given.labels, given.head._replace(factors=factors)))
    sums = numerics.automatic(run, given.labels, *tree.unflatten(numerics.varying_alike(*leaves)))
    return sums_that_count(sums, given.kept)


def _over_shards(sums: Sums, given: Inputs) -> Sums:
    if given.shards.axis_name is None:
        return sums
    top = numerics.max_of_shards(numerics.clip_infinite(sums.log_rest), given.shards.axis_name)
    rest, *others = map(given.shards.sum, (jnp.exp(sums.log_rest - top), sums.label_logit, sums.weighted_sum))
    return Sums(tile.log_of(top, rest), *others)


def sums_that_count(sums: Sums, kept: jax.Array | None) -> Sums:
    """The sums, 0 where a token is masked: a weight of 0 times an infinite loss would be nan."""
    return sums if kept is None else Sums(*(numerics.keep(kept, s) for s in sums))


def from_all(head: Head, x: jax.Array, labels: jax.Array, static: Static) -> Sums:
    """The sums from all logits at once."""
    u = tile.products(head, x, static)
    columns = lax.broadcasted_iota(jnp.int32, (1, u.shape[1]), 1)
    return Sums(tile.log_rest(u, columns, labels, head.cap, head.mask), *_linear(u, columns, labels, head))


def _linear(u: jax.Array, columns: jax.Array, labels: jax.Array, head: Head) -> tuple[jax.Array, jax.Array]:
    """The two sums that are linear in the logits, of classes that are not masked."""
    label = tile.capped(tile.label_logit(u, columns, labels), head.cap)
    return label, tile.weighted_sum(u, columns, head.factors, head.cap)


# ------------------------------------------------------------------------------------------------- chunks of classes


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def from_chunks(head: Head, x: jax.Array, labels: jax.Array, static: Static, size: int) -> Sums:
    r"""The sums from `size` classes at a time, in one loop; the last chunk overlaps the one before it, unpadded.

    With m the largest logit so far and r the sum of $e^{z_k - m}$, a chunk whose largest logit is $m'$ changes them to
    $M = \max(m, m')$ and $r e^{m - M} + \sum_k e^{z_k - M}$, the sum over the chunk.
    """

    def add(carry: tuple[jax.Array, ...], i: jax.Array) -> tuple[tuple[jax.Array, ...], None]:
        top, rest, *others = carry
        part, columns = _chunk(head, i, static, size)
        u = tile.products(part, x, static)
        higher = jnp.maximum(top, tile.top(u, part.cap, part.mask))
        rest_of_tile = tile.rest(tile.logits(u, part.cap, part.mask), columns, labels, higher)
        rest = rest * jnp.exp(top - higher) + rest_of_tile
        return (higher, rest, *map(jnp.add, others, _linear(u, columns, labels, part))), None

    zero = _zeros(x, static)
    start = (numerics.clip_infinite(zero - jnp.inf), zero, zero, zero)
    (top, rest, *others), _ = lax.scan(add, start, jnp.arange(_count(head, static, size), dtype=jnp.int32))
    return Sums(tile.log_of(top, rest), *others)


@rule(from_chunks)
def _from_chunks_jvp(static, size, primals, tangents):
    sums = from_chunks(*primals, static, size)
    # The base r of the exponentials. Where the sum is 0, or too small for a float, r is so large that the slope is 0.
    largest = float(jnp.finfo(static.add).max)
    is_empty = sums.log_rest == -jnp.inf
    base = jnp.where(is_empty, jnp.full_like(sums.log_rest, largest), numerics.clip_infinite(sums.log_rest))

    @partial(jax.checkpoint, prevent_cse=False)
    def of_chunk(head: Head, x: jax.Array, labels: jax.Array, i: jax.Array) -> tuple[jax.Array, ...]:
        part, columns = _chunk(head, i, static, size)
        u = tile.products(part, x, static)
        z = tile.logits(u, part.cap, part.mask)
        # Replaced before the exponential, which could be infinite for a label far above the rest.
        others = jnp.where(tile.left_out(columns, labels), jnp.full_like(z, -jnp.inf), z)
        rest = jnp.sum(jnp.exp(others - jnp.expand_dims(base, 1)), 1)
        return rest, *_linear(u, columns, labels, part)

    def added(head: Head, x: jax.Array, labels: jax.Array) -> Sums:
        # With r = log sum_k exp(z_k) held constant, sum_k exp(z_k - r) is 1 and has the slope of r itself.
        def add(carry: Any, i: jax.Array) -> Any:
            return jax.tree.map(jnp.add, carry, of_chunk(head, x, labels, i)), None

        x = x.astype(static.add)  # before the loop, which then sums the cotangents of x in this dtype
        zero = _zeros(x, static)
        return Sums(*lax.scan(add, (zero, zero, zero), jnp.arange(_count(head, static, size), dtype=jnp.int32))[0])

    return sums, pushed(added, primals, tangents)


def _chunk(head: Head, i: jax.Array, static: Static, size: int) -> tuple[Head, jax.Array]:
    """The layer of the classes of one chunk, and their indices."""
    start = jnp.minimum(i * size, head.kernel.shape[static.class_axis] - size)
    columns = start + lax.broadcasted_iota(jnp.int32, (1, size), 1)
    cut = lambda a: None if a is None else lax.dynamic_slice_in_dim(a, start, size, 0)  # noqa: E731
    kernel = lax.dynamic_slice_in_dim(head.kernel, start, size, static.class_axis)
    part = tile.live_kernel(Head(kernel, cut(head.bias), cut(head.factors), head.cap, cut(head.mask)), static)
    return part, jnp.where(columns < i * size, jnp.full_like(columns, OVERLAP), columns)


def _count(head: Head, static: Static, size: int) -> int:
    """The number of chunks."""
    return -(-head.kernel.shape[static.class_axis] // size)


def _zeros(x: jax.Array, static: Static) -> jax.Array:
    return jnp.zeros_like(x, static.add, shape=x.shape[:1])


__all__ = ["from_all", "sums_of", "sums_that_count"]
