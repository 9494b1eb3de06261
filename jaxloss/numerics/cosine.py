r"""The cosine of the angle between two vectors, and its complement to 1, exact where the vectors are nearly parallel.

The vectors are first divided by powers of two, which is exact, so that no square overflows or underflows. Where the
vectors nearly agree, 1 - cos and the slopes would cancel. They are computed from the part of b that is perpendicular
to a, $b - \frac{a \cdot b}{a \cdot a} a$, in which products are exact: with $n_a = |a|$ and $n_b = |b|$,

$$1 - \cos = \frac{\sin^2}{1 + \cos}, \quad \sin = \frac{|b_\perp|}{n_b}, \quad
    \frac{\partial \cos}{\partial a} = \frac{b_\perp}{n_a n_b}.$$
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import compiled, rule, tangent
from jaxloss.numerics._shapes import Axes
from jaxloss.numerics.elementary import leading, leading_half, two_sum


def cosine_similarity(a: jax.Array, b: jax.Array, epsilon: jax.Array, axes: Axes) -> jax.Array:
    r"""$\frac{a \cdot b}{\max(|a|, \epsilon) \max(|b|, \epsilon)}$; 0, with slope 0, where that is 0 / 0.

    The axes keep length 1. `epsilon` is a scalar or has one value per row, and at least 0.
    """
    return _cosine_or_complement(*_rescaled(a, epsilon, axes), *_rescaled(b, epsilon, axes), axes, False)


def cosine_distance(a: jax.Array, b: jax.Array, epsilon: jax.Array, axes: Axes) -> jax.Array:
    """1 - `cosine_similarity`, without cancellation; never negative."""
    return _cosine_or_complement(*_rescaled(a, epsilon, axes), *_rescaled(b, epsilon, axes), axes, True)


def _rescaled(x: jax.Array, epsilon: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """A vector and epsilon, both divided by the leading bit of the vector's largest element, a power of two."""
    largest = lax.stop_gradient(jnp.max(jnp.abs(x), axes, keepdims=True, initial=0.0))
    limits = jnp.finfo(x.dtype)
    # Bounded, because XLA may multiply by the reciprocal, which must be a normal number too.
    scale = jnp.minimum(leading(largest, 1), 1 / float(limits.tiny))
    scale = jnp.where(largest >= float(limits.tiny), scale, jnp.ones_like(largest))
    return x / scale, jnp.broadcast_to(epsilon, scale.shape) / scale


def directions(x: jax.Array) -> jax.Array:
    """Each vector along the last axis over its length; 0, with slope 0, of a zero vector."""
    axes = (x.ndim - 1,)
    scaled, _ = _rescaled(x, jnp.zeros((), x.dtype), axes)
    square = jnp.sum(scaled * scaled, axes, keepdims=True)
    some = square > 0
    return jnp.where(some, scaled / jnp.sqrt(jnp.where(some, square, jnp.ones_like(square))), jnp.zeros_like(scaled))


class _Length(NamedTuple):
    """The length of each vector, and its divisor in the cosine."""

    square: jax.Array  # of the length; 1 for a zero vector
    length: jax.Array
    divisor: jax.Array  # the larger of the length and epsilon; 1 where both are 0
    free: jax.Array  # where the divisor is the length


def _length_and_divisor(x: jax.Array, epsilon: jax.Array, axes: Axes) -> _Length:
    square = jnp.sum(x * x, axes, keepdims=True)
    some = square > 0
    ones, zeros = jnp.ones_like(square), jnp.zeros_like(square)
    square = jnp.where(some, square, ones)
    length = jnp.where(some, jnp.sqrt(square), zeros)
    free = some & (length >= epsilon)
    divisor = jnp.where(free, length, jnp.where(epsilon > 0, epsilon, ones))
    return _Length(square, length, divisor, free)


@partial(jax.custom_jvp, nondiff_argnums=(4, 5))
@compiled(4, 5)
def _cosine_or_complement(
    a: jax.Array, epsilon_a: jax.Array, b: jax.Array, epsilon_b: jax.Array, axes: Axes, complement: bool
) -> jax.Array:
    of_a, of_b = _length_and_divisor(a, epsilon_a, axes), _length_and_divisor(b, epsilon_b, axes)
    dot = jnp.sum(a * b, axes, keepdims=True)
    if not complement:
        return jnp.clip(dot / (of_a.divisor * of_b.divisor), -1, 1)
    some = (of_a.length > 0) & (of_b.length > 0)
    cosine = jnp.where(some, dot / (jnp.sqrt(of_a.square) * jnp.sqrt(of_b.square)), jnp.zeros_like(dot))
    apart = perpendicular(b, a, some, axes)
    near = jnp.sum(apart * apart, axes, keepdims=True) / of_b.square / (1 + jnp.maximum(cosine, 0))
    distance = jnp.where(cosine > 0, near, 1 - cosine)
    # With r_a = |a| / max(|a|, epsilon) and r = r_a r_b, 1 - r cos = r (1 - cos) + (1 - r).
    r_a, r_b = of_a.length / of_a.divisor, of_b.length / of_b.divisor
    below = (of_a.divisor - of_a.length) / of_a.divisor + r_a * ((of_b.divisor - of_b.length) / of_b.divisor)
    return jnp.where(some, r_a * r_b * distance + below, jnp.ones_like(distance))


@rule(_cosine_or_complement)
def _cosine_or_complement_jvp(axes, complement, primals, tangents):
    a, epsilon_a, b, epsilon_b = primals
    of_a, of_b = _length_and_divisor(a, epsilon_a, axes), _length_and_divisor(b, epsilon_b, axes)
    inverse = (-1 if complement else 1) / (of_a.divisor * of_b.divisor)
    # A zero vector divided by an epsilon of 0 has no slope.
    some = ((of_a.length > 0) | (epsilon_a > 0)) & ((of_b.length > 0) | (epsilon_b > 0))
    inverse = jnp.where(some, inverse, jnp.zeros_like(inverse))
    along = tangent(
        a,
        (lambda: inverse * perpendicular(b, a, of_a.free, axes), tangents[0]),
        (lambda: inverse * perpendicular(a, b, of_b.free, axes), tangents[2]),
    )
    signed = inverse * jnp.sum(a * b, axes, keepdims=True)
    per_row = tangent(
        signed,
        (lambda: -_over_epsilon(signed, of_a), tangents[1]),
        (lambda: -_over_epsilon(signed, of_b), tangents[3]),
    )
    value = _cosine_or_complement(a, epsilon_a, b, epsilon_b, axes, complement)
    return value, jnp.sum(along, axes, keepdims=True) + per_row


def _over_epsilon(x: jax.Array, of: _Length) -> jax.Array:
    """x / epsilon where a vector is divided by epsilon, else 0."""
    return jnp.where(of.free, jnp.zeros_like(x), x / of.divisor)


# --------------------------------------------------------------------------------------------- the perpendicular part


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def perpendicular(b: jax.Array, a: jax.Array, on: jax.Array, axes: Axes) -> jax.Array:
    r"""$b - \frac{a \cdot b}{a \cdot a} a$, the part of b that is orthogonal to a; b itself where `on` is False."""
    factor, _ = _factor(b, a, on, axes)
    apart = _minus_product(b, factor, a)
    # The rounding error of the factor leaves a multiple of a in it, which is as large as the perpendicular part where
    # the vectors nearly agree; a second projection takes it out.
    return apart - _factor(apart, a, on, axes)[0] * a


def _factor(b: jax.Array, a: jax.Array, on: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    r"""$s = \frac{a \cdot b}{a \cdot a}$, 0 where `on` is False, and its denominator."""
    square = jnp.sum(a * a, axes, keepdims=True)
    square = jnp.where(on, square, jnp.ones_like(square))
    # Where a = b both sums are equal, and the quotient is exactly 1.
    return jnp.where(on, jnp.sum(a * b, axes, keepdims=True) / square, jnp.zeros_like(square)), square


@rule(perpendicular)
def _perpendicular_jvp(axes, primals, tangents):
    b, a, on = primals
    factor, square = _factor(b, a, on, axes)
    apart = perpendicular(b, a, on, axes)
    # With r the result and P the projection to the vectors perpendicular to a, dr = P(db - s da) - (da . r / a . a) a.
    moved = tangent(
        b, (lambda: jnp.ones_like(b), tangents[0]), (lambda: jnp.broadcast_to(-factor, a.shape), tangents[1])
    )
    turned = tangent(b, (lambda: apart, tangents[1]))
    # P is written without exact products here: JAX must be able to transpose the derivative.
    along = jnp.sum(a * moved, axes, keepdims=True) + jnp.sum(turned, axes, keepdims=True)
    return apart, moved - jnp.where(on, along / square, jnp.zeros_like(along)) * a


def _minus_product(b: jax.Array, s: jax.Array, a: jax.Array) -> jax.Array:
    """`b - s * a` as if the product were not rounded: it is four exact products of factors with half the digits."""
    s_high, a_high = leading_half(s), leading_half(a)
    s_low, a_low = s - s_high, a - a_high
    difference, rest = two_sum(b, -(s_high * a_high))
    for part in (s_high * a_low, s_low * a_high, s_low * a_low):
        difference, lost = two_sum(difference, -part)
        rest = rest + lost
    return difference + rest
