r"""Lengths of any degree, $(\sum_i |x_i|^p)^{1/p}$, whose powers neither overflow nor underflow, with slopes at 0."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import compiled, rule, tangent
from jaxloss.numerics._shapes import Axes
from jaxloss.numerics.powers import power, power_log, signed_power


@compiled(3)
def minkowski(x: jax.Array, p: jax.Array, eps: jax.Array, axes: Axes) -> jax.Array:
    r"""$\left(\sum_i |x_i|^p + \epsilon\right)^{1/p}$ for p above 0, infinity included; the axes keep length 1.

    Slope 0 at a zero vector, and in an element that is 0. Of infinite degree it is the largest element, whose slope is
    shared among ties.
    """
    # The rule of a maximum with a start is refused on explicit meshes (JAX 0.12), so it is kept from being derived.
    largest = jnp.max(jnp.abs(lax.stop_gradient(x)), axes, keepdims=True, initial=0.0)
    scale = jnp.maximum(largest, lax.stop_gradient(_rooted(eps, p)))
    limits = jnp.finfo(x.dtype)
    scale = jnp.where(scale >= float(limits.tiny), scale, jnp.ones_like(scale))
    shrunk = jnp.minimum(power(scale, -p), float(limits.max))
    # XLA may multiply by the reciprocal, which is flushed to 0 where it is below the smallest normal number.
    part = jnp.where(scale > 0.125 * float(limits.max), filled(scale, 0.25), jnp.ones_like(scale))
    return scale * _root((part * x) / (part * scale), p, eps * shrunk, axes)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _root(x: jax.Array, p: jax.Array, eps: jax.Array, axes: Axes) -> jax.Array:
    return _rooted(_total(x, p, eps, axes), p)


def _rooted(total: jax.Array, p: jax.Array) -> jax.Array:
    """$T^{1/p}$; 0 for a total of 0, of infinite degree too."""
    return jnp.where(total > 0, power(total, 1 / p), jnp.zeros_like(total))


def _total(x: jax.Array, p: jax.Array, eps: jax.Array, axes: Axes) -> jax.Array:
    return jnp.sum(power(x, p), axes, keepdims=True) + eps


@rule(_root)
def _root_jvp(axes, primals, tangents):
    x, p, eps = primals
    total, value = _total(x, p, eps, axes), _root(x, p, eps, axes)
    shared = power(total, 1 / p - 1)

    def in_p() -> jax.Array:
        # d log T^(1/p) / dp = sum |x|^p log |x| / (p T) - log T / p^2
        weighed = jnp.sum(power_log(x, p), axes, keepdims=True) / (p * jnp.where(total > 0, total, 1))
        return value * (weighed - jnp.log(jnp.where(total > 0, total, 1)) / (p * p))

    along = jnp.sum(tangent(x, (lambda: signed_power(x, p - 1), tangents[0])), axes, keepdims=True)
    return value, shared * along + tangent(value, (in_p, tangents[1]), (lambda: shared / p, tangents[2]))
