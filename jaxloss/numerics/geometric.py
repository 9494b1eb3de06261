r"""The negative log-likelihood of a number of failures before a success, from the logit of the success."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import times
from jaxloss.numerics.logistic import miss, sigmoid, softplus, softplus_minus


@jax.custom_jvp
def failures_nll(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$-\log \sigma(x) - k \log \sigma(-x)$."""
    return softplus_minus(x) + times(k, softplus(x))


@rule(failures_nll)
def _failures_nll_jvp(primals, tangents):
    x, k = primals
    value = failures_nll(x, k)
    return value, tangent(value, (lambda: _slope(x, k), tangents[0]), (lambda: _in_count(x, k), tangents[1]))


def _in_count(x: jax.Array, k: jax.Array) -> jax.Array:
    """The negative log-probability of a failure, but 0 where a success is certain and there is none."""
    return softplus(jnp.where((k == 0) & (x == jnp.inf), -x, x))


@jax.custom_jvp
def _slope(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$k \sigma(x) - \sigma(-x)$."""
    return k * sigmoid(x) - miss(x)


@rule(_slope)
def _slope_jvp(primals, tangents):
    x, k = primals
    value = _slope(x, k)
    # The exponential e^(-|x|) as the square of its root, one factor of which is multiplied by k + 1 first: by itself it
    # may underflow where the product does not.
    root = jnp.exp(-0.5 * jnp.abs(x))
    half = root / (1 + root * root)
    return value, tangent(value, (lambda: ((k + 1) * half) * half, tangents[0]), (lambda: sigmoid(x), tangents[1]))
