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
def _gaussian_nll_jvp(primals, tangents):
    error, variance = primals
    in_error = lambda: divide(error, variance)  # noqa: E731
    in_variance = lambda: _variance_slope(error, variance)  # noqa: E731
    return gaussian_nll(error, variance), tangent(error, (in_error, tangents[0]), (in_variance, tangents[1]))


@jax.custom_jvp
def _variance_slope(error: jax.Array, variance: jax.Array) -> jax.Array:
    r"""$(1 - e^2 / v) / 2 v$, as one quotient: autodiff would form the squares of $1 / v - e^2 / v^2$."""
    return 0.5 * divide(1 - error * divide(error, variance), variance)


@rule(_variance_slope)
def _variance_slope_jvp(primals, tangents):
    error, variance = primals
    quotient, inverse = divide(error, variance), 1 / variance
    return _variance_slope(error, variance), tangent(
        error,
        (lambda: -quotient * inverse, tangents[0]),
        (lambda: ((error * quotient - 0.5) * inverse) * inverse, tangents[1]),
    )
