r"""The negative log-likelihood of a negative binomial law of mean $\mu$ and concentration r, free of cancellation.

$$-\log \frac{\Gamma(k + r)}{k! \, \Gamma(r)} - r \log \frac{r}{r + \mu} - k \log \frac{\mu}{r + \mu}$$

It is a sum of terms of at least 0 (Loader, 2000, for the binomial law of k of k + r): with
$\phi(y) = y - \log(1 + y)$ it is

$$r \, \phi\left(\frac{k - \mu}{r + \mu}\right) + k \, \phi\left(\frac{r (\mu - k)}{k (r + \mu)}\right)
    + (\log k! - k \log k + k) + \tfrac12 \log(1 + k / r) + \delta(r) - \delta(r + k)$$

with the error of Stirling's formula $\delta$. As r grows it becomes that of Poisson's law, term by term.
"""

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.count_divergence import FAR, log_negative_binomial_peak, times_log_growth_excess
from jaxloss.numerics.elementary import expm1, minus_log
from jaxloss.numerics.gamma_ratio import digamma_gap_drop, trigamma_gap_drop
from jaxloss.numerics.growth import log_growth_excess
from jaxloss.numerics.guarded import one_if_zero, times
from jaxloss.numerics.log_products import log_if_any
from jaxloss.numerics.log_ratio import log_ratio
from jaxloss.numerics.polygamma import digamma, digamma_gap, trigamma, trigamma_gap
from jaxloss.numerics.ratios import fraction

HIGH = 80.0
"""A log-mean beyond which the loss is linear in it; `FAR` is that on the other side."""


@jax.custom_jvp
def negative_binomial_log_mean(x: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The negative log-likelihood from the log-mean x."""
    counted, near = k > 0, jnp.minimum(x, HIGH)
    near = jnp.where(counted, jnp.maximum(near, -FAR), near)
    mean = as_minimum(jnp.exp(near), 1e36)
    # Near the count the mean exceeds it by k (e^d - 1), with d = x - log k to its last bit.
    d = jnp.where(counted, minus_log(near, one_if_zero(k)), jnp.full_like(k, 2))
    excess = jnp.where(jnp.abs(d) < 1, k * expm1(jnp.clip(d, -1, 1)), mean - k)
    linear = times(r, jnp.maximum(x - HIGH, 0)) + times(k, jnp.maximum(-FAR - x, 0))
    return _of_excess(excess, mean, k, r) + linear


@rule(negative_binomial_log_mean)
def _negative_binomial_log_mean_jvp(primals, tangents):
    x, k, r = primals
    value, near = negative_binomial_log_mean(x, k, r), jnp.minimum(x, HIGH)

    def in_k():
        certain = (k == 0) & (x == -jnp.inf)
        return negative_binomial_count_slope(jnp.where(certain, jnp.zeros_like(x), near), jnp.exp(near), k, r)

    def in_r():
        return negative_binomial_concentration_slope(jnp.exp(near), k, r) + jnp.maximum(x - HIGH, 0)

    in_x = lambda: _excess_slope(jnp.exp(near), k, r)  # noqa: E731
    return value, tangent(value, (in_x, tangents[0]), (in_k, tangents[1]), (in_r, tangents[2]))


@jax.custom_jvp
def negative_binomial_mean(mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The negative log-likelihood from the mean itself, which is at least 0."""
    infinite = mean == jnp.inf
    finite = jnp.where(infinite, jnp.ones_like(mean), mean)
    return jnp.where(infinite, mean, _of_excess(finite - k, finite, k, r))


@rule(negative_binomial_mean)
def _negative_binomial_mean_jvp(primals, tangents):
    mean, k, r = primals
    value = negative_binomial_mean(mean, k, r)
    finite = jnp.minimum(mean, 1e30)
    return value, tangent(
        value,
        (lambda: _mean_slope(finite, k, r), tangents[0]),
        (lambda: negative_binomial_count_slope(log_if_any(k, finite), finite, k, r), tangents[1]),
        (lambda: negative_binomial_concentration_slope(finite, k, r), tangents[2]),
    )


@jax.custom_jvp
def negative_binomial_exposed(p: jax.Array, offset: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The negative log-likelihood from the mean of a unit of exposure and the logarithm of the exposure."""
    return negative_binomial_mean(times(p, jnp.exp(offset)), k, r)


@rule(negative_binomial_exposed)
def _negative_binomial_exposed_jvp(primals, tangents):
    p, offset, k, r = primals
    value, mean = negative_binomial_exposed(p, offset, k, r), _bounded_mean(p, offset)
    return value, tangent(
        value,
        (lambda: _unit_slope(p, offset, k, r), tangents[0]),
        (lambda: _excess_slope(mean, k, r), tangents[1]),
        (lambda: negative_binomial_count_slope(_log_of_exposed(k, p, offset), mean, k, r), tangents[2]),
        (lambda: negative_binomial_concentration_slope(mean, k, r), tangents[3]),
    )


def _bounded_mean(p: jax.Array, offset: jax.Array) -> jax.Array:
    """The mean, as far as its slopes have finite terms."""
    return jnp.minimum(times(p, jnp.exp(offset)), 1e30)


def _log_of_exposed(k: jax.Array, p: jax.Array, offset: jax.Array) -> jax.Array:
    """The logarithm of the mean, 0 where it is 0 and so is the count."""
    return log_if_any(k, p) + jnp.where((k == 0) & (p == 0), jnp.zeros_like(offset), offset)


@jax.custom_jvp
def _unit_slope(p: jax.Array, offset: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The slope in the mean of a unit of exposure."""
    return jnp.exp(offset) * _mean_slope(_bounded_mean(p, offset), k, r)


@rule(_unit_slope)
def _unit_slope_jvp(primals, tangents):
    p, offset, k, r = primals
    exposure, mean, value = jnp.exp(offset), _bounded_mean(p, offset), _unit_slope(p, offset, k, r)
    # The slope in the offset is that of the offset's slope in p: by the product rule its terms would cancel.
    _, in_p = jax.jvp(lambda mean: _mean_slope(mean, k, r), (mean,), (jnp.ones_like(p),))
    _, in_offset = jax.jvp(lambda mean: _excess_slope(mean, k, r), (mean,), (jnp.ones_like(p),))
    zero = jnp.zeros_like(p)
    others = [t if not isinstance(t, SymbolicZero) else zero for t in tangents[2:]]
    _, rest = jax.jvp(lambda k, r: exposure * _mean_slope(mean, k, r), (k, r), tuple(others))
    slopes = (lambda: exposure * (exposure * in_p), tangents[0]), (lambda: exposure * in_offset, tangents[1])
    return value, tangent(value, *slopes) + rest


def _of_excess(excess: jax.Array, mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    """The negative log-likelihood from what the mean exceeds the count by, and the mean."""
    whole, counts = r + mean, r + k
    of_concentration = r * (log_growth_excess(-excess, whole, counts) / whole)
    of_count = times_log_growth_excess(_shared(excess, mean, r), k, mean * as_minimum(counts / whole, 1e38))
    return of_concentration + of_count + log_negative_binomial_peak(k, r)


def _shared(excess: jax.Array, mean: jax.Array, r: jax.Array) -> jax.Array:
    r"""$(\mu - k) r / (r + \mu)$ from the difference: the quotient that cannot underflow is formed first."""
    whole = r + mean
    small = r < mean
    return jnp.where(small, r, excess) * as_minimum(jnp.where(small, excess, r) / whole, 1e38)


@jax.custom_jvp
def _excess_slope(mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    r"""The slope in the log-mean or an exposure, $r (\mu - k) / (r + \mu)$, as a function of the mean."""
    return _shared(mean - k, mean, r)


@rule(_excess_slope)
def _excess_slope_jvp(primals, tangents):
    mean, k, r = primals
    share, rest, inverse = fraction(r, mean), fraction(mean, r), 1 / (r + mean)
    return _excess_slope(mean, k, r), tangent(
        mean,
        (lambda: ((r + k) * inverse) * share, tangents[0]),
        (lambda: -share, tangents[1]),
        (lambda: ((mean - k) * inverse) * rest, tangents[2]),
    )


@jax.custom_jvp
def _mean_slope(mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    r"""$\frac{\mu - k}{\mu} \cdot \frac{r}{r + \mu}$; for a count of 0 without the first factor, at a mean of 0 too."""
    some = jnp.where(k == 0, jnp.ones_like(mean), mean)
    return ((some - k) / some) * fraction(r, mean)


@rule(_mean_slope)
def _mean_slope_jvp(primals, tangents):
    mean, k, r = primals
    share, rest = fraction(r, mean), fraction(mean, r)
    inverse = jnp.where((k == 0) & (mean == 0), jnp.zeros_like(mean), 1 / mean)
    whole = 1 / (r + mean)
    some = (jnp.where(k == 0, jnp.ones_like(mean), mean) - k) / jnp.where(k == 0, jnp.ones_like(mean), mean)

    def in_mean():
        return (k * inverse) * (inverse * share) - (some * share) * whole

    return _mean_slope(mean, k, r), tangent(
        mean,
        (in_mean, tangents[0]),
        (lambda: -inverse * share, tangents[1]),
        (lambda: (some * rest) * whole, tangents[2]),
    )


@jax.custom_jvp
def negative_binomial_count_slope(log_mean: jax.Array, mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    r"""The slope in the count: $\log(r + \mu) - \log \mu - \psi(r + k) + \psi(k + 1)$."""
    whole, counts = r + mean, r + k
    # Where the mean is all of the sum, the first two terms are nothing, but their rounding errors would not be.
    log = jnp.where(whole == mean, -jnp.log(counts), log_ratio(whole, counts) - log_mean)
    return log + digamma_gap(counts) + digamma(k + 1)


@rule(negative_binomial_count_slope)
def _negative_binomial_count_slope_jvp(primals, tangents):
    log_mean, mean, k, r = primals
    inverse, counts = 1 / (r + mean), r + k
    value = negative_binomial_count_slope(log_mean, mean, k, r)
    return value, tangent(
        value,
        (lambda: -jnp.ones_like(value), tangents[0]),
        (lambda: inverse, tangents[1]),
        (lambda: trigamma(k + 1) - trigamma(counts), tangents[2]),
        (lambda: ((k - mean) * inverse) / counts - trigamma_gap(counts), tangents[3]),
    )


@jax.custom_jvp
def negative_binomial_concentration_slope(mean: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    r"""$\phi((k - \mu) / (r + \mu)) - (g(r) - g(r + k))$ with the digamma gap $g(x) = \log x - \psi(x)$."""
    whole = r + mean
    return log_growth_excess(k - mean, whole, r + k) / whole - digamma_gap_drop(r, k)


@rule(negative_binomial_concentration_slope)
def _negative_binomial_concentration_slope_jvp(primals, tangents):
    mean, k, r = primals
    inverse, counts = 1 / (r + mean), r + k
    gap = (k - mean) * inverse
    return negative_binomial_concentration_slope(mean, k, r), tangent(
        mean,
        (lambda: -gap * inverse, tangents[0]),
        (lambda: gap / counts - trigamma_gap(counts), tangents[1]),
        (lambda: trigamma_gap_drop(r, k) - (gap * gap) / counts, tangents[2]),
    )
