"""The exponential less its tangent at 0."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule
from jaxloss.numerics.elementary import exp_tail, expm1


@jax.custom_jvp
def expm1_minus(x: jax.Array) -> jax.Array:
    r"""$e^x - 1 - x$, without the cancellation at 0; infinite at both infinities."""
    d = jnp.clip(x, -2, 2)
    far = jnp.where(x > 0, jnp.exp(x) - (1 + x), jnp.exp(x) + (-1 - x))
    return jnp.where(d == x, d * d * exp_tail(d, 2), jnp.where(x == jnp.inf, x, far))


@rule(expm1_minus)
def _expm1_minus_jvp(primals, tangents):
    (x,) = primals
    return expm1_minus(x), expm1(x) * tangents[0]
