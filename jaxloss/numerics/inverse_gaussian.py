r"""The inverse Gaussian negative log-likelihood, free of cancellation where the target is near the mean.

With the mean m and the relative error $r = t / m - 1$ of a target t, it is

$$\frac12 \left(\log 2 \pi + 3 \log t - \log \lambda + \frac{\lambda r^2}{t}\right).$$

Functions take the mean or its logarithm, by a static argument.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import again, as_minimum, stored
from jaxloss.numerics.elementary import exp_tail, minus_log
from jaxloss.numerics.guarded import largest


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def inverse_gaussian_nll(mean: jax.Array, t: jax.Array, shape: jax.Array, log_input: bool) -> jax.Array:
    """The negative log-likelihood of a target t above 0, under a law of a mean and a shape above 0."""
    positive, r, _ = _error_over_mean(mean, t, log_input)
    logarithms = 3 * jnp.log(positive) - jnp.log(shape)
    # The product in this order: where r is 0, shape / t may be infinite. Not r / t: XLA would compute r again for it.
    losses = 0.5 * (logarithms + math.log(2 * math.pi) + (shape * r) * (r * (1 / positive)))
    return jnp.where(t == jnp.inf, t, losses)


def _error_over_mean(mean: jax.Array, t: jax.Array, log_input: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The target as a finite normal number, its error relative to the mean m, and 1 / m. For values, not for slopes."""
    t = lax.clamp(filled(t, jnp.finfo(t.dtype).tiny), t, filled(t, largest(t)))
    if log_input:
        r, inverse = excess_of_gap(-minus_log(mean, t), mean, t)
        return t, stored(r), inverse
    mean = jnp.minimum(mean, largest(mean) / 8)  # whose inverse is normal
    return t, (t - mean) / mean, 1 / mean


def excess_of_gap(gap: jax.Array, log_mean: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""$t / m - 1$ and 1 / m from $\log t - \log m$, for a finite normal t. For values, not for slopes."""
    near = jnp.clip(gap, -0.7, 0.7)
    # The exponential of a minimum, so that XLA does not store the one that is returned beside this.
    far = t * jnp.exp(as_minimum(-log_mean, 1e4)) - 1
    return jnp.where(near == gap, near + near * near * exp_tail(near, 0.7), far), jnp.exp(-log_mean)


@rule(inverse_gaussian_nll)
def _inverse_gaussian_nll_jvp(log_input, primals, tangents):
    value, slopes = inverse_gaussian_nll(*primals, log_input), (_mean_slope, _target_slope, _shape_slope)
    return value, tangent(value, *((partial(f, *primals, log_input), t) for f, t in zip(slopes, tangents, strict=True)))


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _mean_slope(mean: jax.Array, t: jax.Array, shape: jax.Array, log_input: bool) -> jax.Array:
    r"""$-\lambda r / m$ in the logarithm of the mean, $-\lambda r / m^2$ in the mean."""
    _, r, inverse = _error_over_mean(mean, again(t, mean), log_input)
    slope = -(r * inverse) * shape
    return slope if log_input else slope * inverse


@rule(_mean_slope)
def _mean_slope_jvp(log_input, primals, tangents):
    mean, t, shape = primals
    _, r, inverse = _error_over_mean(mean, t, log_input)
    chain = jnp.ones_like(r) if log_input else inverse  # the slope of log m

    def in_mean():
        return shape * inverse * ((2 if log_input else 3) * r + 1) * chain * chain

    def in_target():
        return -((shape * inverse) * inverse) * chain

    value = _mean_slope(mean, t, shape, log_input)
    terms = (in_mean, tangents[0]), (in_target, tangents[1]), (lambda: -(r * inverse) * chain, tangents[2])
    return value, tangent(value, *terms)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _target_slope(mean: jax.Array, t: jax.Array, shape: jax.Array, log_input: bool) -> jax.Array:
    r"""$(3 + \lambda (1 / m^2 - 1 / t^2) t) / 2 t$."""
    t, r, _ = _error_over_mean(mean, t, log_input)
    return (3 + shape * ((r / t) * (r + 2))) / (2 * t)


@rule(_target_slope)
def _target_slope_jvp(log_input, primals, tangents):
    mean, given, shape = primals
    t, r, inverse = _error_over_mean(mean, given, log_input)
    chain = jnp.ones_like(r) if log_input else inverse
    one_over_t = 1 / t
    value = _target_slope(mean, given, shape, log_input)
    return value, tangent(
        value,
        (lambda: -((shape * inverse) * inverse) * chain, tangents[0]),
        (lambda: ((shape * one_over_t - 1.5) * one_over_t) * one_over_t, tangents[1]),
        (lambda: (0.5 * (r * one_over_t) * (r + 2)) * one_over_t, tangents[2]),
    )


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _shape_slope(mean: jax.Array, t: jax.Array, shape: jax.Array, log_input: bool) -> jax.Array:
    r"""$(r^2 / t - 1 / \lambda) / 2$."""
    t, r, _ = _error_over_mean(mean, t, log_input)
    return 0.5 * (r * (r / t) - 1 / shape)


@rule(_shape_slope)
def _shape_slope_jvp(log_input, primals, tangents):
    mean, given, shape = primals
    t, r, inverse = _error_over_mean(mean, given, log_input)
    chain = jnp.ones_like(r) if log_input else inverse
    one_over_t, one_over_shape = 1 / t, 1 / shape
    value = _shape_slope(mean, given, shape, log_input)
    return value, tangent(
        value,
        (lambda: -(r * inverse) * chain, tangents[0]),
        (lambda: (0.5 * (r * one_over_t) * (r + 2)) * one_over_t, tangents[1]),
        (lambda: (0.5 * one_over_shape) * one_over_shape, tangents[2]),
    )
