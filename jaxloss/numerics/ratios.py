"""One part of a whole, from both parts, so that neither its value nor its slopes cancel near 0 and 1."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent


@jax.custom_jvp
def fraction(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$a / (a + b)$ for a and b of at least 0; 0, with slope 0, where both are 0."""
    return a * _inverse_of_whole(a, b)


@rule(fraction)
def _fraction_jvp(primals, tangents):
    a, b = primals
    inverse = _inverse_of_whole(a, b)
    # da: b / (a + b)^2, and not (1 - a / (a + b)) / (a + b), which cancels where b is small.
    of_a, of_b = lambda: (b * inverse) * inverse, lambda: -(a * inverse) * inverse
    return fraction(a, b), tangent(a, (of_a, tangents[0]), (of_b, tangents[1]))


def _inverse_of_whole(a: jax.Array, b: jax.Array) -> jax.Array:
    """One over the whole, 0 where there is none."""
    whole = a + b
    some = whole > 0
    return jnp.where(some, 1 / jnp.where(some, whole, jnp.ones_like(whole)), jnp.zeros_like(whole))
