r"""Lengths of any degree, $(\sum_i |x_i|^p)^{1/p}$, whose powers neither overflow nor underflow, with slopes at 0."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import rule, tangent

Axes = tuple[int, ...]


def minkowski(x: jax.Array, p: jax.Array, eps: jax.Array, axes: Axes) -> jax.Array:
    r"""$\left(\sum_i |x_i|^p + \epsilon\right)^{1/p}$ for p above 0, infinity included; the axes keep length 1.

    Slope 0 at a zero vector, and in an element that is 0. Of infinite degree it is the largest element, whose slope is
    shared among ties.
    """
    largest = jnp.max(jnp.abs(x), axes, keepdims=True, initial=0.0)
    scale = lax.stop_gradient(jnp.maximum(largest, _rooted(eps, p)))
    limits = jnp.finfo(x.dtype)
    scale = jnp.where(scale >= float(limits.tiny), scale, jnp.ones_like(scale))
    shrunk = jnp.minimum(power(scale, -p), float(limits.max))
    return scale * _root(x / scale, p, eps * shrunk, axes)


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
        weighed = jnp.sum(_power_log(x, p), axes, keepdims=True) / (p * jnp.where(total > 0, total, 1))
        return value * (weighed - jnp.log(jnp.where(total > 0, total, 1)) / (p * p))

    along = jnp.sum(tangent(x, (lambda: signed_power(x, p - 1), tangents[0])), axes, keepdims=True)
    return value, shared * along + tangent(value, (in_p, tangents[1]), (lambda: shared / p, tangents[2]))


@jax.custom_jvp
def power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$|x|^r$, where 0 to a power below 0 is 0: it is a slope there, and one of the two sides' mean."""
    some = x != 0
    of_zero = jnp.where(r == 0, jnp.ones_like(x), jnp.zeros_like(x))
    return jnp.where(some, jnp.power(jnp.where(some, jnp.abs(x), jnp.ones_like(x)), r), of_zero)


@rule(power)
def _power_jvp(primals, tangents):
    x, r = primals
    slope = lambda: _factor(r) * signed_power(x, r - 1)  # noqa: E731
    return power(x, r), tangent(x, (slope, tangents[0]), (lambda: _power_log(x, r), tangents[1]))


@jax.custom_jvp
def signed_power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$|x|^r$ with the sign of x, 0 at 0."""
    return jnp.sign(x) * power(x, r)


@rule(signed_power)
def _signed_power_jvp(primals, tangents):
    x, r = primals
    slope = lambda: _factor(r) * power(x, r - 1)  # noqa: E731
    return signed_power(x, r), tangent(x, (slope, tangents[0]), (lambda: jnp.sign(x) * _power_log(x, r), tangents[1]))


@jax.custom_jvp
def positive_power(x: jax.Array, r: jax.Array) -> jax.Array:
    """$x^r$ for x of at least 0, as `power`, with the slope of its one side at 0 where that is finite, else 0."""
    return power(x, r)


@rule(positive_power)
def _positive_power_jvp(primals, tangents):
    x, r = primals
    slope = lambda: _factor(r) * positive_power(x, r - 1)  # noqa: E731
    return positive_power(x, r), tangent(x, (slope, tangents[0]), (lambda: _power_log(x, r), tangents[1]))


def _factor(r: jax.Array) -> jax.Array:
    """The exponent that comes down; of an infinite one there is no slope but at a jump."""
    return jnp.where(jnp.isinf(r), jnp.zeros_like(r), r)


def _power_log(x: jax.Array, r: jax.Array) -> jax.Array:
    r"""$|x|^r \log |x|$, 0 at 0."""
    some = x != 0
    return jnp.where(some, power(x, r) * jnp.log(jnp.abs(jnp.where(some, x, jnp.ones_like(x)))), jnp.zeros_like(x))


__all__ = ["minkowski", "positive_power", "power", "signed_power"]
