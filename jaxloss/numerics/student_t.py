r"""Student's negative log-likelihood for any degrees of freedom, infinity included, where it is the Gaussian one.

With $z = e / s$ for an error e and a scale s, and $q = z^2 / \nu$, it is

$$\log s + \tfrac12 \log 2 \pi + g(\nu) + \tfrac12 (\nu + 1) \log(1 + q)$$

with g of `half_step.py`. The derivatives are made of $p = 1 / (1 + q)$, which falls from 1 to 0.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import atanh_tail
from jaxloss.numerics.guarded import largest, one_if_zero
from jaxloss.numerics.half_step import half_step, half_step_curvature, half_step_fall


class _Parts(NamedTuple):
    """What value and slopes are made of; finite for finite errors, where z or its square overflow too."""

    near: jax.Array
    r"""Whether $q \le 1$."""
    z: jax.Array
    q: jax.Array
    """q where it is at most 1, else 1 / q."""
    rest: jax.Array
    """p"""
    share: jax.Array
    """$1 - p$"""
    square: jax.Array
    """$z^2 p$"""
    pull: Callable[[], jax.Array]
    """$z p / s$"""
    half_log: Callable[[], jax.Array]
    r"""$\tfrac12 \log q$ where q is above 1, else 0."""


def _parts(error: jax.Array, nu: jax.Array, scale: jax.Array) -> _Parts:
    most = largest(error)
    z = jnp.clip(error / scale, -most, most)
    square = jnp.minimum(z * z, most)
    near = square <= nu
    # Quotients as minima, so that XLA does not store them.
    q = as_minimum(jnp.minimum(square, nu) / jnp.maximum(square, nu), 2)
    whole = as_minimum(1 / (1 + q), 2)
    return _Parts(
        near=near,
        z=z,
        q=q,
        rest=jnp.where(near, whole, q * whole),
        share=jnp.where(near, q * whole, whole),
        square=jnp.minimum(square, nu) * whole,
        pull=lambda: jnp.where(near, z / scale, jnp.where(near, jnp.zeros_like(nu), nu) / one_if_zero(error)) * whole,
        half_log=lambda: _half_log(error, nu, scale, z, near),
    )


def _log1p_quotient(q: jax.Array) -> jax.Array:
    r"""$\log(1 + q) / q$ for q from 0 to 1."""
    s = as_minimum(q / (2 + q), 1)
    return (1 - s) * (1 + s * s * atanh_tail(s * s, 1 / 9))


@jax.custom_jvp
def student_t_nll(error: jax.Array, nu: jax.Array, scale: jax.Array) -> jax.Array:
    """The negative log-likelihood of an error under degrees of freedom and a scale above 0."""
    parts = _parts(error, nu, scale)
    near, z, q = parts.near, parts.z, parts.q
    ratio = _log1p_quotient(q)
    # (nu + 1) log(1 + q) = (z^2 + q) log(1 + q) / q, in which nothing is infinite at infinite nu.
    light = 0.5 * (z * (z * ratio) + q * ratio)
    heavy = (jnp.where(near, jnp.zeros_like(nu), nu) + 1) * (parts.half_log() + 0.5 * q * ratio)
    losses = (jnp.log(scale) + 0.5 * math.log(2 * math.pi)) + (half_step(nu) + jnp.where(near, light, heavy))
    return jnp.where(jnp.isinf(error), jnp.abs(error), losses)


def _half_log(error: jax.Array, nu: jax.Array, scale: jax.Array, z: jax.Array, near: jax.Array) -> jax.Array:
    r"""$\tfrac12 \log q$ where q is above 1, else 0; q may overflow, and z, which is taken in another unit then."""
    one, unit = jnp.ones_like(z), 2.0**64
    beyond = ~near & (jnp.abs(z) > 1e30)
    size = jnp.where(beyond, (jnp.abs(error) * (1 / unit)) / (scale * unit), jnp.abs(z))
    log = jnp.log(jnp.where(near, one, size) / jnp.sqrt(jnp.where(near, one, nu)))
    return log + jnp.where(beyond, 2 * math.log(unit) * one, 0 * one)


@rule(student_t_nll)
def _student_t_nll_jvp(primals, tangents):
    value, slopes = student_t_nll(*primals), (_error_slope, _nu_slope, _scale_slope)
    return value, tangent(value, *((partial(f, *primals), t) for f, t in zip(slopes, tangents, strict=True)))


@jax.custom_jvp
def _error_slope(error: jax.Array, nu: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$(1 + 1 / \nu) z p / s$."""
    parts = _parts(error, nu, scale)
    return (1 + 1 / nu) * parts.pull()


@rule(_error_slope)
def _error_slope_jvp(primals, tangents):
    parts, value, inverse, one_over_scale = _parts(*primals), _error_slope(*primals), 1 / primals[1], 1 / primals[2]
    more = 1 + inverse
    return value, tangent(
        value,
        (lambda: ((parts.rest - parts.share) * parts.rest * more * one_over_scale) * one_over_scale, tangents[0]),
        (lambda: _error_and_nu(parts, inverse), tangents[1]),
        (lambda: -2 * (parts.pull() * parts.rest * more) * one_over_scale, tangents[2]),
    )


def _error_and_nu(parts: _Parts, inverse: jax.Array) -> jax.Array:
    r"""$z (z^2 - 1) p^2 / \nu^2 s$."""
    # In this order: 1 / nu^2 may overflow where z is 0.
    return ((parts.pull() * inverse) * (parts.square - parts.rest)) * inverse


@jax.custom_jvp
def _nu_slope(error: jax.Array, nu: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$g'(\nu) + \tfrac12 (\log(1 + q) - q p - q p / \nu)$."""
    parts = _parts(error, nu, scale)
    # log(1 + q) - q / (1 + q) in s = q / (2 + q), where q is small without cancellation.
    s = parts.q / (2 + parts.q)
    light = 2 * s * (s / (1 + s) + s * s * atanh_tail(s * s, 1 / 9))
    heavy = 2 * parts.half_log() + (parts.q * _log1p_quotient(parts.q) - parts.share)
    return 0.5 * (jnp.where(parts.near, light, heavy) - parts.share / nu) - half_step_fall(nu)


@rule(_nu_slope)
def _nu_slope_jvp(primals, tangents):
    parts, value, inverse, one_over_scale = _parts(*primals), _nu_slope(*primals), 1 / primals[1], 1 / primals[2]
    half = 0.5 * (parts.share * inverse)

    def in_nu():
        return half_step_curvature(primals[1]) + half * (inverse * (1 + parts.rest) - parts.share)

    return value, tangent(
        value,
        (lambda: _error_and_nu(parts, inverse), tangents[0]),
        (in_nu, tangents[1]),
        (lambda: 2 * half * (parts.rest - parts.square) * one_over_scale, tangents[2]),
    )


@jax.custom_jvp
def _scale_slope(error: jax.Array, nu: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$(1 - z^2) p / s$."""
    parts = _parts(error, nu, scale)
    return (parts.rest - parts.square) / scale


@rule(_scale_slope)
def _scale_slope_jvp(primals, tangents):
    parts, value, inverse, one_over_scale = _parts(*primals), _scale_slope(*primals), 1 / primals[1], 1 / primals[2]
    p, square = parts.rest, parts.square

    def in_scale():
        return ((square * (1 + 2 * p) - (p - parts.share) * p) * one_over_scale) * one_over_scale

    return value, tangent(
        value,
        (lambda: -2 * (parts.pull() * p * (1 + inverse)) * one_over_scale, tangents[0]),
        (lambda: (parts.share * inverse) * (p - square) * one_over_scale, tangents[1]),
        (in_scale, tangents[2]),
    )
