r"""The negative log-likelihood of Laplace's law."""

import math

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import divide


@jax.custom_jvp
def laplace_nll(error: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$\log 2 b + |e| / b$ for $b > 0$; without a slope in the error at 0."""
    return (jnp.log(scale) + math.log(2)) + jnp.abs(error) / scale


@rule(laplace_nll)
def _laplace_nll_jvp(primals, tangents):
    error, scale = primals
    in_error = lambda: divide(jnp.sign(error), scale)  # noqa: E731
    return laplace_nll(error, scale), tangent(
        error, (in_error, tangents[0]), (lambda: _scale_slope(error, scale), tangents[1])
    )


@jax.custom_jvp
def _scale_slope(error: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$(1 - |e| / b) / b$."""
    return (1 - jnp.abs(error) / scale) / scale


@rule(_scale_slope)
def _scale_slope_jvp(primals, tangents):
    error, scale = primals
    inverse = 1 / scale
    return _scale_slope(error, scale), tangent(
        error,
        (lambda: -(jnp.sign(error) * inverse) * inverse, tangents[0]),
        (lambda: ((2 * (jnp.abs(error) * inverse) - 1) * inverse) * inverse, tangents[1]),
    )
