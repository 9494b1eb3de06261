r"""The Poisson deviance and negative log-likelihood, from a log-rate x and from a rate r, free of cancellation.

With $d = x - \log k$, the negative log-likelihood of a count k is a sum of two terms (Loader, 2000):

$$e^x - k x + \log k! = k (e^d - 1 - d) + (\log k! - k \log k + k)$$

The first, half the deviance, is 0 where the rate equals the count. The second depends on the count alone.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import (
    atanh_tail,
    exp_tail,
    from_tiny,
    log_from_tiny,
    minus_log,
    two_sum,
)
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.guarded import clip_positive_infinity, times
from jaxloss.numerics.log_products import log_if_any, xlogy
from jaxloss.numerics.log_ratio import log_ratio
from jaxloss.numerics.polygamma import digamma


@jax.custom_jvp
def poisson_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$e^x - k x$; 0 where both the count and the rate are 0."""
    infinite = x == jnp.inf
    z = jnp.where(infinite, jnp.zeros_like(x), x)
    return jnp.where(infinite, x, jnp.exp(z) - times(k, z))


@rule(poisson_log_rate)
def _poisson_log_rate_jvp(primals, tangents):
    x, k = primals
    value = poisson_log_rate(x, k)
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (lambda: -_log_rate_if_any(x, k), tangents[1]))


def _log_rate_if_any(x: jax.Array, k: jax.Array) -> jax.Array:
    """The log-rate x, but 0 where rate and count are both 0, as in `log_if_any`."""
    return jnp.where((k == 0) & (x == -jnp.inf), jnp.zeros_like(x), x)


@jax.custom_jvp
def poisson_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$r - k \log r$."""
    infinite = r == jnp.inf
    return jnp.where(infinite, r, r - xlogy(k, jnp.where(infinite, jnp.ones_like(r), r)))


@rule(poisson_rate)
def _poisson_rate_jvp(primals, tangents):
    r, k = primals
    value = poisson_rate(r, k)
    return value, tangent(value, (lambda: _rate_slope(r, k), tangents[0]), (lambda: -log_if_any(k, r), tangents[1]))


@jax.custom_jvp
def half_deviance_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k (e^d - 1 - d) = e^x - k - k (x - \log k)$ with $d = x - \log k$; $e^x$ for a count of 0."""
    counted = k > 0
    count = jnp.where(counted, k, jnp.ones_like(k))
    d = minus_log(x, count)
    # The select, because XLA may contract the last product of the exponential with the subtraction of the logarithmic
    # term: that product is not rounded then, and at x = inf the difference may be finite.
    return jnp.where(x == jnp.inf, x, deviance_of_gap(count, d, jnp.exp(as_minimum(x, 1e4)), counted))


def deviance_of_gap(k: jax.Array, d: jax.Array, rate: jax.Array, counted: jax.Array) -> jax.Array:
    r"""$k (e^d - 1 - d)$ for a rate $k e^d$, which may be finite where $e^d$ is not. For values, not for slopes.

    It is the rate where `counted` is False. For $|d| \le 2$ the terms cancel, and a series is summed; for others they
    do not.
    """
    near = jnp.clip(d, -2, 2)
    # Bounded, because an infinite rate minus infinity would be nan.
    logarithmic = jnp.where(counted, clip_positive_infinity(k * (1 + d)), jnp.zeros_like(k))
    return jnp.where(counted & (near == d), k * (near * near * exp_tail(near, 2)), rate - logarithmic)


@rule(half_deviance_log_rate)
def _half_deviance_log_rate_jvp(primals, tangents):
    x, k = primals
    value = half_deviance_log_rate(x, k)
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (lambda: log_gap(k, x), tangents[1]))


def log_gap(t: jax.Array, log_p: jax.Array) -> jax.Array:
    r"""$\log t - \log p$ as the slope of a divergence in t: finite at t = 0, and 0 where p = 0 as well."""
    absent = (t == 0) & (log_p == -jnp.inf)
    return jnp.where(absent, jnp.zeros_like(t), log_from_tiny(t) - jnp.where(absent, jnp.zeros_like(t), log_p))


def log_gap_of_ratio(t: jax.Array, p: jax.Array) -> jax.Array:
    r"""`log_gap` from p instead of its logarithm, $\log(t / p)$."""
    absent, one = (t == 0) & (p == 0), jnp.ones_like(t)
    return log_ratio(jnp.where(absent, one, from_tiny(t)), jnp.where(absent, one, p))


@jax.custom_jvp
def half_deviance_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k \log(k / r) - k + r$; r for a count of 0."""
    counted = k > 0
    count = jnp.where(counted, k, jnp.ones_like(k))
    # With s = (r - k) / (r + k), log(r / k) = 2 atanh(s) = 2 s (1 + s^2 a), a the tail of its series, and so
    #     k log(k / r) - k + r = s ((r - k) - 2 k s^2 a),
    # Loader's form, in which the difference r - k is exact near k; `remainder` is what its rounding error contributes.
    finite = jnp.where(r == jnp.inf, count, r)
    excess, lost = two_sum(finite, -count)
    s = as_minimum(excess / (finite + count), 2)
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
    slope_k = lambda: digamma(k + 1) - _log_rate_if_any(x, k)  # noqa: E731
    return value, tangent(value, (lambda: jnp.exp(x) - k, tangents[0]), (slope_k, tangents[1]))


@jax.custom_jvp
def poisson_exact_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$r - k \log r + \log k!$."""
    return half_deviance_rate(r, k) + log_peak(k)


@rule(poisson_exact_rate)
def _poisson_exact_rate_jvp(primals, tangents):
    r, k = primals
    value = poisson_exact_rate(r, k)
    slope_k = lambda: digamma(k + 1) - log_if_any(k, r)  # noqa: E731
    return value, tangent(value, (lambda: _rate_slope(r, k), tangents[0]), (slope_k, tangents[1]))


@jax.custom_jvp
def _rate_slope(r: jax.Array, k: jax.Array) -> jax.Array:
    """$1 - k / r$ as $(r - k) / r$, which does not cancel; 1 for a count of 0, at a rate of 0 too."""
    finite = jnp.where(k == 0, jnp.ones_like(r), clip_positive_infinity(r))
    return (finite - k) / finite


@rule(_rate_slope)
def _rate_slope_jvp(primals, tangents):
    r, k = primals
    value = _rate_slope(r, k)
    inverse = 1 / r
    return value, tangent(
        value,
        # Two quotients, because r**2 overflows or underflows long before k / r**2 does.
        (lambda: times(k, inverse) * jnp.where(k == 0, 0, inverse), tangents[0]),
        (lambda: -jnp.where((k == 0) & (r == 0), 0, inverse), tangents[1]),
    )
