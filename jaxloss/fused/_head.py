r"""The last layer as a map from hidden states to what a loss needs of their logits, a row of numbers per token.

Of all logits $z_k$ of a token only three numbers enter a cross-entropy: $\log \sum_{k \ne t} e^{z_k}$ over the classes
but its label t, the label's own logit $z_t$, and $\sum_k w_k z_k$ if labels are smoothed. The label is kept out of the
sum because a confident token's loss, $\log(1 + e^{r - z_t})$, is lost in a difference from the sum over all classes.

Here these are taken from the logits of one tile at a time, either of all classes (`from_all`) or of one chunk of the
classes after the other (`from_chunks`); derivatives compute the tile again, so that none outlives its turn.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss.numerics import pushed, rule

ABSENT, OVERLAP = -1, -2
"""The label of a token that has none among these classes, and the index of a class that another chunk has."""


class Head(NamedTuple):
    """The last layer's arrays."""

    kernel: jax.Array  # [D, V] or [V, D]
    bias: jax.Array | None  # [V]
    spread: jax.Array | None  # the factors w, [V]
    cap: jax.Array | None


class How(NamedTuple):
    """What of the last layer is no array."""

    layout: str
    multiply: Any  # the dtype of the factors of the matrix products
    add: Any  # that of their sums and of all that follows

    @property
    def classes(self) -> int:
        """The axis of the classes in the kernel."""
        return self.layout.index("v")


class Sums(NamedTuple):
    """What a loss needs of each token's logits, [N]."""

    rest: jax.Array  # the log-sum-exp over the classes but the label
    own: jax.Array  # the label's logit, 0 where the label is absent
    spread: jax.Array  # the logits times the factors, added up; 0 if there are none


def from_all(head: Head, x: jax.Array, labels: jax.Array, how: How) -> Sums:
    """From all logits at once."""
    z = _logits(head, x, how)
    columns = lax.broadcasted_iota(jnp.int32, z.shape, 1)
    top = lax.stop_gradient(jnp.max(_others(z, columns, labels), 1))
    return _logs(_finite(top), *_sums(z, columns, labels, head.spread, _finite(top)))


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def from_chunks(head: Head, x: jax.Array, labels: jax.Array, how: How, size: int) -> Sums:
    """From `size` classes at a time, in one loop; the last chunk overlaps the one before it instead of being padded."""

    def add(carry: tuple[jax.Array, ...], i: jax.Array) -> tuple[tuple[jax.Array, ...], None]:
        top, total, own, spread = carry
        part, columns = _chunk(head, i, how, size)
        z = _logits(part, x, how)
        higher = jnp.maximum(top, jnp.max(_others(z, columns, labels), 1))
        more = _sums(z, columns, labels, part.spread, _finite(higher))
        total = total * jnp.exp(_finite(top) - _finite(higher))
        return (higher, total + more[0], own + more[1], spread + more[2]), None

    zero = _zeros(x, how)
    start = (zero - jnp.inf, zero, zero, zero)
    (top, *sums), _ = lax.scan(add, start, jnp.arange(_count(head, how, size)))
    return _logs(_finite(top), *sums)


@rule(from_chunks)
def _(how, size, primals, tangents):
    sums = from_chunks(*primals, how, size)
    base = _finite(sums.rest)

    @partial(jax.checkpoint, prevent_cse=False)
    def of_chunk(head: Head, x: jax.Array, labels: jax.Array, i: jax.Array) -> tuple[jax.Array, ...]:
        part, columns = _chunk(head, i, how, size)
        return _sums(_logits(part, x, how), columns, labels, part.spread, base)

    def added(head: Head, x: jax.Array, labels: jax.Array) -> Sums:
        # The exponentials of what exceeds the log-sum-exp add up to 1, and their sum has its slope.
        def add(carry: Any, i: jax.Array) -> Any:
            return jax.tree.map(jnp.add, carry, of_chunk(head, x, labels, i)), None

        zero = _zeros(x, how)
        return Sums(*lax.scan(add, (zero, zero, zero), jnp.arange(_count(head, how, size)))[0])

    return sums, pushed(added, primals, tangents)


def _logits(head: Head, x: jax.Array, how: How) -> jax.Array:
    # Widened here, tile by tile: cotangents then arrive, and are added up, in the wider dtype.
    z = numerics.product(x.astype(how.add), head.kernel.astype(how.add), f"nd,{how.layout}->nv", how.multiply)
    if head.bias is not None:
        z = z + jnp.expand_dims(head.bias.astype(how.add), 0)
    return z if head.cap is None else head.cap * numerics.tanh(z / head.cap)


def _others(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The logits without the label's, and without those of another chunk."""
    out = (columns == jnp.expand_dims(labels, 1)) | (columns == OVERLAP)
    return jnp.where(out, jnp.full_like(z, -jnp.inf), z)


def _sums(
    z: jax.Array, columns: jax.Array, labels: jax.Array, spread: jax.Array | None, base: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    total = jnp.sum(jnp.exp(_others(z, columns, labels) - jnp.expand_dims(base, 1)), 1)
    own = jnp.sum(jnp.where(columns == jnp.expand_dims(labels, 1), z, jnp.zeros_like(z)), 1)
    if spread is None:
        return total, own, jnp.zeros_like(own)
    factors = jnp.where(columns == OVERLAP, jnp.zeros_like(z), jnp.expand_dims(spread.astype(z.dtype), 0))
    return total, own, jnp.sum(numerics.times(factors, z), 1)


def _logs(base: jax.Array, total: jax.Array, own: jax.Array, spread: jax.Array) -> Sums:
    empty = total == 0
    log = jnp.log(jnp.where(empty, jnp.ones_like(total), total))
    return Sums(jnp.where(empty, jnp.full_like(total, -jnp.inf), base + log), own, spread)


def _finite(x: jax.Array) -> jax.Array:
    largest = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -largest, largest)


def _zeros(x: jax.Array, how: How) -> jax.Array:
    return jnp.zeros_like(x, how.add, shape=x.shape[:1])


def _count(head: Head, how: How, size: int) -> int:
    return -(-head.kernel.shape[how.classes] // size)


def _chunk(head: Head, i: jax.Array, how: How, size: int) -> tuple[Head, jax.Array]:
    """The layer of the classes of one chunk, and their indices."""
    start = jnp.minimum(i * size, head.kernel.shape[how.classes] - size)
    columns = start + lax.broadcasted_iota(jnp.int32, (1, size), 1)
    cut = lambda a: None if a is None else lax.dynamic_slice_in_dim(a, start, size, 0)  # noqa: E731
    kernel = lax.dynamic_slice_in_dim(head.kernel, start, size, how.classes)
    part = Head(kernel, cut(head.bias), cut(head.spread), head.cap)
    return part, jnp.where(columns < i * size, jnp.full_like(columns, OVERLAP), columns)
