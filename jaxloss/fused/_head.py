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
    mask: jax.Array | None  # which classes there are, [V]


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
    columns = lax.broadcasted_iota(jnp.int32, (1, z.shape[1]), 1)
    return Sums(_log_rest(z, columns, labels), _own(z, columns, labels), _spread(z, columns, head.spread))


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def from_chunks(head: Head, x: jax.Array, labels: jax.Array, how: How, size: int) -> Sums:
    """From `size` classes at a time, in one loop; the last chunk overlaps the one before it instead of being padded."""

    def add(carry: tuple[jax.Array, ...], i: jax.Array) -> tuple[tuple[jax.Array, ...], None]:
        top, rest, own, spread = carry
        part, columns = _chunk(head, i, how, size)
        z = _logits(part, x, how)
        higher = jnp.maximum(top, _top(z))
        rest = rest * jnp.exp(top - higher) + _rest(z, columns, labels, higher)
        own, spread = own + _own(z, columns, labels), spread + _spread(z, columns, part.spread)
        return (higher, rest, own, spread), None

    zero = _zeros(x, how)
    start = (numerics.clip_infinite(zero - jnp.inf), zero, zero, zero)
    return logs(*lax.scan(add, start, jnp.arange(_count(head, how, size), dtype=jnp.int32))[0])


@rule(from_chunks)
def _from_chunks_jvp(how, size, primals, tangents):
    sums = from_chunks(*primals, how, size)
    # Where the rest is nothing, or too little to be a number, its slope is 0.
    largest = float(jnp.finfo(how.add).max)
    base = jnp.where(sums.rest == -jnp.inf, jnp.full_like(sums.rest, largest), numerics.clip_infinite(sums.rest))

    @partial(jax.checkpoint, prevent_cse=False)
    def of_chunk(head: Head, narrow: jax.Array, x: jax.Array, labels: jax.Array, i: jax.Array) -> tuple[jax.Array, ...]:
        part, columns = _chunk(head, i, how, size)
        z = _logits(part, _widened(narrow, x), how)
        # Left out before the exponential, which for the label, above all the rest, could be infinite.
        others = jnp.where(_out(columns, labels), jnp.full_like(z, -jnp.inf), z)
        rest = jnp.sum(jnp.exp(others - jnp.expand_dims(base, 1)), 1)
        return rest, _own(z, columns, labels), _spread(z, columns, part.spread)

    def added(head: Head, x: jax.Array, labels: jax.Array) -> Sums:
        # Relative to their own log-sum-exp the exponentials add up to 1, and that sum has its slope.
        def add(carry: Any, i: jax.Array) -> Any:
            return jax.tree.map(jnp.add, carry, of_chunk(head, narrow, x, labels, i)), None

        narrow = lax.stop_gradient(x)
        x = x.astype(how.add)  # before the loop, which adds up its cotangents
        zero = _zeros(x, how)
        return Sums(*lax.scan(add, (zero, zero, zero), jnp.arange(_count(head, how, size), dtype=jnp.int32))[0])

    return sums, pushed(added, primals, tangents)


def _logits(head: Head, x: jax.Array, how: How) -> jax.Array:
    # Widened here, tile by tile: cotangents then arrive, and are added up, in the wider dtype.
    z = numerics.matrix_product(x.astype(how.add), head.kernel.astype(how.add), f"nd,{how.layout}->nv", how.multiply)
    if head.bias is not None:
        z = z + jnp.expand_dims(head.bias.astype(how.add), 0)
    if head.cap is not None:
        z = head.cap * numerics.tanh(z / head.cap)
    if head.mask is None:
        return z
    # A sum, after the cap: the transpose of a select would have a tile of zeros.
    out = jnp.where(head.mask, jnp.zeros_like(z, shape=head.mask.shape), -jnp.inf)
    return z + jnp.expand_dims(out, 0)


def live_kernel(head: Head, how: How) -> Head:
    """The layer with 0 in the kernel of classes that are masked, whatever was there; the bias has it already."""
    if head.mask is None:
        return head
    return head._replace(kernel=numerics.keep(jnp.expand_dims(head.mask, 1 - how.classes), head.kernel))


@jax.custom_jvp
def _widened(narrow: jax.Array, wide: jax.Array) -> jax.Array:
    """What `narrow` was widened to, `wide`, with its derivatives, but computed again: a loop keeps none of it."""
    return narrow.astype(wide.dtype)


@rule(_widened)
def _widened_jvp(primals, tangents):
    return _widened(*primals), tangents[1]


def _out(columns: jax.Array, labels: jax.Array) -> jax.Array:
    """Whose logits are not in the sum: the label's, and those that another chunk has."""
    return (columns == jnp.expand_dims(labels, 1)) | (columns == OVERLAP)


def _top(z: jax.Array) -> jax.Array:
    """The maximum, finite, so that differences from it never are inf - inf."""
    return numerics.clip_infinite(lax.stop_gradient(jnp.max(z, 1)))


def _rest(z: jax.Array, columns: jax.Array, labels: jax.Array, top: jax.Array) -> jax.Array:
    """The sum of the exponentials relative to `top` over the classes that are in it."""
    e = jnp.exp(z - jnp.expand_dims(top, 1))
    return lax.platform_dependent(e, columns, labels, cpu=_rest_by_bounds, default=_rest_by_selection)


def _rest_by_selection(e: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.sum(jnp.where(_out(columns, labels), jnp.zeros_like(e), e), 1)


def _rest_by_bounds(e: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    # By 0 at what is left out and by infinity elsewhere; exact to 2**24 classes. XLA on CPU would write out what is
    # selected, which takes three times as long.
    once = jnp.where(columns == OVERLAP, jnp.zeros_like(columns, e.dtype), jnp.full_like(columns, jnp.inf, e.dtype))
    bound = jnp.maximum(jnp.minimum((_away(e, columns, labels) - 0.5) * jnp.inf, once), 0)
    return jnp.sum(jnp.minimum(e, bound), 1)


def _away(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """How far a class is from the label: 0 there, at least 1 elsewhere."""
    return jnp.abs(columns.astype(z.dtype) - jnp.expand_dims(labels, 1).astype(z.dtype))


@jax.custom_jvp
def _log_rest(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The log-sum-exp over all classes but the label."""
    top = _top(z)
    return _log(top, _rest(z, columns, labels, top))


@rule(_log_rest)
def _log_rest_jvp(primals, tangents):
    z, columns, labels = primals
    # The exponentials serve both the sum and the slope: one tile holds the logits, them, and the slope in turn.
    top = _top(z)
    e = jnp.exp(z - jnp.expand_dims(top, 1))
    e = jnp.where(columns == jnp.expand_dims(labels, 1), jnp.zeros_like(e), e)
    rest = jnp.sum(e, 1)
    return _log(top, rest), jnp.sum(e * jnp.expand_dims(_inverse(rest), 1) * tangents[0], 1)


def _inverse(x: jax.Array) -> jax.Array:
    """1 / x; 0 at 0."""
    # Of a confident token's sum, 1e-20, the square is nothing, and the slope of a quotient divides by it. A rule
    # of its own does not help: JAX 0.10 may pass over one in a loop within a rule.
    empty = x == 0
    root = 1 / jnp.sqrt(jnp.where(empty, jnp.ones_like(x), x))
    return jnp.where(empty, jnp.zeros_like(x), root * root)


@jax.custom_jvp
def _own(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The label's logit, 0 if its class is none of these."""
    last = z.shape[1] - 1
    highest = columns[0, last] if numerics.known(last) else jnp.max(columns)  # the last is never another chunk's
    at = jnp.clip(labels - highest + last, 0, last)
    own = lax.platform_dependent(z, columns, labels, at, cpu=_own_by_index, default=_own_by_bounds)
    return jnp.where(columns[0, at] == labels, own, jnp.zeros_like(own))


def _own_by_index(z: jax.Array, columns: jax.Array, labels: jax.Array, at: jax.Array) -> jax.Array:
    del columns, labels
    return jnp.squeeze(jnp.take_along_axis(z, jnp.expand_dims(at, 1), 1), 1)


def _own_by_bounds(z: jax.Array, columns: jax.Array, labels: jax.Array, at: jax.Array) -> jax.Array:
    # Elsewhere than at the label by minus infinity: on accelerators a maximum that fuses with those beside it, where a
    # gather would be one more pass over the logits.
    del at
    return jnp.max(jnp.minimum(z, (0.5 - _away(z, columns, labels)) * jnp.inf), 1)


@rule(_own)
def _own_jvp(primals, tangents):
    _, columns, labels = primals
    # A product: the transpose of a select has a tile of zeros, which the loops around would keep for themselves.
    hit = columns == jnp.expand_dims(labels, 1)
    return _own(*primals), jnp.sum(hit.astype(tangents[0].dtype) * tangents[0], 1)


def _spread(z: jax.Array, columns: jax.Array, spread: jax.Array | None) -> jax.Array:
    if spread is None:
        return jnp.zeros_like(z, shape=z.shape[:1])
    factors = jnp.expand_dims(spread.astype(z.dtype), 0)
    factors = jnp.where(columns == OVERLAP, jnp.zeros_like(factors), factors)
    return jnp.sum(numerics.times(jnp.broadcast_to(factors, z.shape), z), 1)


def logs(base: jax.Array, rest: jax.Array, own: jax.Array, spread: jax.Array) -> Sums:
    """The sums, from those of exponentials relative to a base."""
    return Sums(_log(base, rest), own, spread)


def _log(base: jax.Array, rest: jax.Array) -> jax.Array:
    empty = rest == 0
    log = jnp.log(jnp.where(empty, jnp.ones_like(rest), rest))
    return jnp.where(empty, jnp.full_like(rest, -jnp.inf), base + log)


def sums_that_count(sums: Sums, kept: jax.Array | None) -> Sums:
    """0 where a token is masked: a weight of 0 times an infinite loss would be nan."""
    return sums if kept is None else Sums(*(numerics.keep(kept, s) for s in sums))


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
    part = live_kernel(Head(kernel, cut(head.bias), cut(head.spread), head.cap, cut(head.mask)), how)
    return part, jnp.where(columns < i * size, jnp.full_like(columns, OVERLAP), columns)
