"""The binary cross-entropy with bounded logarithms, as PyTorch defines it."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import log1p

_LOWEST = -100.0
_LEAST_VARIANCE = 1e-12


@jax.custom_jvp
def bounded_bernoulli_nll(p: jax.Array, y: jax.Array) -> jax.Array:
    r"""$-y \log p - (1 - y) \log(1 - p)$ with logarithms from -100, and with $p (1 - p) \ge 10^{-12}$ in the slope."""
    hit, miss = _logarithms(p)
    return -y * hit - (1 - y) * miss


def _logarithms(p: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.maximum(jnp.log(p), _LOWEST), jnp.maximum(log1p(-p), _LOWEST)


@rule(bounded_bernoulli_nll)
def _bounded_bernoulli_nll_jvp(primals, tangents):
    p, y = primals

    def in_y():
        hit, miss = _logarithms(p)
        return miss - hit

    in_p = lambda: (p - y) / jnp.maximum(p * (1 - p), _LEAST_VARIANCE)  # noqa: E731
    return bounded_bernoulli_nll(p, y), tangent(p, (in_p, tangents[0]), (in_y, tangents[1]))
