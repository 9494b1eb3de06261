r"""The Poisson deviance and negative log-likelihood, from a log-rate and from a rate, free of cancellation.

With $d = x - \log k$ the likelihood of a count k under a log-rate x splits at its saddle point (Loader, 2000) into
$k (e^d - 1 - d)$, which is 0 where the rate is the count, and a constant of the count alone.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import (
    atanh_tail,
    exp_tail,
    from_tiny,
    log_from_tiny,
    log_ratio,
    minus_log,
    two_sum,
)
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.guarded import times
from jaxloss.numerics.log_products import xlogy


@jax.custom_jvp
def poisson_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$e^x - k x$, with 0 for a count of 0 at a rate of 0."""
    infinite = x == jnp.inf
    z = jnp.where(infinite, jnp.zeros_like(x), x)
    return jnp.where(infinite, x, jnp.exp(z) - times(k, z))


@rule(poisson_log_rate)
def _poisson_log_rate_jvp(primals, tangents):
    x, k = primals
    value = poisson_log_rate(x, k)
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (lambda: -_log_if_any(x, k), tangents[1]))


def _log_if_any(x: jax.Array, k: jax.Array) -> jax.Array:
    """The log-rate x, and 0 where neither rate nor count is above 0: there any slope is the limit along some path."""
    return jnp.where((k == 0) & (x == -jnp.inf), jnp.zeros_like(x), x)


def _rate_if_any(r: jax.Array, k: jax.Array) -> jax.Array:
    return jnp.where((k == 0) & (r == 0), jnp.ones_like(r), r)


@jax.custom_jvp
def poisson_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$r - k \log r$."""
    infinite = r == jnp.inf
    return jnp.where(infinite, r, r - xlogy(k, jnp.where(infinite, jnp.ones_like(r), r)))


@rule(poisson_rate)
def _poisson_rate_jvp(primals, tangents):
    r, k = primals
    value = poisson_rate(r, k)
    return value, tangent(
        value, (lambda: _rate_slope(r, k), tangents[0]), (lambda: -jnp.log(_rate_if_any(r, k)), tangents[1])
    )


@jax.custom_jvp
def half_deviance_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k (e^d - 1 - d) = e^x - k - k (x - \log k)$ with $d = x - \log k$; $e^x$ for a count of 0."""
    counted = k > 0
    count = jnp.where(counted, k, jnp.ones_like(k))
    rate, d = jnp.exp(x), minus_log(x, count)
    return jnp.where(counted, deviance_of_gap(count, d, rate), rate)


def deviance_of_gap(k: jax.Array, d: jax.Array, rate: jax.Array) -> jax.Array:
    r"""$k (e^d - 1 - d)$ where the rate is $k e^d$, which may be finite where $e^d$ is not. For values, not for slopes.

    By a series up to a distance of 2, where the terms cancel; beyond it they do not.
    """
    near = jnp.clip(d, -2, 2)
    # An infinite rate less what is finite, or the difference of two infinities would be nan.
    logarithmic = jnp.minimum(k * (1 + d), float(jnp.finfo(d.dtype).max))
    return jnp.where(near == d, k * (near * near * exp_tail(near, 2)), rate - logarithmic)


@rule(half_deviance_log_rate)
def _half_deviance_log_rate_jvp(primals, tangents):
    x, k = primals
    value = half_deviance_log_rate(x, k)
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (lambda: log_gap(k, x), tangents[1]))


def log_gap(t: jax.Array, log_p: jax.Array) -> jax.Array:
    r"""$\log t - \log p$ as the slope of a divergence in t: finite at t = 0, and 0 where p is 0 too."""
    absent = (t == 0) & (log_p == -jnp.inf)
    return jnp.where(absent, jnp.zeros_like(t), log_from_tiny(t) - jnp.where(absent, jnp.zeros_like(t), log_p))


def log_gap_of_ratio(t: jax.Array, p: jax.Array) -> jax.Array:
    r"""`log_gap` from p itself, $\log(t / p)$."""
    absent, one = (t == 0) & (p == 0), jnp.ones_like(t)
    return log_ratio(jnp.where(absent, one, from_tiny(t)), jnp.where(absent, one, p))


@jax.custom_jvp
def half_deviance_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k \log(k / r) - k + r$; r for a count of 0."""
    counted = k > 0
    count = jnp.where(counted, k, jnp.ones_like(k))
    # With s = (r - k) / (r + k), log(r / k) = 2 atanh(s): Loader's deviance, whose leading difference is exact near k.
    finite = jnp.where(r == jnp.inf, count, r)
    excess, lost = two_sum(finite, -count)
    s = excess / (finite + count)
    close = jnp.abs(s) <= 1 / 2
    s = jnp.where(close, s, jnp.zeros_like(s))
    remainder = lost * (excess / jnp.where(close, finite, count))
    near = s * (excess - 2 * count * (s * s) * atanh_tail(s * s, 1 / 4)) + remainder
    far = excess - count * log_ratio(finite, count)
    return jnp.where(counted & (r != jnp.inf), jnp.where(close, near, far), r)


@rule(half_deviance_rate)
def _half_deviance_rate_jvp(primals, tangents):
    r, k = primals
    value = half_deviance_rate(r, k)
    return value, tangent(
        value, (lambda: _rate_slope(r, k), tangents[0]), (lambda: log_gap_of_ratio(k, r), tangents[1])
    )


@jax.custom_jvp
def poisson_exact_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$e^x - k x + \log k!$."""
    return half_deviance_log_rate(x, k) + log_peak(k)


@rule(poisson_exact_log_rate)
def _poisson_exact_log_rate_jvp(primals, tangents):
    x, k = primals
    value = poisson_exact_log_rate(x, k)
    slope_k = lambda: lax.digamma(k + 1) - _log_if_any(x, k)  # noqa: E731
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (slope_k, tangents[1]))


@jax.custom_jvp
def poisson_exact_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$r - k \log r + \log k!$."""
    return half_deviance_rate(r, k) + log_peak(k)


@rule(poisson_exact_rate)
def _poisson_exact_rate_jvp(primals, tangents):
    r, k = primals
    value = poisson_exact_rate(r, k)
    slope_k = lambda: lax.digamma(k + 1) - jnp.log(_rate_if_any(r, k))  # noqa: E731
    return value, tangent(value, (lambda: _rate_slope(r, k), tangents[0]), (slope_k, tangents[1]))


@jax.custom_jvp
def _rate_slope(r: jax.Array, k: jax.Array) -> jax.Array:
    """$1 - k / r = (r - k) / r$, in the form that does not cancel; 1 for a count of 0, at a rate of 0 too."""
    finite = jnp.minimum(r, float(jnp.finfo(r.dtype).max))
    finite = jnp.where(k == 0, jnp.ones_like(r), finite)
    return (finite - k) / finite


@rule(_rate_slope)
def _rate_slope_jvp(primals, tangents):
    r, k = primals
    value = _rate_slope(r, k)
    inverse = 1 / r
    return value, tangent(
        value,
        # Not k / r**2: XLA would form the square, which overflows or vanishes long before the quotient does.
        (lambda: times(k, inverse) * jnp.where(k == 0, 0, inverse), tangents[0]),
        (lambda: -jnp.where((k == 0) & (r == 0), 0, inverse), tangents[1]),
    )
