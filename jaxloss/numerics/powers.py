"""Powers of the size of a number, with its sign or without, and of numbers of at least 0, with finite slopes at 0."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent


@jax.custom_jvp
def power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$|x|^r$, but 0 at x = 0 for r below 0 too: there it is a factor of slopes, which are chosen to be 0."""
    some = x != 0
    of_zero = jnp.where(r == 0, jnp.ones_like(x), jnp.zeros_like(x))
    return jnp.where(some, jnp.power(jnp.where(some, jnp.abs(x), jnp.ones_like(x)), r), of_zero)


@rule(power)
def _power_jvp(primals, tangents):
    x, r = primals
    slope = lambda: _factor(r) * signed_power(x, r - 1)  # noqa: E731
    return power(x, r), tangent(x, (slope, tangents[0]), (lambda: power_log(x, r), tangents[1]))


@jax.custom_jvp
def signed_power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$|x|^r$ with the sign of x, 0 at 0."""
    return jnp.sign(x) * power(x, r)


@rule(signed_power)
def _signed_power_jvp(primals, tangents):
    x, r = primals
    slope = lambda: _factor(r) * power(x, r - 1)  # noqa: E731
    return signed_power(x, r), tangent(x, (slope, tangents[0]), (lambda: jnp.sign(x) * power_log(x, r), tangents[1]))


@jax.custom_jvp
def positive_power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$x^r$ for x of at least 0; at 0 the slope in x is that of the one side where it is finite, else 0."""
    return power(x, r)


@rule(positive_power)
def _positive_power_jvp(primals, tangents):
    x, r = primals
    slope = lambda: r * positive_power(x, r - 1)  # noqa: E731
    return positive_power(x, r), tangent(x, (slope, tangents[0]), (lambda: power_log(x, r), tangents[1]))


def _factor(r: jax.Array) -> jax.Array:
    """The exponent as the factor of a slope; 0 for an infinite one, whose powers are constant between their jumps."""
    return jnp.where(jnp.isinf(r), jnp.zeros_like(r), r)


def power_log(x: jax.Array, r: jax.Array) -> jax.Array:
    r"""$|x|^r \log |x|$, 0 at 0."""
    some = x != 0
    return jnp.where(some, power(x, r) * jnp.log(jnp.abs(jnp.where(some, x, jnp.ones_like(x)))), jnp.zeros_like(x))
