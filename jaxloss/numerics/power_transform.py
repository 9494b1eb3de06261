r"""The Box-Cox transform of a probability, $(1 - p^q) / q$, exact where p is near 1 and where q is small.

It goes from $-\log p$ at $q \to 0$ to $1 - p$ at q = 1.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1, from_tiny, polynomial


@jax.custom_jvp
def box_cox(p: jax.Array, q: jax.Array) -> jax.Array:
    r"""$(1 - p^q) / q$ for p from 0 to 1 and q above 0.

    For q < 1 the true slope in p at 0 is infinite; here it is constant below the smallest normal number. The curvature,
    which grows faster, is constant below that number too, and at most the largest float.
    """
    return -expm1(q * jnp.log(p)) / q


@rule(box_cox)
def _box_cox_jvp(primals, tangents):
    p, q = primals
    value = box_cox(p, q)
    return value, tangent(value, (lambda: -_ratio(p, q), tangents[0]), (lambda: _in_power(p, q), tangents[1]))


@jax.custom_jvp
def _ratio(p: jax.Array, q: jax.Array) -> jax.Array:
    """$p^q / p$, not $p^{q - 1}$: the power would multiply the rounding error of q - 1 by the logarithm of p."""
    p = from_tiny(p)
    return jnp.power(p, jnp.broadcast_to(q, p.shape)) / p


@rule(_ratio)
def _ratio_jvp(primals, tangents):
    p, q = primals
    value = _ratio(p, q)
    return value, tangent(
        value, (lambda: _curvature(p, q), tangents[0]), (lambda: value * jnp.log(from_tiny(p)), tangents[1])
    )


def _curvature(p: jax.Array, q: jax.Array) -> jax.Array:
    """$(q - 1) p^q / p^2$, or minus the largest float where that is less: infinity times 0 is nan in a Hessian."""
    lowest = jnp.finfo(p.dtype).min
    floored = from_tiny(p)
    is_float = (1 - q) * lax.stop_gradient(_ratio(p, q)) < -lowest * floored
    inside = jnp.where(is_float, floored, jnp.ones_like(p))
    return jnp.where(is_float, (q - 1) * _ratio(inside, q) / inside, filled(p, lowest))


def _in_power(p: jax.Array, q: jax.Array) -> jax.Array:
    r"""$-(u e^u + 1 - e^u) / q^2$ with $u = q \log p$, which is $-(\log p)^2 \sum_j \frac{j + 1}{(j + 2)!} u^j$."""
    log = jnp.maximum(jnp.log(from_tiny(p)), -1e4)
    u = q * log
    near = u > -1
    small = jnp.where(near, u, jnp.zeros_like(u))
    terms = 12 if u.dtype == jnp.float32 else 20
    series = polynomial(small, [(j + 1) / math.factorial(j + 2) for j in range(terms)])
    large = jnp.where(near, filled(u, -1), u)
    far = (large * jnp.exp(large) - expm1(large)) / (q * q)
    return -jnp.where(near, log * log * series, far)
