r"""Negative log-likelihoods of counts whose zeros have a gate of log-odds g: zero-inflated laws and hurdle laws.

Where the count is 0, the formula for positive counts is computed at a count of 1 and a rate of 1 (`fill` is that rate
or its logarithm), and the other way round: slopes of the formula that is not selected are multiplied by 0, and stay
finite.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import pushed, rule
from jaxloss.numerics.growth import log_growth, weighted_log_growth
from jaxloss.numerics.logistic import softplus, softplus_minus
from jaxloss.numerics.negative_binomial import HIGH, negative_binomial_log_mean, negative_binomial_mean
from jaxloss.numerics.poisson import poisson_exact_log_rate, poisson_exact_rate
from jaxloss.numerics.truncated_negative_binomial import (
    truncated_negative_binomial_log_mean,
    truncated_negative_binomial_mean,
)
from jaxloss.numerics.truncated_poisson import truncated_poisson_log_rate, truncated_poisson_rate
from jaxloss.numerics.zero_inflation import zero_nll, zero_nll_log_rate

Nll = Callable[[jax.Array, jax.Array], jax.Array]


def zero_inflated_poisson_log_rate(x: jax.Array, k: jax.Array, g: jax.Array) -> jax.Array:
    """The zero-inflated law, by the log-rate."""
    return _inflated(zero_nll_log_rate, poisson_exact_log_rate, x, k, g, jnp.zeros_like(x))


def zero_inflated_poisson_rate(r: jax.Array, k: jax.Array, g: jax.Array) -> jax.Array:
    """The zero-inflated law, by the rate."""
    return _inflated(zero_nll, poisson_exact_rate, r, k, g, jnp.ones_like(r))


def hurdle_poisson_log_rate(x: jax.Array, k: jax.Array, g: jax.Array) -> jax.Array:
    """The hurdle, by the log-rate."""
    return _hurdle(truncated_poisson_log_rate, x, k, g, jnp.zeros_like(x))


def hurdle_poisson_rate(r: jax.Array, k: jax.Array, g: jax.Array) -> jax.Array:
    """The hurdle, by the rate."""
    return _hurdle(truncated_poisson_rate, r, k, g, jnp.ones_like(r))


def hurdle_negative_binomial_log_mean(x: jax.Array, k: jax.Array, r: jax.Array, g: jax.Array) -> jax.Array:
    """The hurdle of the negative binomial law of concentration r, by the log-mean."""
    return _hurdle(lambda x, k: truncated_negative_binomial_log_mean(x, k, r), x, k, g, jnp.zeros_like(x))


def hurdle_negative_binomial_mean(m: jax.Array, k: jax.Array, r: jax.Array, g: jax.Array) -> jax.Array:
    """The hurdle of the negative binomial law of concentration r, by the mean."""
    return _hurdle(lambda m, k: truncated_negative_binomial_mean(m, k, r), m, k, g, jnp.ones_like(m))


def zero_inflated_negative_binomial_log_mean(x: jax.Array, k: jax.Array, r: jax.Array, g: jax.Array) -> jax.Array:
    """The zero-inflated negative binomial law of concentration r, by the log-mean."""
    return _inflated_by(negative_binomial_log_mean, _zero_log_mean, x, k, r, g, jnp.zeros_like(x))


def zero_inflated_negative_binomial_mean(m: jax.Array, k: jax.Array, r: jax.Array, g: jax.Array) -> jax.Array:
    """The zero-inflated negative binomial law of concentration r, by the mean."""
    return _inflated_by(negative_binomial_mean, _zero_mean, m, k, r, g, jnp.ones_like(m))


@jax.custom_jvp
def _zero_log_mean(x: jax.Array, r: jax.Array) -> jax.Array:
    r"""$r \log(1 + e^x / r)$: the negative log-likelihood of a count of 0, of fewer terms than that of any."""
    return _zero_mean(jnp.exp(jnp.minimum(x, HIGH)), r) + r * jnp.maximum(x - HIGH, 0)


@rule(_zero_log_mean)
def _zero_log_mean_jvp(primals, tangents):
    of_zero = lambda x, r: negative_binomial_log_mean(x, jnp.zeros_like(x), r)  # noqa: E731
    return _zero_log_mean(*primals), pushed(of_zero, primals, tangents)


@jax.custom_jvp
def _zero_mean(m: jax.Array, r: jax.Array) -> jax.Array:
    """The same from the mean."""
    return weighted_log_growth(r, m, log_growth(r, m))


@rule(_zero_mean)
def _zero_mean_jvp(primals, tangents):
    of_zero = lambda m, r: negative_binomial_mean(m, jnp.zeros_like(m), r)  # noqa: E731
    return _zero_mean(*primals), pushed(of_zero, primals, tangents)


def _inflated_by(
    law: Callable[..., jax.Array],
    zero: Nll,
    x: jax.Array,
    k: jax.Array,
    r: jax.Array,
    g: jax.Array,
    fill: jax.Array,
) -> jax.Array:
    absent, finite = k == 0, x < jnp.inf
    # Of an infinite mean every zero is structural, and the law's slopes, which are infinite, have no part in it.
    own = zero(jnp.where(absent & finite, x, fill), r)
    of_zero = jnp.where(finite, zero_nll(own, g), softplus_minus(g))
    counted = law(jnp.where(absent, fill, x), jnp.where(absent, jnp.ones_like(k), k), r)
    return jnp.where(absent, of_zero, softplus(g) + counted)


def _inflated(zero: Nll, law: Nll, x: jax.Array, k: jax.Array, g: jax.Array, fill: jax.Array) -> jax.Array:
    absent = k == 0
    of_zero = zero(jnp.where(absent, x, fill), g)
    counted = law(jnp.where(absent, fill, x), jnp.where(absent, jnp.ones_like(k), k))
    return jnp.where(absent, of_zero, softplus(g) + counted)


def _hurdle(truncated: Nll, x: jax.Array, k: jax.Array, g: jax.Array, fill: jax.Array) -> jax.Array:
    absent = k == 0
    counted = truncated(jnp.where(absent, fill, x), jnp.where(absent, jnp.ones_like(k), k))
    return jnp.where(absent, softplus_minus(g), softplus(g) + counted)
