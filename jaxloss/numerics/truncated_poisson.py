r"""The negative log-likelihood of positive counts k that follow a Poisson law of rate r without its zeros.

$$\ell = r - k \log r + \log k! + \log(1 - e^{-r}) = -(k - 1) \log r + \log k! + \varphi(r)$$

with $\varphi(r) = \log \frac{e^r - 1}{r}$. The first form does not cancel for rates from 1 on, the second below.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1
from jaxloss.numerics.factorial import log_factorial
from jaxloss.numerics.growth_mean import bernoulli_series, log_growth_mean, near_curvature, near_slope
from jaxloss.numerics.guarded import clip_positive_infinity, divide, times
from jaxloss.numerics.log_products import log_if_any, xlogy
from jaxloss.numerics.logistic import log1mexp
from jaxloss.numerics.poisson import poisson_exact_log_rate, poisson_exact_rate
from jaxloss.numerics.polygamma import digamma


@jax.custom_jvp
def truncated_poisson_log_rate(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""The loss of a log-rate x, for a count k of at least 1."""
    small = x < 0
    low, high = jnp.minimum(x, 0), jnp.maximum(x, 0)
    near = log_factorial(k) + (log_growth_mean(jnp.exp(low)) - times(k - 1, low))
    far = poisson_exact_log_rate(high, k) + log1mexp(jnp.exp(high))
    return jnp.where(small, near, far)


@rule(truncated_poisson_log_rate)
def _truncated_poisson_log_rate_jvp(primals, tangents):
    x, k = primals
    in_k = lambda: digamma(k + 1) - log_rate_unless_certain(x, k)  # noqa: E731
    return truncated_poisson_log_rate(x, k), tangent(x, (lambda: _excess(x, k), tangents[0]), (in_k, tangents[1]))


@jax.custom_jvp
def truncated_poisson_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""The loss of a rate r, for a count k of at least 1."""
    small = r < 1
    low, high = jnp.minimum(r, 1), jnp.maximum(r, 1)
    near = log_factorial(k) + (log_growth_mean(low) - xlogy(k - 1, low))
    far = poisson_exact_rate(high, k) + log1mexp(high)
    return jnp.where(small, near, far)


@rule(truncated_poisson_rate)
def _truncated_poisson_rate_jvp(primals, tangents):
    r, k = primals
    in_k = lambda: digamma(k + 1) - log_if_any(k - 1, r)  # noqa: E731
    return truncated_poisson_rate(r, k), tangent(r, (lambda: _excess_of_rate(r, k), tangents[0]), (in_k, tangents[1]))


def log_rate_unless_certain(x: jax.Array, k: jax.Array) -> jax.Array:
    """The log-rate x, but 0 where a count of 1 is certain, as in `log_if_any`."""
    return jnp.where((k == 1) & (x == -jnp.inf), jnp.zeros_like(x), x)


@jax.custom_jvp
def _excess(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$r / (1 - e^{-r}) - k$: the mean of the law less the count."""
    small, low, high = _sides(x)
    return jnp.where(small, low * near_slope(low) - (k - 1), (high - k) + high / expm1(high))


@rule(_excess)
def _excess_jvp(primals, tangents):
    x, k = primals
    value = _excess(x, k)

    def in_x():
        small, low, high = _sides(x)
        share = high / expm1(high)
        return jnp.where(small, low * (0.5 + low * bernoulli_series(low * low, float)), (high + share) * (1 - share))

    return value, tangent(value, (in_x, tangents[0]), (lambda: -jnp.ones_like(x), tangents[1]))


def _sides(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Whether the rate is below 1, and the rate bounded from above and below by 1, and by what a float holds."""
    return x < 0, jnp.exp(jnp.minimum(x, 0)), jnp.exp(jnp.clip(x, 0, 88.7))


@jax.custom_jvp
def _excess_of_rate(r: jax.Array, k: jax.Array) -> jax.Array:
    r"""$1 / (1 - e^{-r}) - k / r$."""
    low, high = jnp.minimum(r, 1), jnp.clip(r, 1, float(jnp.finfo(r.dtype).max))
    near = near_slope(low) - divide(k - 1, low)
    return jnp.where(r < 1, near, (high - k) / high + 1 / expm1(high))


@rule(_excess_of_rate)
def _excess_of_rate_jvp(primals, tangents):
    r, k = primals
    value = _excess_of_rate(r, k)
    inverse = 1 / clip_positive_infinity(r)

    def in_r():
        low, high = jnp.minimum(r, 1), jnp.maximum(r, 1)
        own = times(k - 1, inverse) * jnp.where(k == 1, 0, inverse)
        near = near_curvature(low) + own
        return jnp.where(r < 1, near, times(k, inverse) * inverse + (1 / expm1(high)) / expm1(-high))

    in_k = lambda: -jnp.where((k == 1) & (r == 0), 0, inverse)  # noqa: E731
    return value, tangent(value, (in_r, tangents[0]), (in_k, tangents[1]))
