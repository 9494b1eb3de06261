r"""The sums over one tile: the logits z of some tokens for some classes, which are computed, summed and discarded.

A tile is kept as the products $u = x W + b$. The logits, $z = c \tanh(u / c)$, and minus infinity for a class that is
masked, are computed where they are summed, so that a cap stores one more tile at most: its slope is known from u alone.

`columns` are the indices of the tile's classes, `[1, classes]`, with OVERLAP for a class that an earlier tile has;
`labels` are the indices of the tokens' labels, `[tokens]`, with ABSENT for a label that no tile has.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss.fused._layer import OVERLAP, Head, Static
from jaxloss.numerics import form, pushed, rule


def products(head: Head, x: jax.Array, static: Static) -> jax.Array:
    """The products $u = x W + b$ of a tile."""
    # The operands are cast here, tile by tile, so that their cotangents are summed over the tiles in the wider dtype.
    x, kernel = x.astype(static.add), head.kernel.astype(static.add)
    u = numerics.matrix_product(x, kernel, f"nd,{static.layout}->nv", static.multiply)
    return u if head.bias is None else u + jnp.expand_dims(head.bias.astype(static.add), 0)


def capped(u: jax.Array, cap: jax.Array | None) -> jax.Array:
    r"""$c \tanh(u / c)$; u itself without a cap."""
    return u if cap is None else cap * numerics.tanh(u / cap)


def logits(u: jax.Array, cap: jax.Array | None, mask: jax.Array | None) -> jax.Array:
    """The logits of the products, minus infinity for a class that is masked."""
    return _masked(capped(u, cap), mask)


def _masked(z: jax.Array, mask: jax.Array | None) -> jax.Array:
    return z if mask is None else _masked_logits(z, mask)


def _selected_logits(z: jax.Array, mask: jax.Array) -> jax.Array:
    return jnp.where(jnp.expand_dims(mask, 0), z, jnp.full_like(z, -jnp.inf))


@form(_selected_logits)
def _masked_logits(z: jax.Array, mask: jax.Array) -> jax.Array:
    """The logits, minus infinity for a masked class, by a sum, with a product as its derivative.

    Around a select, a loop would store the mask of a tile; around its transpose, a tile of zeros. Measured: jaxlib
    0.10.2, gradient of linear_softmax_cross_entropy with a class mask, 4096 tokens, 32768 classes, 512 tokens at a
    time, the twin stores 229 MB and the form 145 MB.
    """
    return _added_mask(z, mask)


@jax.custom_jvp
def _added_mask(z: jax.Array, mask: jax.Array) -> jax.Array:
    return z + jnp.expand_dims(jnp.where(mask, jnp.zeros_like(mask, z.dtype), -jnp.inf), 0)


@rule(_added_mask)
def _added_mask_jvp(primals, tangents):
    z, mask = primals
    return _added_mask(z, mask), jnp.expand_dims(mask.astype(z.dtype), 0) * tangents[0]


def live_kernel(head: Head, static: Static) -> Head:
    """The layer with 0 in the kernel at masked classes, whatever it holds there; their bias is 0 already."""
    if head.mask is None:
        return head
    return head._replace(kernel=numerics.keep(jnp.expand_dims(head.mask, static.width_axis), head.kernel))


def left_out(columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The mask of the logits that are not in the rest: those of the label, and of classes that an earlier tile has."""
    return (columns == jnp.expand_dims(labels, 1)) | (columns == OVERLAP)


def top(u: jax.Array, cap: jax.Array | None, mask: jax.Array | None) -> jax.Array:
    """The largest logit of each token, made finite, so that no difference from it is inf - inf."""
    # The cap keeps the order. It makes a token finite whose classes are all masked; the sum over them is 0.
    highest = lax.stop_gradient(jnp.max(_masked(u, mask), 1))
    return numerics.clip_infinite(capped(highest, None if cap is None else lax.stop_gradient(cap)))


# ----------------------------------------------------------------------------------------------------------- the rest


def rest(z: jax.Array, columns: jax.Array, labels: jax.Array, top: jax.Array) -> jax.Array:
    r"""The sum $\sum_{k \ne t} e^{z_k - m}$ over the classes that are not left out, for a base m."""
    return _sum_of_rest(jnp.exp(z - jnp.expand_dims(top, 1)), columns, labels)


def _selected_rest(e: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.sum(jnp.where(left_out(columns, labels), jnp.zeros_like(e), e), 1)


@form(_selected_rest)
def _sum_of_rest(e: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The sum of e >= 0 over the classes that are not left out; on CPUs by bounds, where a select would be stored.

    Measured: jaxlib 0.10.2, value of linear_softmax_cross_entropy in dense mode, 2048 tokens, 8192 classes, the twin
    takes 1.3 times the CPU time and stores 134 MB, the form 67 MB.
    """
    return numerics.by_platform(e, columns, labels, cpu=_bounded_rest, default=_selected_rest)


def _bounded_rest(e: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    # The bound of e is 0 for a class that is left out, else infinity; distances are exact to 2**24 classes.
    once = jnp.where(columns == OVERLAP, jnp.zeros_like(columns, e.dtype), jnp.full_like(columns, jnp.inf, e.dtype))
    distance = jnp.abs(columns.astype(e.dtype) - jnp.expand_dims(labels, 1).astype(e.dtype))
    bound = jnp.maximum(jnp.minimum((distance - 0.5) * jnp.inf, once), 0)
    return jnp.sum(jnp.minimum(e, bound), 1)


def log_of(base: jax.Array, rest: jax.Array) -> jax.Array:
    r"""$m + \log r$, the logarithm of a sum r relative to its base m; minus infinity for r = 0."""
    empty = rest == 0
    log = jnp.log(jnp.where(empty, jnp.ones_like(rest), rest))
    return jnp.where(empty, jnp.full_like(rest, -jnp.inf), base + log)


@jax.custom_jvp
def log_rest(
    u: jax.Array, columns: jax.Array, labels: jax.Array, cap: jax.Array | None, mask: jax.Array | None
) -> jax.Array:
    r"""$\log \sum_{k \ne t} e^{z_k}$, of a tile that has all classes."""
    base = top(u, cap, mask)
    return log_of(base, rest(logits(u, cap, mask), columns, labels, base))


@rule(log_rest)
def _log_rest_jvp(primals, tangents):
    u, columns, labels, cap, mask = primals
    z, along = logits(u, cap, mask), pushed(capped, (u, cap), (tangents[0], tangents[3]))
    # The sum and the slope, e / sum(e), are computed from one array of exponentials. They are relative to the largest
    # logit of the rest, so that the sum is at least 1: relative to the label's, those of a confident token are 1e-20,
    # say, and would underflow in a second derivative, where they are multiplied by a cotangent of that size. A rule for
    # the slopes would not help: in a loop inside a derivative rule, as in fast mode, JAX 0.10 may ignore it.
    base = top(_bounded(u, columns, labels), cap, mask)
    # At the label, which is left out next, no exponential may be infinite. The bound is 1 and not 0, which the largest
    # of the rest is at: a tie would halve its slope.
    e = jnp.exp(jnp.minimum(z - jnp.expand_dims(base, 1), 1))
    e = jnp.where(columns == jnp.expand_dims(labels, 1), jnp.zeros_like(e), e)
    total = jnp.sum(e, 1)
    empty = total == 0
    inverse = jnp.where(empty, jnp.zeros_like(total), 1 / jnp.where(empty, jnp.ones_like(total), total))
    return log_of(base, total), jnp.sum(e * jnp.expand_dims(inverse, 1) * along, 1)


def _bounded(u: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The products, minus infinity at the label; a select would be stored before its maximum is taken, on CPUs."""
    distance = jnp.abs(columns.astype(u.dtype) - jnp.expand_dims(labels, 1).astype(u.dtype))
    return jnp.minimum(u, (distance - 0.5) * jnp.inf)


# ------------------------------------------------------------------------------- the label's logit, the smoothed label


def _selected_label(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.sum(jnp.where(columns == jnp.expand_dims(labels, 1), z, jnp.zeros_like(z)), 1)


@form(_selected_label)
def label_logit(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    """The logit of the label, 0 if its class is not in the tile; on CPUs by a gather.

    On accelerators a gather would be one more pass over the logits. The derivative is a product with a mask: a loop
    would store the zeros of a transposed select. Measured: jaxlib 0.10.2, linear_softmax_cross_entropy, 4096 tokens,
    32768 classes, 4096 classes at a time, the twin takes 1.5 times the CPU time for the value and 1.2 times for the
    gradient, and stores 201 MB, the form 70 MB.
    """
    return _found_label(z, columns, labels)


@jax.custom_jvp
def _found_label(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    return numerics.by_platform(z, columns, labels, cpu=_gathered_label, default=_selected_label)


def _gathered_label(z: jax.Array, columns: jax.Array, labels: jax.Array) -> jax.Array:
    last = z.shape[1] - 1
    highest = columns[0, last] if numerics.known(last) else jnp.max(columns)  # the last class never overlaps
    at = jnp.clip(labels - highest + last, 0, last)
    # Where only the gradient is asked for, XLA would gather no sooner than the slope needs it, and keep the tile until
    # then; jaxlib before 0.12 does so nevertheless.
    found = lax.optimization_barrier(jnp.squeeze(jnp.take_along_axis(z, jnp.expand_dims(at, 1), 1), 1))
    return jnp.where(columns[0, at] == labels, found, jnp.zeros_like(found))


@rule(_found_label)
def _found_label_jvp(primals, tangents):
    _, columns, labels = primals
    is_label = columns == jnp.expand_dims(labels, 1)
    return _found_label(*primals), jnp.sum(is_label.astype(tangents[0].dtype) * tangents[0], 1)


def weighted_sum(u: jax.Array, columns: jax.Array, factors: jax.Array | None, cap: jax.Array | None) -> jax.Array:
    r"""$\sum_k b_k z_k$, the sum of the logits times their factors; 0 without factors."""
    if factors is None:
        return jnp.zeros_like(u, shape=u.shape[:1])
    factors = jnp.expand_dims(factors.astype(u.dtype), 0)
    factors = jnp.where(columns == OVERLAP, jnp.zeros_like(factors), factors)
    return jnp.sum(numerics.times(jnp.broadcast_to(factors, u.shape), capped(u, cap)), 1)


__all__ = [
    "capped",
    "label_logit",
    "left_out",
    "live_kernel",
    "log_of",
    "log_rest",
    "logits",
    "products",
    "rest",
    "top",
    "weighted_sum",
]
