r"""The smooth absolute error of PyTorch, which is the absolute error at $\beta = 0$."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent


@jax.custom_jvp
def smooth_l1(error: jax.Array, beta: jax.Array) -> jax.Array:
    r"""$e^2 / (2 \beta)$ where $|e| < \beta$, else $|e| - \beta / 2$."""
    size = jnp.abs(error)
    return jnp.where(size < beta, 0.5 * size * _ratio(size, beta), size - 0.5 * beta)


def _ratio(error: jax.Array, beta: jax.Array) -> jax.Array:
    r"""$e / \beta$ from -1 to 1; at $\beta = 0$ the sign."""
    inside = jnp.abs(error) < beta
    # A beta of 0 divides nothing, in derivatives too.
    return jnp.where(inside, error / jnp.where(inside, beta, jnp.ones_like(error)), jnp.sign(error))


@rule(smooth_l1)
def _smooth_l1_jvp(primals, tangents):
    error, beta = primals
    ratio = lambda: _ratio(error, beta)  # noqa: E731
    return smooth_l1(error, beta), tangent(
        error, (ratio, tangents[0]), (lambda: -0.5 * jnp.square(ratio()), tangents[1])
    )
