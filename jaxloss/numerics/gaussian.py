r"""The Gaussian negative log-likelihood, free of the squares that overflow long before their quotient does."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import divide


@jax.custom_jvp
def gaussian_nll(error: jax.Array, variance: jax.Array) -> jax.Array:
    r"""$(\log v + e^2 / v) / 2$ for $v > 0$."""
    return 0.5 * (jnp.log(variance) + error * (error / variance))


@rule(gaussian_nll)
def _(primals, tangents):
    error, variance = primals
    in_error = lambda: divide(error, variance)  # noqa: E731
    # One quotient, not 1 / v - e^2 / v^2: autodiff would form the squares.
    in_variance = lambda: 0.5 * divide(1 - error * divide(error, variance), variance)  # noqa: E731
    return gaussian_nll(error, variance), tangent(error, (in_error, tangents[0]), (in_variance, tangents[1]))
