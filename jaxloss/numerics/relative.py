r"""Errors relative to the size of what is predicted: a share of the target, and the logarithm of a ratio."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import atanh_tail, log_ratio
from jaxloss.numerics.guarded import absolute, clip_positive_infinity, divide


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


def squared_log_gap(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$(\log(1 + x) - \log(1 + t))^2$ for numbers from -1; 0, and no slope, where both are -1 or either is below."""
    inside = (x >= -1) & (t >= -1) & ((x > -1) | (t > -1))
    x, t = (jnp.where(inside, v, jnp.zeros_like(v)) for v in (x, t))
    return _squared_log_gap(x, t)


@jax.custom_jvp
def _squared_log_gap(x: jax.Array, t: jax.Array) -> jax.Array:
    return jnp.square(_log_gap(x, t))


@rule(_squared_log_gap)
def _squared_log_gap_jvp(primals, tangents):
    x, t = primals
    return _squared_log_gap(x, t), tangent(
        x, (lambda: _log_gap_slope(x, t), tangents[0]), (lambda: _log_gap_slope(t, x), tangents[1])
    )


def _log_gap_slope(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$2 (\log(1 + x) - \log(1 + t)) / (1 + x)$, and 0 at infinity."""
    # Selected, not clipped as in `_log_gap`: XLA on CPU would store a quotient that the value shares.
    infinite = x == jnp.inf
    finite = jnp.where(infinite, jnp.zeros_like(x), x)
    return jnp.where(infinite, jnp.zeros_like(x), 2 * _log_gap(finite, t) / (1 + finite))


@jax.custom_jvp
def _log_gap(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\log(1 + x) - \log(1 + t) = 2 \operatorname{atanh}(s)$ with $s = (x - t) / (2 + x + t)$, not both -1."""
    high_x, high_t = clip_positive_infinity(x), clip_positive_infinity(t)
    # Half of the sum is taken by the difference: the sum overflows, and so does that of halves, which XLA factors.
    half = 0.5 * (high_x - high_t)
    s = as_minimum(half / ((1 + high_x) - half), 2)
    close = jnp.abs(s) <= 1 / 2
    near = jnp.where(close, s, jnp.zeros_like(s))
    w, one = near * near, jnp.ones_like(x)
    far = log_ratio(jnp.where(close, one, 1 + x), jnp.where(close, one, 1 + t))
    return jnp.where(close, 2 * (near + near * w * atanh_tail(w, 1 / 4)), far)


@rule(_log_gap)
def _log_gap_jvp(primals, tangents):
    x, t = primals
    gap = _log_gap(x, t)
    return gap, tangent(gap, (lambda: 1 / (1 + x), tangents[0]), (lambda: -1 / (1 + t), tangents[1]))


def log_quotient(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log(a / b)$ for $a \ge 0$ and $b > 0$, relatively exact where they are close. For values, not for slopes."""
    # 2 atanh(s) with s = (a - b) / (a + b), where the difference is exact. Half of the sum is taken by it, as above.
    half = 0.5 * (jnp.where(a == jnp.inf, b, a) - b)
    s = as_minimum(half / (b + half), 2)
    close = (jnp.abs(s) <= 1 / 2) & (a < jnp.inf)
    near, one = jnp.where(close, s, jnp.zeros_like(s)), jnp.ones_like(a)
    w = near * near
    far = log_ratio(jnp.where(close, one, a), jnp.where(close, one, b))
    return jnp.where(close, 2 * (near + near * w * atanh_tail(w, 1 / 4)), far)
