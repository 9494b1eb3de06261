r"""Logarithms of times in units of a law of lifetimes, $z = k (\log t - x)$, to more digits than a float holds.

A probability that is an exponential of z loses as many units in the last place as z is large, if z is rounded. So z is
a pair, a double-float: the rounded number and its rounding error, the rest, by which a function of z is corrected to
first order. The derivatives of a pair are those of its float; the rest has none.

The spread of two times $a \le t$ is the difference of their z, $k \log(t / a)$. It is computed from the times, since
the difference of two rounded z would cancel.
"""

from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1, log1p, minus_log, minus_log_parts, product_parts, two_sum
from jaxloss.numerics.guarded import clip_infinite
from jaxloss.numerics.log_ratio import log_ratio

Pair: TypeAlias = tuple[jax.Array, jax.Array]


@jax.custom_jvp
def standardized(x: jax.Array, t: jax.Array, k: jax.Array) -> Pair:
    r"""$k (\log t - x)$ for $t \ge 0$; minus infinity, with no slope, at t = 0."""
    return _multiplied(_gap(x, t), t, k)


@rule(standardized)
def _standardized_jvp(primals, tangents):
    x, t, k = primals
    z = standardized(x, t, k)
    slopes = (lambda: -k, tangents[0]), (lambda: _rate(k, t), tangents[1]), (lambda: log_over(x, t), tangents[2])
    return z, (tangent(z[0], *slopes), jnp.zeros_like(z[1]))


@jax.custom_jvp
def standardized_by_scale(scale: jax.Array, t: jax.Array, k: jax.Array) -> Pair:
    r"""$k \log(t / \lambda)$ for a scale $\lambda > 0$ and $t \ge 0$; minus infinity, with no slope, at t = 0."""
    return _multiplied(_gap_of_scale(scale, t), t, k)


@rule(standardized_by_scale)
def _standardized_by_scale_jvp(primals, tangents):
    scale, t, k = primals
    z = standardized_by_scale(scale, t, k)
    in_k = lambda: log_over_scale(scale, t)  # noqa: E731
    slopes = (lambda: -k / scale, tangents[0]), (lambda: _rate(k, t), tangents[1]), (in_k, tangents[2])
    return z, (tangent(z[0], *slopes), jnp.zeros_like(z[1]))


@jax.custom_jvp
def standardized_over(x: jax.Array, t: jax.Array, s: jax.Array) -> Pair:
    r"""$(\log t - x) / s$ for $t \ge 0$; minus infinity, with no slope, at t = 0."""
    high, low = _gap(x, t)
    quotient = -high / s
    # The rest is the remainder of the division, by the product of quotient and divisor, which must be finite.
    finite = jnp.isfinite(quotient)
    part, lost = product_parts(jnp.where(finite, quotient, jnp.zeros_like(s)), s)
    finite = finite & jnp.isfinite(part)
    rest = ((-high - part) - lost) - low
    return _at_ends(quotient, jnp.where(finite, rest, jnp.zeros_like(s)) / s, t)


@rule(standardized_over)
def _standardized_over_jvp(primals, tangents):
    x, t, s = primals
    z = standardized_over(x, t, s)
    in_s = lambda: -_finite(z[0]) / s  # noqa: E731
    slopes = (lambda: -1 / s, tangents[0]), (lambda: _rate(1 / s, t), tangents[1]), (in_s, tangents[2])
    return z, (tangent(z[0], *slopes), jnp.zeros_like(z[1]))


@jax.custom_jvp
def log_over(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\log t - x$ as a slope: 0 where it is infinite."""
    return jnp.where(_inside(t), _finite(-minus_log(x, _inner(t))), jnp.zeros_like(t))


@rule(log_over)
def _log_over_jvp(primals, tangents):
    x, t = primals
    one = jnp.ones_like(t)
    return log_over(x, t), tangent(t, (lambda: -one, tangents[0]), (lambda: _rate(one, t), tangents[1]))


@jax.custom_jvp
def log_over_scale(scale: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\log(t / \lambda)$ as a slope: 0 where it is infinite."""
    high, low = _gap_of_scale(scale, t)
    return jnp.where(_inside(t), _finite(-high - low), jnp.zeros_like(t))


@rule(log_over_scale)
def _log_over_scale_jvp(primals, tangents):
    scale, t = primals
    value = log_over_scale(scale, t)
    return value, tangent(t, (lambda: -1 / scale, tangents[0]), (lambda: _rate(jnp.ones_like(t), t), tangents[1]))


@jax.custom_jvp
def spread(a: jax.Array, t: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k \log(t / a)$ for $0 \le a \le t$; infinite at a = 0, with no slopes there."""
    return k * log_spread(a, t)


@rule(spread)
def _spread_jvp(primals, tangents):
    a, t, k = primals
    value = spread(a, t, k)
    in_k = lambda: _log_spread_if_finite(a, t)  # noqa: E731
    slopes = (lambda: -_rate(k, a), tangents[0]), (lambda: _rate(k, t), tangents[1]), (in_k, tangents[2])
    return value, tangent(value, *slopes)


@jax.custom_jvp
def _log_spread_if_finite(a: jax.Array, t: jax.Array) -> jax.Array:
    return _finite(log_spread(a, t))


@rule(_log_spread_if_finite)
def _log_spread_if_finite_jvp(primals, tangents):
    a, t = primals
    one = jnp.ones_like(t)
    slopes = (lambda: -_rate(one, a), tangents[0]), (lambda: _rate(one, t), tangents[1])
    return _log_spread_if_finite(a, t), tangent(t, *slopes)


def log_spread(a: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\log(t / a)$, free of cancellation. For values, not for slopes."""
    near = (t - a) / _inner(t)
    return jnp.where(near < 1 / 3, -log1p(-jnp.minimum(near, 1 / 3)), log_ratio(t, a))


@jax.custom_jvp
def spread_odds(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$1 / (e^d - 1)$ for the spread $d = z - a$: from both numbers where it is large, whose rests are known."""
    some = jnp.isfinite(start[0]) & jnp.isfinite(z[0])
    a = jnp.where(some, start[0], jnp.zeros_like(spread))
    difference, lost = two_sum(a, jnp.where(some, -z[0], jnp.zeros_like(spread)))
    difference, rest = two_sum(difference, lost + (start[1] - z[1]))
    ratio = jnp.where(some, jnp.exp(difference) * (1 + rest), jnp.exp(-spread))
    share = -expm1(-spread)
    return ratio / jnp.where(share == 0, filled(share, jnp.inf), share)


@rule(spread_odds)
def _spread_odds_jvp(primals, tangents):
    _, _, dspread = tangents
    value = spread_odds(*primals)
    return value, tangent(value, (lambda: -value * (1 + value), dspread))


def negative(z: Pair) -> Pair:
    """The number on the other side of 0."""
    return -z[0], -z[1]


def _inner(t: jax.Array) -> jax.Array:
    """The time, but 1 where it is 0 or infinite."""
    return jnp.where(_inside(t), t, jnp.ones_like(t))


def _inside(t: jax.Array) -> jax.Array:
    return (t > 0) & (t < jnp.inf)


def _finite(z: jax.Array) -> jax.Array:
    return jnp.where(jnp.isfinite(z), z, jnp.zeros_like(z))


@jax.custom_jvp
def _rate(k: jax.Array, t: jax.Array) -> jax.Array:
    """$k / t$, at most the largest number, which 0 is multiplied by; 0 where t is 0."""
    return clip_infinite(k / _divisor(t))


@rule(_rate)
def _rate_jvp(primals, tangents):
    k, t = primals
    inverse = 1 / _divisor(t)
    in_t = lambda: -clip_infinite((k * inverse) * inverse)  # noqa: E731
    return _rate(k, t), tangent(t, (lambda: inverse, tangents[0]), (in_t, tangents[1]))


def _divisor(t: jax.Array) -> jax.Array:
    return jnp.where(t == 0, filled(t, jnp.inf), t)


def _gap(x: jax.Array, t: jax.Array) -> Pair:
    r"""$x - \log t$."""
    high, low = minus_log_parts(x, _inner(t))
    return _normal(high, low)


def _gap_of_scale(scale: jax.Array, t: jax.Array) -> Pair:
    r"""$\log \lambda - \log t$."""
    zero = jnp.zeros_like(t)
    (a, a_low), (b, b_low) = minus_log_parts(zero, _inner(t)), minus_log_parts(zero, scale)
    high, low = two_sum(a, -b)
    return _normal(high, low + (a_low - b_low))


def _normal(high: jax.Array, low: jax.Array) -> Pair:
    """The pair with the rest no larger than the rounding error of the float."""
    finite = jnp.isfinite(high)
    total, rest = two_sum(jnp.where(finite, high, jnp.zeros_like(high)), low)
    return jnp.where(finite, total, high), rest


def _multiplied(gap: Pair, t: jax.Array, k: jax.Array) -> Pair:
    high, low = gap
    finite = jnp.isfinite(high)
    product, lost = product_parts(k, jnp.where(finite, -high, jnp.zeros_like(high)))
    product = jnp.where(finite, product, -high)
    z, rest = _normal(product, jnp.where(jnp.isfinite(product), lost - k * low, jnp.zeros_like(low)))
    return _at_ends(z, rest, t)


def _at_ends(z: jax.Array, low: jax.Array, t: jax.Array) -> Pair:
    inside = _inside(t)
    z = jnp.where(inside, z, jnp.where(t == 0, filled(z, -jnp.inf), filled(z, jnp.inf)))
    return z, jnp.where(inside & jnp.isfinite(z), low, jnp.zeros_like(low))
