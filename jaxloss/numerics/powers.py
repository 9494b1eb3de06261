"""Powers of numbers of either sign and of numbers of at least 0, with finite slopes at 0."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent


@jax.custom_jvp
def positive_power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$x^r$ for x of at least 0; at 0 the slope in x is that of the one side where it is finite, else 0."""
    return _power(x, r)


@rule(positive_power)
def _positive_power_jvp(primals, tangents):
    x, r = primals
    slope = lambda: r * positive_power(x, r - 1)  # noqa: E731
    return positive_power(x, r), tangent(x, (slope, tangents[0]), (lambda: _power_log(x, r), tangents[1]))


def _power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$|x|^r$; 0 to a power below 0 is 0, since it is a slope there."""
    some = x != 0
    of_zero = jnp.where(r == 0, jnp.ones_like(x), jnp.zeros_like(x))
    return jnp.where(some, jnp.power(jnp.where(some, jnp.abs(x), jnp.ones_like(x)), r), of_zero)


def _power_log(x: jax.Array, r: jax.Array) -> jax.Array:
    r"""$|x|^r \log |x|$, 0 at 0."""
    some = x != 0
    return positive_power(x, r) * jnp.log(jnp.where(some, jnp.abs(x), jnp.ones_like(x)))


__all__ = ["positive_power"]
