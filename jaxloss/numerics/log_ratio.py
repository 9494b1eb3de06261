r"""The logarithm of a ratio, with all its digits where the two numbers are close, and where their quotient overflows.

The numbers are scaled by powers of two, by integer arithmetic on their bits, to $a / b = 2^n u / v$ with u / v near 1,
and

$$\log \frac a b = n \log 2 + 2 \operatorname{atanh} \frac{u - v}{u + v},$$

where u - v is exact.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import as_integers, atanh_tail, two_sum
from jaxloss.numerics.guarded import clip_positive_infinity, one_if_zero


@jax.custom_jvp
def log_ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log(a / b)$ for positive a and b, and its limits where one of them is 0 or infinite."""
    (normal_a, raised_a), (normal_b, raised_b) = _made_normal(a), _made_normal(b)
    n, u, v = _split_ratio(normal_a, normal_b)
    difference = u - v
    log = _log(n - raised_a + raised_b, difference, v + 0.5 * difference, jnp.zeros_like(a))
    return _ended(normal_a, normal_b, log)


@rule(log_ratio)
def _log_ratio_jvp(primals, tangents):
    a, b = primals
    value = log_ratio(a, b)
    return value, tangent(value, (lambda: 1 / a, tangents[0]), (lambda: -1 / b, tangents[1]))


@jax.custom_jvp
def log1p_gap(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\log(1 + x) - \log(1 + t)$ for numbers from -1, 0 where both are -1 or both infinite."""
    same, zero = x == t, jnp.zeros_like(x)
    high_x, high_t = clip_positive_infinity(x), clip_positive_infinity(t)
    one = jnp.ones_like(x)
    (a, lost_of_a), (b, lost_of_b) = two_sum(one, high_x), two_sum(one, high_t)
    n, u, v = _split_ratio(a, b)
    # Where they are close, the difference of x and t is exact, but not that of the rounded sums; elsewhere the
    # logarithms of the rounded sums are off by what the sums have lost.
    close = n == 0
    difference = jnp.where(close, high_x - high_t, u - v)
    middle = jnp.where(close, a, u) - 0.5 * difference
    lost = jnp.where(close, zero, lost_of_a / one_if_zero(a) - lost_of_b / one_if_zero(b))
    gap = _log(n, difference, one_if_zero(middle), lost)
    return jnp.where(same, zero, _ended(1 + jnp.where(same, zero, x), 1 + jnp.where(same, zero, t), gap))


@rule(log1p_gap)
def _log1p_gap_jvp(primals, tangents):
    x, t = primals
    gap = log1p_gap(x, t)
    flat, one, zero = (x == -1) & (t == -1), jnp.ones_like(x), jnp.zeros_like(x)
    slope = lambda a: jnp.where(flat, zero, one) / jnp.where(flat, one, 1 + a)  # noqa: E731
    return gap, tangent(gap, (lambda: slope(x), tangents[0]), (lambda: -slope(t), tangents[1]))


def _made_normal(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`x` as a normal number, and the power of two that a subnormal number was raised by, where the device has any."""
    limits = jnp.finfo(x.dtype)
    small = x < float(limits.tiny)
    power = limits.nmant + 1
    return jnp.where(small, x * 2.0**power, x), jnp.where(small, float(power), jnp.zeros_like(x))


def _split_ratio(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """n, u and v with a / b = 2^n u / v, for normal numbers: v from 1 to 2, and u / v from 2/3 to 3/2."""
    limits = jnp.finfo(a.dtype)
    digits, one = limits.nmant, (1 - limits.minexp) << limits.nmant
    bits_a, bits_b = as_integers(a), as_integers(b)
    # Bits of a float, as an integer, are its logarithm to base 2, linear between powers of two: off by 0.086 at most.
    n = (bits_a - bits_b + (1 << digits - 1)) >> digits
    exponent = (bits_b >> digits << digits) - one
    u, v = bits_a - (n << digits) - exponent, bits_b - exponent
    return n.astype(a.dtype), lax.bitcast_convert_type(u, a.dtype), lax.bitcast_convert_type(v, a.dtype)


def _log(n: jax.Array, difference: jax.Array, middle: jax.Array, rest: jax.Array) -> jax.Array:
    r"""$n \log 2 + 2 \operatorname{atanh}(d / 2)$, with d a difference over the middle, and a small rest."""
    d = as_minimum(difference / middle, 2)
    w = 0.25 * (d * d)
    return n * math.log(2) + (d + (d * (w * atanh_tail(w, 0.0403)) + rest))


def _ended(a: jax.Array, b: jax.Array, log: jax.Array) -> jax.Array:
    """The logarithm of a ratio of normal numbers; infinite where one of them is 0 or infinite, and nan of nan."""
    ordinary = (jnp.minimum(a, b) > 0) & (jnp.maximum(a, b) < jnp.inf)
    difference = a - b
    return jnp.where(ordinary, log, jnp.where(ordinary, jnp.ones_like(difference), difference) * jnp.inf)
