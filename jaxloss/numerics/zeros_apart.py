r"""Likelihoods of counts whose zeros are told apart by a gate of log-odds g: inflated zeros, and hurdles.

Where the count is 0 the formula of the positive counts is computed at a count of 1 and a rate of 1, and the other way
round, so that no slope of the one is nan and multiplied by 0 where the other is taken.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxloss.numerics.logistic import softplus, softplus_minus
from jaxloss.numerics.poisson import poisson_exact_log_rate, poisson_exact_rate
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


def _inflated(zero: Nll, law: Nll, x: jax.Array, k: jax.Array, g: jax.Array, harmless: jax.Array) -> jax.Array:
    absent = k == 0
    of_zero = zero(jnp.where(absent, x, harmless), g)
    counted = law(jnp.where(absent, harmless, x), jnp.where(absent, jnp.ones_like(k), k))
    return jnp.where(absent, of_zero, softplus(g) + counted)


def _hurdle(truncated: Nll, x: jax.Array, k: jax.Array, g: jax.Array, harmless: jax.Array) -> jax.Array:
    absent = k == 0
    counted = truncated(jnp.where(absent, harmless, x), jnp.where(absent, jnp.ones_like(k), k))
    return jnp.where(absent, softplus_minus(g), softplus(g) + counted)
