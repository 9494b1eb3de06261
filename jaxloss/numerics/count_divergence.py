r"""The negative log-likelihoods of two counts k and m from the log-odds x, free of cancellation.

With $p = \sigma(x)$, $q = 1 - p$ and $n = k + m$, the negative log-likelihood is the divergence of the shares k / n and
m / n from p and q, times n, and a part that depends on the counts alone (Loader, 2000):

$$-k \log p - m \log q = \left(k \log \frac{k}{n p} + m \log \frac{m}{n q}\right)
    + (n \log n - k \log k - m \log m).$$
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import expm1, leading_half, minus_log
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.gamma_ratio import digamma_difference, stirling_drop
from jaxloss.numerics.growth import log_growth, log_growth_excess
from jaxloss.numerics.guarded import one_if_zero, times
from jaxloss.numerics.logistic import miss, sigmoid, softplus
from jaxloss.numerics.polygamma import digamma

FAR = 60.0
"""Beyond it the losses of counts above 0 are linear in the log-odds, to the last bit, and continued from there."""


def times_log_growth_excess(growth: jax.Array, k: jax.Array, grown: jax.Array) -> jax.Array:
    r"""$g - k \log(c / k)$ for a growth g from k to c, as in `log_growth_excess`; g for k = 0. For values alone."""
    counted = k > 0
    return jnp.where(counted, log_growth_excess(growth, jnp.where(counted, k, jnp.ones_like(k)), grown), growth)


def both_shares(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""$\sigma(x)$ and $\sigma(-x)$."""
    return as_minimum(sigmoid(x), 2), as_minimum(miss(x), 2)


def expected_beyond(x: jax.Array, k: jax.Array, m: jax.Array) -> jax.Array:
    r"""$n p - k = m p - k q$, to the last bits also where it is small. For values, not for slopes."""
    p, q = both_shares(x)
    some = (k > 0) & (m > 0)
    k_, m_ = (jnp.where(some, count, jnp.ones_like(count)) for count in (k, m))
    # It is k q (e^d - 1) with d = x - log(k / m). The quotient is rounded, and what it loses is put back.
    ratio = as_minimum(k_ / m_, 1e38)
    high, m_high = leading_half(ratio), leading_half(m_)
    lost = ((k_ - high * m_high) - high * (m_ - m_high)) - (ratio - high) * m_
    d = minus_log(x, ratio) - as_minimum(lost / k_, 2)
    return jnp.where(some & (jnp.abs(d) < 1), (k * q) * expm1(jnp.clip(d, -1, 1)), m * p - k * q)


def divergence_from_logits(x: jax.Array, k: jax.Array, m: jax.Array) -> jax.Array:
    r"""$k \log(k / n p) + m \log(m / n q)$ for counts of at least 0, with $0 \log 0 = 0$. For values alone."""
    n = k + m
    near = jnp.where(m > 0, jnp.minimum(x, FAR), x)
    near = jnp.where(k > 0, jnp.maximum(near, -FAR), near)
    e, (p, q) = expected_beyond(near, k, m), both_shares(near)
    both = times_log_growth_excess(e, k, n * p) + times_log_growth_excess(-e, m, n * q)
    return both + beyond_far(x, k, m)


def beyond_far(x: jax.Array, k: jax.Array, m: jax.Array) -> jax.Array:
    """What the slope m adds for log-odds above `FAR`, and the slope -k for those below its opposite."""
    return times(m, jnp.maximum(x - FAR, 0)) + times(k, jnp.maximum(-FAR - x, 0))


def log_binomial_peak(k: jax.Array, m: jax.Array) -> jax.Array:
    r"""$n \log n - k \log k - m \log m$ minus the log of the binomial coefficient of k and m. For values alone."""
    less, more = jnp.minimum(k, m), one_if_zero(jnp.maximum(k, m))
    return log_peak(less) - 0.5 * log_growth(more, less) + stirling_drop(more, less)


@jax.custom_jvp
def binomial_nll(x: jax.Array, k: jax.Array, n: jax.Array) -> jax.Array:
    r"""$-\log \binom{n}{k} - k \log \sigma(x) - (n - k) \log \sigma(-x)$ for k from 0 to n."""
    return divergence_from_logits(x, k, n - k) + log_binomial_peak(k, n - k)


@rule(binomial_nll)
def _binomial_nll_jvp(primals, tangents):
    x, k, n = primals
    m = n - k
    value = binomial_nll(x, k, n)
    in_x = lambda: _balance(x, k, m)  # noqa: E731
    in_k = lambda: digamma(k + 1) - digamma(m + 1) - log_odds_unless_certain(x, k, m)  # noqa: E731
    in_n = lambda: softplus(log_odds_unless_certain(x, jnp.ones_like(k), m)) - digamma_difference(m + 1, k)  # noqa: E731
    return value, tangent(value, (in_x, tangents[0]), (in_k, tangents[1]), (in_n, tangents[2]))


@jax.custom_jvp
def negative_binomial_from_logits(x: jax.Array, k: jax.Array, r: jax.Array) -> jax.Array:
    r"""$-\log \frac{\Gamma(k + r)}{k! \, \Gamma(r)} - k \log \sigma(x) - r \log \sigma(-x)$ for r > 0."""
    return divergence_from_logits(x, k, r) + log_negative_binomial_peak(k, r)


def log_negative_binomial_peak(k: jax.Array, r: jax.Array) -> jax.Array:
    r"""The part of the negative log-likelihood that depends on count and concentration alone. For values alone."""
    return log_peak(k) + 0.5 * log_growth(r, k) + stirling_drop(r, k)


@rule(negative_binomial_from_logits)
def _negative_binomial_from_logits_jvp(primals, tangents):
    x, k, r = primals
    value = negative_binomial_from_logits(x, k, r)
    in_x = lambda: _balance(x, k, r)  # noqa: E731
    in_k = lambda: softplus(-log_odds_unless_certain(x, k, r)) + (digamma(k + 1) - digamma(r + k))  # noqa: E731
    in_r = lambda: softplus(x) - digamma_difference(r, k)  # noqa: E731
    return value, tangent(value, (in_x, tangents[0]), (in_k, tangents[1]), (in_r, tangents[2]))


def _balance(x: jax.Array, k: jax.Array, m: jax.Array) -> jax.Array:
    r"""$m p - k q$, with the slopes of its terms."""
    return m * sigmoid(x) - k * miss(x)


def log_odds_unless_certain(x: jax.Array, k: jax.Array, m: jax.Array) -> jax.Array:
    """The log-odds, but 0 where they are infinite and every count is of the outcome that they make certain."""
    return jnp.where(((x == -jnp.inf) & (k == 0)) | ((x == jnp.inf) & (m == 0)), jnp.zeros_like(x), x)
