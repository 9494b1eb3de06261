r"""The Gaussian negative log-likelihood, free of the squares that overflow long before their quotient does.

A weight of a loss is part of its formula, since it is a power of the variance: it may be 0 where the loss overflows,
and their product neither. It is held: no slope in the variance is one of the weight. Without a weight it is 1.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import divide, half_square


@jax.custom_jvp
def gaussian_nll(error: jax.Array, variance: jax.Array, weight: jax.Array) -> jax.Array:
    r"""$p (\log v + e^2 / v) / 2$ for $v > 0$ and a weight p."""
    return 0.5 * (weight * jnp.log(variance)) + (0.5 * error) * (error / (variance / weight))


@rule(gaussian_nll)
def _gaussian_nll_jvp(primals, tangents):
    error, variance, weight = primals
    value = gaussian_nll(error, variance, weight)
    return value, tangent(
        error,
        (lambda: _error_slope(error, variance, weight), tangents[0]),
        (lambda: _variance_slope(error, variance, weight), tangents[1]),
        (lambda: (1 / weight, value), tangents[2]),
    )


@jax.custom_jvp
def _error_slope(error: jax.Array, variance: jax.Array, weight: jax.Array) -> jax.Array:
    """$p e / v$."""
    return divide(error, variance / weight)


@rule(_error_slope)
def _error_slope_jvp(primals, tangents):
    error, variance, weight = primals
    value = _error_slope(error, variance, weight)
    return value, tangent(
        value,
        (lambda: 1 / (variance / weight), tangents[0]),
        (lambda: (-value, 1 / variance), tangents[1]),
        (lambda: (1 / weight, value), tangents[2]),
    )


@jax.custom_jvp
def _variance_slope(error: jax.Array, variance: jax.Array, weight: jax.Array) -> jax.Array:
    r"""$p (1 / v - (e / v)^2) / 2$: autodiff would form the squares of $1 / v - e^2 / v^2$."""
    own, other = _error_slope(error, variance, weight), divide(error, variance)
    return 0.5 * divide(weight, variance) - (0.5 * own) * other


@rule(_variance_slope)
def _variance_slope_jvp(primals, tangents):
    error, variance, weight = primals
    quotient, inverse = _error_slope(error, variance, weight), 1 / variance
    value = _variance_slope(error, variance, weight)
    return value, tangent(
        value,
        (lambda: (-quotient, inverse), tangents[0]),
        (lambda: (error * quotient - 0.5 * weight, inverse, inverse), tangents[1]),
        (lambda: (1 / weight, value), tangents[2]),
    )


@jax.custom_jvp
def gaussian_nll_of_scale(error: jax.Array, scale: jax.Array, divisor: jax.Array, weight: jax.Array) -> jax.Array:
    r"""$p \log s + (e / d)^2 / 2$ for $s > 0$, a weight p and the divisor $d = s / \sqrt p$ of the error."""
    return weight * jnp.log(scale) + half_square(error / divisor)


@rule(gaussian_nll_of_scale)
def _gaussian_nll_of_scale_jvp(primals, tangents):
    error, scale, divisor, _ = primals
    value = gaussian_nll_of_scale(*primals)
    return value, tangent(
        value,
        (lambda: _error_slope_of_scale(error, scale, divisor), tangents[0]),
        (lambda: _scale_slope(*primals), tangents[1]),
        (lambda: (1 / divisor, -error * _error_slope_of_scale(error, scale, divisor)), tangents[2]),
        (lambda: jnp.log(scale), tangents[3]),
    )


@jax.custom_jvp
def _error_slope_of_scale(error: jax.Array, scale: jax.Array, divisor: jax.Array) -> jax.Array:
    r"""$e / d^2$; by the inverse, since XLA would merge two quotients to one by a square."""
    return divide(error, divisor) * (1 / divisor)


@rule(_error_slope_of_scale)
def _error_slope_of_scale_jvp(primals, tangents):
    _, scale, divisor = primals
    value, inverse = _error_slope_of_scale(*primals), 1 / divisor
    return value, tangent(
        value,
        (lambda: (inverse, inverse), tangents[0]),
        (lambda: (-2 * value, 1 / scale), tangents[1]),
        (lambda: (inverse, -2 * value), tangents[2]),
    )


@jax.custom_jvp
def _scale_slope(error: jax.Array, scale: jax.Array, divisor: jax.Array, weight: jax.Array) -> jax.Array:
    r"""$(p - (e / d)^2) / s$."""
    ratio = divide(error, divisor)
    return 2 * divide(0.5 * weight - half_square(ratio), scale)


@rule(_scale_slope)
def _scale_slope_jvp(primals, tangents):
    error, scale, divisor, weight = primals
    ratio, inverse = divide(error, divisor), 1 / scale
    value = _scale_slope(*primals)
    return value, tangent(
        value,
        (lambda: ((-2 * ratio) * inverse, 1 / divisor), tangents[0]),
        (lambda: (3 * (ratio * ratio) - weight, inverse, inverse), tangents[1]),
        (lambda: (1 / divisor, (2 * ratio) * ratio, inverse), tangents[2]),
        (lambda: inverse, tangents[3]),
    )


@jax.custom_jvp
def gaussian_nll_of_log(error: jax.Array, log_variance: jax.Array, log_weight: jax.Array) -> jax.Array:
    r"""$(w + e^2 \exp(-w)) \exp(u) / 2$ for the logarithms w of the variance and u of the weight, and e itself."""
    return 0.5 * (jnp.exp(log_weight) * log_variance) + half_square(_ratio(error, log_variance, log_weight))


def _ratio(error: jax.Array, log_variance: jax.Array, log_weight: jax.Array) -> jax.Array:
    r"""$e \exp((u - w) / 2)$."""
    return error * jnp.exp(0.5 * (log_weight - log_variance))


@rule(gaussian_nll_of_log)
def _gaussian_nll_of_log_jvp(primals, tangents):
    error, log_variance, log_weight = primals
    value = gaussian_nll_of_log(*primals)
    return value, tangent(
        value,
        (lambda: _relative(error, log_variance - log_weight), tangents[0]),
        (lambda: _log_slope(error, log_variance, log_weight), tangents[1]),
        (lambda: gaussian_nll_of_log(*primals), tangents[2]),
    )


@jax.custom_jvp
def _relative(error: jax.Array, log_variance: jax.Array) -> jax.Array:
    r"""$e \exp(-w)$, by roots of the exponential, which may overflow or underflow where the product does not."""
    root = jnp.exp(-0.5 * log_variance)
    return (error * root) * root


@rule(_relative)
def _relative_jvp(primals, tangents):
    error, log_variance = primals
    value = _relative(error, log_variance)
    return value, tangent(value, (lambda: jnp.exp(-log_variance), tangents[0]), (lambda: -value, tangents[1]))


@jax.custom_jvp
def _log_slope(error: jax.Array, log_variance: jax.Array, log_weight: jax.Array) -> jax.Array:
    r"""$(1 - e^2 \exp(-w)) \exp(u) / 2$."""
    return 0.5 * jnp.exp(log_weight) - half_square(_ratio(error, log_variance, log_weight))


@rule(_log_slope)
def _log_slope_jvp(primals, tangents):
    error, log_variance, log_weight = primals
    value = _log_slope(*primals)
    return value, tangent(
        value,
        (lambda: -_relative(error, log_variance - log_weight), tangents[0]),
        (lambda: half_square(_ratio(*primals)), tangents[1]),
        (lambda: value, tangents[2]),
    )
