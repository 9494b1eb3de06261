r"""The negative log-likelihood of positive counts that follow a negative binomial law without its zeros.

For a mean $\mu$ and a concentration r let $y = \log(1 + \mu / r)$; a zero has the probability $e^{-\rho}$ with
$\rho = r y$. The loss of a count k is that of the law plus $\log(1 - e^{-\rho})$, which does not cancel from means of 1
on. Below, with $\varphi(t) = \log \frac{e^t - 1}{t}$, it is

$$\varphi(\rho) + (y - \varphi(y)) + \log k! - \log \frac{\Gamma(r + k)}{\Gamma(r + 1)}
    + (k - 1) \log \frac{r + \mu}{\mu}$$

The slope of $\varphi$ is $F(t) = 1 / (1 - e^{-t}) - 1 / t$, from 1/2 to 1. All slopes are made of F, and none of them
divides by a mean that may be 0.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1
from jaxloss.numerics.factorial import log_factorial
from jaxloss.numerics.gamma_ratio import (
    digamma_difference,
    log_gamma_rise,
    trigamma_difference,
    trigamma_gap_drop,
)
from jaxloss.numerics.growth import log_growth, log_growth_excess, weighted_log_growth
from jaxloss.numerics.growth_mean import curvature_of_mean, log_growth_mean, slope_complement, slope_of_mean
from jaxloss.numerics.guarded import clip_positive_infinity, divide, times
from jaxloss.numerics.log_products import log_if_any
from jaxloss.numerics.logistic import log1mexp
from jaxloss.numerics.negative_binomial import (
    HIGH,
    negative_binomial_concentration_slope,
    negative_binomial_count_slope,
    negative_binomial_log_mean,
    negative_binomial_mean,
)
from jaxloss.numerics.polygamma import trigamma_gap
from jaxloss.numerics.truncated_poisson import log_rate_unless_certain


class _Parts(NamedTuple):
    """What the loss and its slopes are made of."""

    mean: jax.Array
    y: jax.Array
    of_zero: jax.Array  # rho
    share: jax.Array  # r / (r + mean)
    rest: jax.Array  # mean / (r + mean)
    inverse: jax.Array  # 1 / (r + mean)
    rise: jax.Array  # of rho with r: y - mean / (r + mean)


def _of_log_mean(x: jax.Array, r: jax.Array) -> _Parts:
    return _of_mean(jnp.exp(jnp.minimum(x, HIGH)), r, jnp.maximum(x - HIGH, 0))


def _of_mean(mean: jax.Array, r: jax.Array, further: jax.Array | float = 0.0) -> _Parts:
    """The parts, of a mean whose logarithm is larger by `further`."""
    near = log_growth(r, mean)
    whole, y = r + mean, clip_positive_infinity(near + further)
    inverse = 1 / whole
    rise = log_growth_excess(-mean, whole, r, -near) * inverse + further
    return _Parts(mean, y, weighted_log_growth(r, mean, y), r * inverse, mean * inverse, inverse, rise)


@jax.custom_jvp
def truncated_negative_binomial_log_mean(x: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The loss of a log-mean x, for a count k of at least 1."""
    parts = _of_log_mean(x, r)
    # The logarithm of (r + mean) / mean, where the mean is no float too.
    odds = jnp.where(x > -80, log_growth(jnp.exp(jnp.clip(x, -80, HIGH)), r), jnp.log(r) - x)
    near, small = _near(parts, k, r, jnp.where(r < 1, odds, -x))
    return jnp.where(small, near, _far(negative_binomial_log_mean(x, k, r), parts, small))


@rule(truncated_negative_binomial_log_mean)
def _truncated_negative_binomial_log_mean_jvp(primals, tangents):
    x, k, r = primals
    value = truncated_negative_binomial_log_mean(x, k, r)

    def in_k():
        near = jnp.minimum(x, HIGH)
        return negative_binomial_count_slope(log_rate_unless_certain(near, k), jnp.exp(near), k, r)

    in_x, in_r = lambda: _log_mean_slope(x, k, r), lambda: _concentration_slope_of_log(x, k, r)
    return value, tangent(value, (in_x, tangents[0]), (in_k, tangents[1]), (in_r, tangents[2]))


@jax.custom_jvp
def truncated_negative_binomial_mean(mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The loss of a mean, for a count k of at least 1."""
    parts = _of_mean(clip_positive_infinity(mean), r)
    near, small = _near(parts, k, r, jnp.where(r < 1, log_growth(parts.mean, r), -jnp.log(mean)))
    return jnp.where(small, near, _far(negative_binomial_mean(mean, k, r), parts, small))


@rule(truncated_negative_binomial_mean)
def _truncated_negative_binomial_mean_jvp(primals, tangents):
    mean, k, r = primals
    value = truncated_negative_binomial_mean(mean, k, r)
    finite = jnp.minimum(mean, 1e30)
    return value, tangent(
        value,
        (lambda: _mean_slope(finite, k, r), tangents[0]),
        (lambda: negative_binomial_count_slope(log_if_any(k - 1, finite), finite, k, r), tangents[1]),
        (lambda: _concentration_slope_of_mean(finite, k, r), tangents[2]),
    )


def _near(parts: _Parts, k: jax.Array, r: jax.Array, odds: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""The loss where the law's own would cancel, and where that is.

    From concentrations of 1 on, $\log(r + \mu)$ is taken from both logarithms, `odds` and that of the gamma functions.
    """
    small = (parts.of_zero < 1) & ((parts.mean < 1) | (k < 16))
    over = jnp.where(r < 1, jnp.ones_like(r), r + parts.mean)
    counts = log_factorial(k) + (times(k - 1, odds) - log_gamma_rise(r + 1, k - 1, over))
    low, high = jnp.minimum(parts.y, 1), jnp.maximum(parts.y, 1)
    of_first = jnp.where(parts.y < 1, low - log_growth_mean(low), jnp.log(high) - log1mexp(high))
    return (log_growth_mean(jnp.minimum(parts.of_zero, 1)) + of_first) + counts, small


def _far(law: jax.Array, parts: _Parts, small: jax.Array) -> jax.Array:
    return law + log1mexp(jnp.where(small, jnp.ones_like(law), parts.of_zero))


@jax.custom_jvp
def _log_mean_slope(x: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    r"""$\mu \frac{r}{r + \mu} F(\rho) + \frac{\mu}{r + \mu} (1 - F(y)) - (k - 1) \frac{r}{r + \mu}$."""
    p = _of_log_mean(x, r)
    return (_own(p, r) * slope_of_mean(p.of_zero) + p.rest * slope_complement(p.y)) - (k - 1) * p.share


@rule(_log_mean_slope)
def _log_mean_slope_jvp(primals, tangents):
    x, k, r = primals
    p = _of_log_mean(x, r)

    def in_x():
        own = _own(p, r)
        moved = p.rest * (p.share * (slope_complement(p.y) + (k - 1)) - p.rest * curvature_of_mean(p.y))
        return own * (p.share * slope_of_mean(p.of_zero) + own * curvature_of_mean(p.of_zero)) + moved

    slopes = (in_x, tangents[0]), (lambda: -p.share, tangents[1]), (lambda: _mixed_of_log(p, k, r), tangents[2])
    return _log_mean_slope(x, k, r), tangent(x, *slopes)


def _own(p: _Parts, r: jax.Array) -> jax.Array:
    r"""$\mu r / (r + \mu)$."""
    return jnp.where(r < p.mean, r * p.rest, p.mean * p.share)


def _mixed_of_log(p: _Parts, k: jax.Array, r: jax.Array) -> jax.Array:
    """The second derivative in log-mean and concentration."""
    of_first = p.rest * ((p.rest / r) * curvature_of_mean(p.y) - p.inverse * (slope_complement(p.y) + (k - 1)))
    own = p.rest * p.rest * slope_of_mean(p.of_zero) + _own(p, r) * (curvature_of_mean(p.of_zero) * p.rise)
    return own + of_first


@jax.custom_jvp
def _mean_slope(mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The slope in the log-mean over the mean."""
    p = _of_mean(mean, r)
    return (p.share * slope_of_mean(p.of_zero) + p.inverse * slope_complement(p.y)) - divide(k - 1, mean) * p.share


@rule(_mean_slope)
def _mean_slope_jvp(primals, tangents):
    mean, k, r = primals
    p = _of_mean(mean, r)
    per_mean = jnp.where((k == 1) & (mean == 0), 0, 1 / mean)

    def in_mean():
        own = p.share * (p.share * curvature_of_mean(p.of_zero) - p.inverse * slope_of_mean(p.of_zero))
        of_first = p.inverse * (p.inverse * (slope_complement(p.y) + curvature_of_mean(p.y)))
        return (own - of_first) + (times(k - 1, per_mean) * p.share) * (p.inverse + per_mean)

    def in_r():
        own = p.rest * p.inverse * slope_of_mean(p.of_zero) + p.share * (curvature_of_mean(p.of_zero) * p.rise)
        return own + p.inverse * ((p.rest / r) * curvature_of_mean(p.y) - p.inverse * (slope_complement(p.y) + (k - 1)))

    slopes = (in_mean, tangents[0]), (lambda: -per_mean * p.share, tangents[1]), (in_r, tangents[2])
    return _mean_slope(mean, k, r), tangent(mean, *slopes)


@jax.custom_jvp
def _concentration_slope_of_log(x: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    return _concentration_slope(_of_log_mean(x, r), k, r, jnp.maximum(x - HIGH, 0))


@rule(_concentration_slope_of_log)
def _concentration_slope_of_log_jvp(primals, tangents):
    x, k, r = primals
    value, p = _concentration_slope_of_log(x, k, r), _of_log_mean(x, r)
    in_x = lambda: _mixed_of_log(p, k, r)  # noqa: E731
    return value, _with_others(value, p, k, r, (in_x, tangents[0]), tangents)


@jax.custom_jvp
def _concentration_slope_of_mean(mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    return _concentration_slope(_of_mean(mean, r), k, r, 0.0)


@rule(_concentration_slope_of_mean)
def _concentration_slope_of_mean_jvp(primals, tangents):
    mean, k, r = primals
    value, p = _concentration_slope_of_mean(mean, k, r), _of_mean(mean, r)
    one = jnp.ones_like(mean)
    in_mean = lambda: jax.jvp(lambda r: _mean_slope(mean, k, r), (r,), (one,))[1]  # noqa: E731
    return value, _with_others(value, p, k, r, (in_mean, tangents[0]), tangents)


def _concentration_slope(p: _Parts, k: jax.Array, r: jax.Array, further: jax.Array | float) -> jax.Array:
    """By the first form from means of 1 on, and by the second below."""
    near = slope_of_mean(p.of_zero) * p.rise - slope_complement(p.y) * (p.rest / r)
    near = near + ((k - 1) * p.inverse - digamma_difference(r + 1, k - 1))
    far = (negative_binomial_concentration_slope(p.mean, k, r) + further) + p.rise * _beyond(p)
    return jnp.where(p.mean < 1, near, far)


def _beyond(p: _Parts) -> jax.Array:
    r"""$1 / (e^\rho - 1)$ for means of at least 1."""
    return 1 / expm1(jnp.where(p.mean < 1, jnp.ones_like(p.mean), p.of_zero))


def _with_others(value, p, k, r, of_mean, tangents):
    """The tangent of the slope in the concentration."""
    counts = r + k

    def in_k():
        return ((k - p.mean) * p.inverse) / counts - trigamma_gap(counts)

    def in_r():
        per, gap, beyond = p.rest / r, (k - p.mean) * p.inverse, _beyond(p)
        near = curvature_of_mean(p.of_zero) * (p.rise * p.rise) - slope_of_mean(p.of_zero) * (p.rest * per)
        near = near + per * (slope_complement(p.y) * (1 / r + p.inverse) - per * curvature_of_mean(p.y))
        near = near - ((k - 1) * p.inverse * p.inverse + trigamma_difference(r + 1, k - 1))
        far = trigamma_gap_drop(r, k) - (gap * gap) / counts
        return jnp.where(p.mean < 1, near, far - beyond * (p.rest * per + (p.rise * p.rise) * (1 + beyond)))

    return tangent(value, of_mean, (in_k, tangents[1]), (in_r, tangents[2]))
