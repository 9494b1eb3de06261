r"""The exponential law of lifetimes t, from the logarithm x of its scale, and from the scale itself."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import either_zero


@jax.custom_jvp
def exponential_survival(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$-\log S = t e^{-x}$, in steps of which none overflows or underflows before the product does."""
    half = jnp.exp(-0.5 * x)
    return either_zero(either_zero(t, half), half)


@rule(exponential_survival)
def _exponential_survival_jvp(primals, tangents):
    x, t = primals
    value = exponential_survival(x, t)
    return value, tangent(value, (lambda: -value, tangents[0]), (lambda: jnp.exp(-x), tangents[1]))


@jax.custom_jvp
def exponential_event(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$t e^{-x} + x$, minus the log of the density of t; infinite at both infinities."""
    infinite = x == -jnp.inf
    return jnp.where(infinite, -x, exponential_survival(x, t) + jnp.where(infinite, jnp.zeros_like(x), x))


@rule(exponential_event)
def _exponential_event_jvp(primals, tangents):
    x, t = primals
    value = exponential_event(x, t)
    in_x = lambda: 1 - exponential_survival(x, t)  # noqa: E731
    return value, tangent(value, (in_x, tangents[0]), (lambda: jnp.exp(-x), tangents[1]))


@jax.custom_jvp
def exponential_survival_by_scale(scale: jax.Array, t: jax.Array) -> jax.Array:
    r"""$-\log S = t / \lambda$."""
    return t / scale


@rule(exponential_survival_by_scale)
def _exponential_survival_by_scale_jvp(primals, tangents):
    scale, t = primals
    inverse = 1 / scale
    value = exponential_survival_by_scale(scale, t)
    # Two factors: the square of the scale would overflow or underflow long before the slope does.
    return value, tangent(value, (lambda: -(t * inverse) * inverse, tangents[0]), (lambda: inverse, tangents[1]))


@jax.custom_jvp
def exponential_event_by_scale(scale: jax.Array, t: jax.Array) -> jax.Array:
    r"""$t / \lambda + \log \lambda$, minus the log of the density of t."""
    return t / scale + jnp.log(scale)


@rule(exponential_event_by_scale)
def _exponential_event_by_scale_jvp(primals, tangents):
    scale, t = primals
    inverse = 1 / scale
    value = exponential_event_by_scale(scale, t)
    in_scale = lambda: ((scale - t) * inverse) * inverse  # noqa: E731
    return value, tangent(value, (in_scale, tangents[0]), (lambda: inverse, tangents[1]))
