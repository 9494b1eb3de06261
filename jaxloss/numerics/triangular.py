r"""The Gaussian negative log-likelihood of vectors, from a triangular factor of the covariance."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import aligned, automatic, keep


def diagonal(factor: jax.Array) -> jax.Array:
    """The diagonals of matrices, by a sum: explicit axes keep their shardings."""
    return jnp.sum(jnp.where(_identity(factor) == 1, factor, jnp.zeros_like(factor)), -1)


def or_identity(mask: jax.Array, factor: jax.Array) -> jax.Array:
    """The matrices where the mask is True, elsewhere the identity."""
    return keep(mask, factor) + keep(~mask, _identity(factor))


def _identity(factor: jax.Array) -> jax.Array:
    one = jnp.eye(factor.shape[-1], dtype=factor.dtype).reshape((1,) * (factor.ndim - 2) + factor.shape[-2:])
    return aligned(factor, jnp.broadcast_to(one, factor.shape))[1]


def triangular_nll(error: jax.Array, factor: jax.Array) -> jax.Array:
    r"""$|L^{-1} e|^2 / 2 + \sum_i \log L_{ii} + (d / 2) \log 2 \pi$; what stands above the diagonal of L is ignored."""
    d = error.shape[-1]
    solved = automatic(_solved, error, error, factor)
    return 0.5 * jnp.sum(solved * solved, -1) + (
        jnp.sum(jnp.log(diagonal(factor)), -1) + 0.5 * d * math.log(2 * math.pi)
    )


def _solved(error: jax.Array, factor: jax.Array) -> jax.Array:
    columns = lax.linalg.triangular_solve(factor, error[..., None], left_side=True, lower=True)
    return jnp.squeeze(columns, -1)
