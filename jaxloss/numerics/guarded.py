"""Products, quotients and selections whose values and slopes stay right at 0 and at infinity."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import keep, sharded_like
from jaxloss.numerics._rule import rule, tangent

_config: Any = jax.config  # whose flags its type does not name


@jax.custom_jvp
def times(weight: jax.Array, value: jax.Array) -> jax.Array:
    r"""$w v$ with $0 \cdot \infty = 0$: an outcome of weight 0 contributes nothing, however improbable."""
    # The value is selected, not the product: in a loop inside a derivative rule, JAX 0.10 may differentiate this line
    # instead of applying the rule below, and the slope at a weight of 0 must be the value there too.
    return weight * jnp.where((weight == 0) & jnp.isinf(value), jnp.zeros_like(value), value)


@rule(times)
def _times_jvp(primals, tangents):
    weight, value = primals
    # The slope in the weight is the value, at weight 0 too: soft labels are learned through it.
    return times(weight, value), tangent(value, (lambda: value, tangents[0]), (lambda: weight, tangents[1]))


def either_zero(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$a b$, and 0 where either factor is 0, however large the other. For values, not for slopes."""
    zero = (a == 0) | (b == 0)
    return jnp.where(zero, jnp.zeros_like(a), a) * jnp.where(zero, jnp.zeros_like(b), b)


def nan_unless(ok: jax.Array, x: jax.Array) -> jax.Array:
    """`x`, but nan with no slope where `ok` is False."""
    # The nan is a quotient 0 / 0, so that none arises where all of `ok` is True: under `jax_debug_nans` an array of nan
    # to select from would be an error on valid input. XLA simplifies this to a select between x and a constant, but not
    # (x + p) - p with an infinite p, which took up to twice the time.
    ok = sharded_like(x, ok)
    one = jnp.where(ok, jnp.ones_like(x), jnp.zeros_like(x))
    return jnp.where(ok, x, one / one)


@jax.custom_jvp
def divide(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """$n / d$ with $0 / 0 = 0$, such as the mean over no elements, and no slope at any denominator of 0."""
    empty = (numerator == 0) & (denominator == 0)
    return numerator / jnp.where(empty, jnp.ones_like(denominator), denominator)


@rule(divide)
def _divide_jvp(primals, tangents):
    numerator, denominator = primals
    inverse = divide((denominator != 0).astype(denominator.dtype), denominator)
    quotient = divide(numerator, denominator)
    in_denominator = lambda: (-(numerator * inverse), inverse)  # noqa: E731
    return quotient, tangent(quotient, (lambda: inverse, tangents[0]), (in_denominator, tangents[1]))


def one_if_zero(x: jax.Array) -> jax.Array:
    """`x` as a divisor, or in a logarithm: 1 where it is 0."""
    return jnp.where(x == 0, jnp.ones_like(x), x)


def largest(x: jax.Array) -> float:
    """The largest finite number of the dtype of `x`."""
    return float(jnp.finfo(x.dtype).max)


def clip_infinite(x: jax.Array) -> jax.Array:
    """`x` with either infinity replaced by the largest finite number of its sign."""
    return jnp.clip(x, -largest(x), largest(x))


def clip_positive_infinity(x: jax.Array) -> jax.Array:
    """`x` with inf replaced by the largest finite number: a logit of inf then differs from its row's base by 0."""
    return jnp.minimum(x, largest(x))


def gated(x: jax.Array, mask: jax.Array, fill: float = 0.0) -> jax.Array:
    """`x` itself, without derivatives of any order where the mask is False. To fill it there would store a copy.

    Under `jax_debug_nans` it is filled nevertheless: a masked nan would be an error.
    """
    return keep(mask, x, fill) if _config.jax_debug_nans else _gated(x, mask)


@jax.custom_jvp
def _gated(x: jax.Array, mask: jax.Array) -> jax.Array:
    return x


@_gated.defjvp
def _gated_jvp(primals, tangents):
    x, mask = primals
    return _gated(x, mask), keep(mask, tangents[0])


@jax.custom_jvp
def absolute(x: jax.Array) -> jax.Array:
    """$|x|$ with slope 0 at 0, where `jnp.abs` has slope 1."""
    return jnp.abs(x)


@rule(absolute)
def _absolute_jvp(primals, tangents):
    (x,) = primals
    return absolute(x), jnp.sign(x) * tangents[0]


def difference_factors(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two factors of a - b, of which the second is 1; or half of it and 2 where the difference of floats overflows.

    A weight below 1 may take it back to a float: it is multiplied by the second factor first. For values, not slopes.
    """
    whole = a - b
    beyond, one = jnp.isinf(whole), jnp.ones_like(whole)
    # Halves everywhere would lose the smallest of numbers.
    return jnp.where(beyond, 0.5 * a - 0.5 * b, whole), jnp.where(beyond, one + one, one)


@jax.custom_jvp
def half_square(x: jax.Array) -> jax.Array:
    """$x^2 / 2$, also where the square alone overflows."""
    return (0.5 * x) * x


@rule(half_square)
def _half_square_jvp(primals, tangents):
    (x,) = primals
    return half_square(x), x * tangents[0]


@jax.custom_jvp
def huber(error: jax.Array, delta: jax.Array) -> jax.Array:
    r"""$e^2 / 2$ where $|e| \le \delta$, else $\delta (|e| - \delta / 2)$."""
    size = jnp.abs(error)
    return jnp.where(size <= delta, 0.5 * (size * size), delta * (size - 0.5 * delta))


@rule(huber)
def _huber_jvp(primals, tangents):
    error, delta = primals
    limit = jnp.broadcast_to(delta, error.shape)
    core = jax.lax.clamp(-limit, error, limit)
    return huber(error, delta), tangent(
        error, (lambda: core, tangents[0]), (lambda: jnp.maximum(jnp.abs(error) - delta, 0), tangents[1])
    )


def absent(weight: jax.Array, value: jax.Array) -> jax.Array:
    r"""The value, but 0 where it is infinite and its weight is 0: an absent outcome contributes nothing.

    The slope of weight times this value in such a weight is 0, so its product with any cotangent is finite.
    """
    return jnp.where((weight == 0) & jnp.isinf(value), jnp.zeros_like(value), value)


def weighed(weight: jax.Array, value: jax.Array) -> jax.Array:
    r"""$w v$ with $0 \cdot \infty = 0$, and slope 0 in both there; `times` has an infinite slope in the weight."""
    return weight * absent(weight, value)


@jax.custom_jvp
def scaled(weight: jax.Array, value: jax.Array) -> jax.Array:
    """`weighed` for a value whose slopes are finite: its slope in the value is the weight, without a selection.

    The selection would need the value where the slope is computed: for each element of a row instead of once.
    """
    return weighed(weight, value)


@rule(scaled)
def _scaled_jvp(primals, tangents):
    weight, value = primals
    slopes = (lambda: absent(weight, value), tangents[0]), (lambda: weight, tangents[1])
    return scaled(weight, value), tangent(value, *slopes)
