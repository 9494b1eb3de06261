r"""The Poisson deviance and negative log-likelihood, from a log-rate and from a rate, free of cancellation.

With $d = x - \log k$ the likelihood of a count k under a log-rate x splits at its saddle point (Loader, 2000) into
$k (e^d - 1 - d)$, which is 0 where the rate is the count, and a constant of the count alone.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import atanh_tail, exp_tail, log_ratio, minus_log, two_sum
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.guarded import times
from jaxloss.numerics.xlogy import xlogy


@jax.custom_jvp
def poisson_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$e^x - k x$, with 0 for a count of 0 at a rate of 0."""
    return jnp.where(x == jnp.inf, x, jnp.exp(x) - times(k, x))


@rule(poisson_log_rate)
def _(primals, tangents):
    x, k = primals
    value = poisson_log_rate(x, k)
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (lambda: -x, tangents[1]))


@jax.custom_jvp
def poisson_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$r - k \log r$."""
    return r - xlogy(k, r)


@rule(poisson_rate)
def _(primals, tangents):
    r, k = primals
    value = poisson_rate(r, k)
    return value, tangent(value, (lambda: _rate_slope(r, k), tangents[0]), (lambda: -jnp.log(r), tangents[1]))


@jax.custom_jvp
def half_deviance_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k (e^d - 1 - d) = e^x - k - k (x - \log k)$ with $d = x - \log k$; $e^x$ for a count of 0."""
    counted = k > 0
    count = jnp.where(counted, k, jnp.ones_like(k))
    rate, d = jnp.exp(x), minus_log(x, count)
    deviance = jnp.where(x == jnp.inf, x, deviance_of_gap(count, d, rate))
    return jnp.where(counted, deviance, rate)


def deviance_of_gap(k: jax.Array, d: jax.Array, rate: jax.Array) -> jax.Array:
    r"""$k (e^d - 1 - d)$ where the rate is $k e^d$, which may be finite where $e^d$ is not. For values, not for slopes.

    By a series up to a distance of 2, where the terms cancel; beyond it they do not.
    """
    near = jnp.clip(d, -2, 2)
    return jnp.where(near == d, k * (near * near * exp_tail(near, 2)), rate - k * (1 + d))


@rule(half_deviance_log_rate)
def _(primals, tangents):
    x, k = primals
    value = half_deviance_log_rate(x, k)
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (lambda: jnp.log(k) - x, tangents[1]))


@jax.custom_jvp
def half_deviance_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k \log(k / r) - k + r$; r for a count of 0."""
    counted = k > 0
    count = jnp.where(counted, k, jnp.ones_like(k))
    # With s = (r - k) / (r + k), log(r / k) = 2 atanh(s): Loader's deviance, whose leading difference is exact near k.
    excess, lost = two_sum(r, -count)
    s = excess / (r + count)
    close = jnp.abs(s) <= 1 / 2
    s = jnp.where(close, s, jnp.zeros_like(s))
    near = s * (excess - 2 * count * (s * s) * atanh_tail(s * s, 1 / 4)) + lost * (excess / r)
    far = excess - count * log_ratio(r, count)
    return jnp.where(counted, jnp.where(close, near, jnp.where(r == jnp.inf, r, far)), r)


@rule(half_deviance_rate)
def _(primals, tangents):
    r, k = primals
    value = half_deviance_rate(r, k)
    return value, tangent(value, (lambda: _rate_slope(r, k), tangents[0]), (lambda: log_ratio(k, r), tangents[1]))


@jax.custom_jvp
def poisson_exact_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$e^x - k x + \log k!$."""
    return half_deviance_log_rate(x, k) + log_peak(k)


@rule(poisson_exact_log_rate)
def _(primals, tangents):
    x, k = primals
    value = poisson_exact_log_rate(x, k)
    slope_k = lambda: lax.digamma(k + 1) - x  # noqa: E731
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (slope_k, tangents[1]))


@jax.custom_jvp
def poisson_exact_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$r - k \log r + \log k!$."""
    return half_deviance_rate(r, k) + log_peak(k)


@rule(poisson_exact_rate)
def _(primals, tangents):
    r, k = primals
    value = poisson_exact_rate(r, k)
    slope_k = lambda: lax.digamma(k + 1) - jnp.log(r)  # noqa: E731
    return value, tangent(value, (lambda: _rate_slope(r, k), tangents[0]), (slope_k, tangents[1]))


@jax.custom_jvp
def _rate_slope(r: jax.Array, k: jax.Array) -> jax.Array:
    """$1 - k / r = (r - k) / r$, in the form that does not cancel; 1 for a count of 0, at a rate of 0 too."""
    return jnp.where(k == 0, jnp.ones_like(r), (r - k) / r)


@rule(_rate_slope)
def _(primals, tangents):
    r, k = primals
    value = _rate_slope(r, k)
    inverse = 1 / r
    return value, tangent(
        value,
        # Not k / r**2: XLA would form the square, which overflows or vanishes long before the quotient does.
        (lambda: times(k, inverse) * jnp.where(k == 0, 0, inverse), tangents[0]),
        (lambda: -inverse, tangents[1]),
    )
