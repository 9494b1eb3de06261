"""The cross-entropy of rows of probabilities, without slopes in rows that do not count."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._mesh import keep
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._shapes import Axes
from jaxloss.numerics.guarded import divide, weighed
from jaxloss.numerics.log_products import log_if_any


@partial(jax.custom_jvp, nondiff_argnums=(3,))
@compiled(3)
def probabilities_nll(p: jax.Array, targets: jax.Array, where: jax.Array, axes: Axes) -> jax.Array:
    r"""$-\sum_k y_k \log p_k$ with $0 \log 0 = 0$ and slope 0 there; 0 where `where` is False, whatever the row holds.

    `targets` broadcasts against p. `where` and the result keep the class axes with length 1.
    """
    terms = weighed(targets, -jnp.log(p))
    return keep(where, jnp.sum(terms, axes, keepdims=True))


@rule(probabilities_nll)
def _probabilities_nll_jvp(axes, primals, tangents):
    p, targets, where = primals
    value = probabilities_nll(p, targets, where, axes)
    total = jnp.zeros_like(value)
    # Filled, because a nan of a masked row would reach the targets through the derivative of the quotient.
    p = keep(where, p, 1.0)
    if not isinstance(tangents[0], SymbolicZero):
        total = total - jnp.sum(
            keep(where, divide(jnp.broadcast_to(targets, p.shape), p)) * tangents[0], axes, keepdims=True
        )
    if not isinstance(tangents[1], SymbolicZero):
        total = total - jnp.sum(keep(where, log_if_any(targets, p)) * tangents[1], axes, keepdims=True)
    return value, total
