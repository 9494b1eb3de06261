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
def gaussian_nll_of_log(error: jax.Array, log_variance: jax.Array) -> jax.Array:
    r"""$(w + e^2 \exp(-w)) / 2$ for the logarithm w of the variance."""
    ratio = error * jnp.exp(-0.5 * log_variance)
    return 0.5 * (log_variance + ratio * ratio)


@rule(gaussian_nll_of_log)
def _gaussian_nll_of_log_jvp(primals, tangents):
    error, log_variance = primals
    value = gaussian_nll_of_log(error, log_variance)
    in_error = lambda: _relative(error, log_variance)  # noqa: E731
    in_log = lambda: _log_slope(error, log_variance)  # noqa: E731
    return value, tangent(value, (in_error, tangents[0]), (in_log, tangents[1]))


@jax.custom_jvp
def _relative(error: jax.Array, log_variance: jax.Array) -> jax.Array:
    r"""$e \exp(-w)$."""
    return error * jnp.exp(-log_variance)


@rule(_relative)
def _relative_jvp(primals, tangents):
    error, log_variance = primals
    value = _relative(error, log_variance)
    return value, tangent(value, (lambda: jnp.exp(-log_variance), tangents[0]), (lambda: -value, tangents[1]))


@jax.custom_jvp
def _log_slope(error: jax.Array, log_variance: jax.Array) -> jax.Array:
    r"""$(1 - e^2 \exp(-w)) / 2$."""
    ratio = error * jnp.exp(-0.5 * log_variance)
    return 0.5 * (1 - ratio * ratio)


@rule(_log_slope)
def _log_slope_jvp(primals, tangents):
    error, log_variance = primals
    relative = _relative(error, log_variance)
    in_log = lambda: 0.5 * jnp.square(error * jnp.exp(-0.5 * log_variance))  # noqa: E731
    value = _log_slope(error, log_variance)
    return value, tangent(value, (lambda: -relative, tangents[0]), (in_log, tangents[1]))


@jax.custom_jvp
def gaussian_nll_of_scale(error: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$\log s + (e / s)^2 / 2$ for $s > 0$."""
    return jnp.log(scale) + 0.5 * jnp.square(error / scale)


@rule(gaussian_nll_of_scale)
def _gaussian_nll_of_scale_jvp(primals, tangents):
    error, scale = primals
    value = gaussian_nll_of_scale(error, scale)
    in_error = lambda: divide(divide(error, scale), scale)  # noqa: E731
    in_scale = lambda: _scale_slope(error, scale)  # noqa: E731
    return value, tangent(value, (in_error, tangents[0]), (in_scale, tangents[1]))


@jax.custom_jvp
def _scale_slope(error: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$(1 - e^2 / s^2) / s$."""
    return divide(1 - jnp.square(divide(error, scale)), scale)


@rule(_scale_slope)
def _scale_slope_jvp(primals, tangents):
    error, scale = primals
    ratio, inverse = divide(error, scale), 1 / scale
    value = _scale_slope(error, scale)
    return value, tangent(
        value,
        (lambda: ((-2 * ratio) * inverse) * inverse, tangents[0]),
        (lambda: ((3 * (ratio * ratio) - 1) * inverse) * inverse, tangents[1]),
    )


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
