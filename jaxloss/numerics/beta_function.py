"""The logarithm of the beta function."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.gamma_ratio import digamma_difference, stirling_drop
from jaxloss.numerics.growth import log_growth


@jax.custom_jvp
def log_beta(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log \mathrm{B}(a, b) = \log \Gamma(a) + \log \Gamma(b) - \log \Gamma(a + b)$ for a and b above 0."""
    # With p the smaller and q the larger, by Stirling's formula for q and p + q; of p alone it is
    # log p! - p log p + p - log p, which is exact down to 0.
    p, q = jnp.minimum(a, b), jnp.maximum(a, b)
    entropy = p * log_growth(p, q) + (q - 0.5) * log_growth(q, p)
    return (log_peak(p) - jnp.log(p) + stirling_drop(q, p)) - entropy


@rule(log_beta)
def _log_beta_jvp(primals, tangents):
    a, b = primals
    value = log_beta(a, b)
    return value, tangent(
        value, (lambda: -digamma_difference(a, b), tangents[0]), (lambda: -digamma_difference(b, a), tangents[1])
    )
