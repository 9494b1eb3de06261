r"""The sums over one tile: the logits of some tokens for some classes, which are computed, added up and forgotten.

`columns` are the indices of the tile's classes, `[1, classes]`, with OVERLAP for a class that an earlier tile has;
`labels` are the indices of the tokens' labels, `[tokens]`, with ABSENT for a label that no tile has.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss.fused._layer import OVERLAP, Head, Static
from jaxloss.numerics import rule


def logits(head: Head, x: jax.Array, static: Static) -> jax.Array:
    r"""The logits $z = c \tanh((x W + b) / c)$, minus infinity for a class that is masked."""
    # The operands are widened here, tile by tile, so that cotangents arrive, and are added up, in the wider dtype.
    x, kernel = x.astype(static.add), head.kernel.astype(static.add)
    z = numerics.matrix_product(x, kernel, f"nd,{static.layout}->nv", static.multiply)
    if head.bias is not None:
        z = z + jnp.expand_dims(head.bias.astype(static.add), 0)
    if head.cap is not None:
        z = head.cap * numerics.tanh(z / head.cap)
    if head.mask is None:
        return z
    # The mask is added, after the cap: the transpose of a select would hold a tile of zeros.
    masked = jnp.where(head.mask, jnp.zeros_like(z, shape=head.mask.shape), -jnp.inf)
    return z + jnp.expand_dims(masked, 0)


def live_kernel(head: Head, static: Static) -> Head:
    """The layer with 0 in the kernel of masked classes, whatever was there; their bias is 0 already."""
    if head.mask is None:
        return head
    return head._replace(kernel=numerics.keep(jnp.expand_dims(head.mask, static.width_axis), head.kernel))


def left_out(columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The mask of the logits that are not in the rest: the label's, and those of an earlier tile."""
    return (columns == jnp.expand_dims(labels, 1)) | (columns == OVERLAP)


def top(z: jax.Array) -> jax.Array:
    """The largest logit of each token, made finite so that no difference from it is inf - inf."""
    return numerics.clip_infinite(lax.stop_gradient(jnp.max(z, 1)))


# ----------------------------------------------------------------------------------------------------------- the rest


def rest(z: jax.Array, columns: jax.Array, labels: jax.Array, top: jax.Array) -> jax.Array:
    r"""The sum $\sum_{k \ne t} e^{z_k - m}$ over the classes that are not left out, for a base m."""
    e = jnp.exp(z - jnp.expand_dims(top, 1))
    return numerics.by_platform(e, columns, labels, cpu=_rest_by_bounds, default=_rest_by_selection)


def _rest_by_selection(e: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.sum(jnp.where(left_out(columns, labels), jnp.zeros_like(e), e), 1)


def _rest_by_bounds(e: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    # The minimum of e and 0 where a class is left out, and of e and infinity elsewhere; exact up to 2**24 classes. XLA
    # on CPU would store the result of a select, which takes three times as long.
    once = jnp.where(columns == OVERLAP, jnp.zeros_like(columns, e.dtype), jnp.full_like(columns, jnp.inf, e.dtype))
    bound = jnp.maximum(jnp.minimum((_distance(e, columns, labels) - 0.5) * jnp.inf, once), 0)
    return jnp.sum(jnp.minimum(e, bound), 1)


def _distance(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The distance of the index of a class from the label's: 0 at the label, at least 1 elsewhere."""
    return jnp.abs(columns.astype(z.dtype) - jnp.expand_dims(labels, 1).astype(z.dtype))


def log_of(base: jax.Array, rest: jax.Array) -> jax.Array:
    r"""The logarithm of a sum relative to its base, $m + \log r$; minus infinity for r = 0."""
    empty = rest == 0
    log = jnp.log(jnp.where(empty, jnp.ones_like(rest), rest))
    return jnp.where(empty, jnp.full_like(rest, -jnp.inf), base + log)


@jax.custom_jvp
def log_rest(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The log-sum-exp over all classes but the label, of a tile that has all classes."""
    base = top(z)
    return log_of(base, rest(z, columns, labels, base))


@rule(log_rest)
def _log_rest_jvp(primals, tangents):
    z, columns, labels = primals
    # One array of exponentials serves the sum and the slope, e / sum(e): a single tile holds the logits, then the
    # exponentials, then the slope.
    base = top(z)
    e = jnp.exp(z - jnp.expand_dims(base, 1))
    e = jnp.where(columns == jnp.expand_dims(labels, 1), jnp.zeros_like(e), e)
    total = jnp.sum(e, 1)
    return log_of(base, total), jnp.sum(e * jnp.expand_dims(_inverse(total), 1) * tangents[0], 1)


def _inverse(x: jax.Array) -> jax.Array:
    """1 / x, and 0 at 0."""
    # The slope of a quotient divides by x squared, which underflows for the sum of a confident token, 1e-20. A rule for
    # the quotient would not help: inside a loop within another rule JAX 0.10 may differentiate past it.
    empty = x == 0
    root = 1 / jnp.sqrt(jnp.where(empty, jnp.ones_like(x), x))
    return jnp.where(empty, jnp.zeros_like(x), root * root)


# ------------------------------------------------------------------------------- the label's logit, the smoothed label


@jax.custom_jvp
def own(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The label's logit, 0 if its class is not in the tile."""
    last = z.shape[1] - 1
    highest = columns[0, last] if numerics.known(last) else jnp.max(columns)  # the last class never overlaps
    at = jnp.clip(labels - highest + last, 0, last)
    found = numerics.by_platform(z, columns, labels, at, cpu=_own_by_index, default=_own_by_bounds)
    return jnp.where(columns[0, at] == labels, found, jnp.zeros_like(found))


def _own_by_index(z: jax.Array, columns: jax.Array, labels: jax.Array, at: jax.Array) -> jax.Array:
    del columns, labels
    return jnp.squeeze(jnp.take_along_axis(z, jnp.expand_dims(at, 1), 1), 1)


def _own_by_bounds(z: jax.Array, columns: jax.Array, labels: jax.Array, at: jax.Array) -> jax.Array:
    # The maximum of z at the label and of minus infinity elsewhere. Accelerators fuse it with the reductions beside it,
    # where a gather would take one more pass over the logits.
    del at
    return jnp.max(jnp.minimum(z, (0.5 - _distance(z, columns, labels)) * jnp.inf), 1)


@rule(own)
def _own_jvp(primals, tangents):
    _, columns, labels = primals
    # A product with the mask: the transpose of a select would hold a tile of zeros, which a loop around it would keep.
    hit = columns == jnp.expand_dims(labels, 1)
    return own(*primals), jnp.sum(hit.astype(tangents[0].dtype) * tangents[0], 1)


def spread(z: jax.Array, columns: jax.Array, factors: jax.Array | None) -> jax.Array:
    r"""The sum $\sum_k b_k z_k$ of the logits times their factors; 0 without factors."""
    if factors is None:
        return jnp.zeros_like(z, shape=z.shape[:1])
    factors = jnp.expand_dims(factors.astype(z.dtype), 0)
    factors = jnp.where(columns == OVERLAP, jnp.zeros_like(factors), factors)
    return jnp.sum(numerics.times(jnp.broadcast_to(factors, z.shape), z), 1)


__all__ = ["left_out", "live_kernel", "log_of", "log_rest", "logits", "own", "rest", "spread", "top"]
