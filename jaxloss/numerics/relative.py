r"""Errors relative to the size of what is predicted: a share of the target, and the logarithm of a ratio."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import by_platform, form
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import stored
from jaxloss.numerics.guarded import absolute, divide
from jaxloss.numerics.log_ratio import log1p_gap


@jax.custom_jvp
def relative_error(x: jax.Array, t: jax.Array, least: jax.Array) -> jax.Array:
    r"""$|x - t| / \max(|t|, \epsilon)$, with 0 / 0 = 0."""
    error, size = x - t, _size(t, least)
    # A difference that overflows is taken apart, which cannot cancel: the signs differ, or one of the two is infinite.
    apart = jnp.abs(divide(x, size) - jnp.sign(t))
    return jnp.where(jnp.isinf(error), apart, jnp.abs(divide(error, size)))


def _size(t: jax.Array, least: jax.Array) -> jax.Array:
    return jnp.maximum(absolute(t), least)


@rule(relative_error)
def _relative_error_jvp(primals, tangents):
    x, t, least = primals
    size, small = _size(t, least), absolute(t) < least
    sign = jnp.sign(x - t)

    def in_t():
        one = jnp.ones_like(x)
        ratio = _per(x, jnp.where(small, one, t))
        # At |t| = epsilon the slopes beside it are those of this ratio and of 1 in its place.
        ratio = jnp.where(absolute(t) == least, jnp.maximum(ratio, 0), ratio)
        # The sign comes first: where it is 0, no curvature is formed of the ratio, which may be infinite.
        return -_per(sign * jnp.where(small, one, ratio), size)

    def in_least():
        return -_per(_per(jnp.where(small, absolute(x - t), jnp.zeros_like(x)), size), size)

    return relative_error(x, t, least), tangent(
        x, (lambda: _per(sign, size), tangents[0]), (in_t, tangents[1]), (in_least, tangents[2])
    )


@jax.custom_jvp
def _per(a: jax.Array, size: jax.Array) -> jax.Array:
    """`a / size` by the reciprocal, 0 for a size of 0: two quotients XLA would merge, and a square overflows."""
    return a * divide((size != 0).astype(size.dtype), size)


@rule(_per)
def _per_jvp(primals, tangents):
    a, size = primals
    value = _per(a, size)
    return value, tangent(
        value, (lambda: _per(jnp.ones_like(a), size), tangents[0]), (lambda: -_per(value, size), tangents[1])
    )


@jax.custom_jvp
def squared_log_gap(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$(\log(1 + x) - \log(1 + t))^2$ for numbers from -1; 0, and no slope, where both are -1."""
    return jnp.square(stored(log1p_gap(x, t)))


@rule(squared_log_gap)
def _squared_log_gap_jvp(primals, tangents):
    x, t = primals
    return squared_log_gap(x, t), tangent(
        x, (lambda: _log_gap_slope(x, t), tangents[0]), (lambda: _log_gap_slope(t, x), tangents[1])
    )


def _log_gap_slope(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$2 (\log(1 + x) - \log(1 + t)) / (1 + x)$, and 0 at infinity and where both are -1."""
    return 2 * gap_if_steep(x, t) / (1 + jnp.where(_is_flat(x, t), jnp.zeros_like(x), x))


def _is_flat(x: jax.Array, t: jax.Array) -> jax.Array:
    return (x == jnp.inf) | _both_least(x, t)


def _both_least(x: jax.Array, t: jax.Array) -> jax.Array:
    return (x == -1) & (t == -1)


def _gap_if_steep(x: jax.Array, t: jax.Array) -> jax.Array:
    flat, zero = _is_flat(x, t), jnp.zeros_like(x)
    return jnp.where(flat, zero, log1p_gap(jnp.where(flat, zero, x), t))


def _stored_gap_if_steep(x: jax.Array, t: jax.Array) -> jax.Array:
    return jnp.where(_is_flat(x, t), jnp.zeros_like(x), stored(log1p_gap(x, t)))


@form(_gap_if_steep)
def gap_if_steep(x: jax.Array, t: jax.Array) -> jax.Array:
    """The difference of the logarithms, 0 where it has no slope; on CPUs the one that the value has stored.

    On TPUs to share it would store it too, and value and slope would move 3 floors in bfloat16. Measured: jaxlib
    0.10.2, value and gradient of squared_log_error 1M, the twin takes 1.3 times as long.
    """
    return by_platform(x, t, cpu=_stored_gap_if_steep, default=_gap_if_steep)
