"""Errors of which those above 0 have another weight than those below it, as quantiles and expectiles weigh them.

A weight is at least 0, and 0 times an infinite error is 0. At an error of 0 a slope is the mean of those of both sides.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import absent, difference_factors


def _by_sign(error: jax.Array, positive: jax.Array, negative: jax.Array) -> jax.Array:
    """The one where the error is above 0, the other where it is below, and their mean where it is 0."""
    middle = 0.5 * positive + 0.5 * negative
    return jnp.where(error > 0, positive, jnp.where(error < 0, negative, middle))


def _part(error: jax.Array, weight: jax.Array) -> jax.Array:
    r"""$\max(e, 0)$, but 0 where it is infinite and its weight is 0."""
    return absent(weight, jnp.maximum(error, 0))


@jax.custom_jvp
def uneven_absolute(t: jax.Array, x: jax.Array, above: jax.Array, below: jax.Array) -> jax.Array:
    r"""$a |t - x|$ for t above x, $b |t - x|$ for t below it, with the weights a = `above` and b = `below`."""
    error, unit = difference_factors(t, x)
    return jnp.where(error > 0, (unit * above) * _part(error, above), (unit * below) * absent(below, -error))


@rule(uneven_absolute)
def _uneven_absolute_jvp(primals, tangents):
    t, x, above, below = primals
    error = t - x
    slope = lambda: _by_sign(error, above, -below)  # noqa: E731
    return uneven_absolute(t, x, above, below), tangent(
        error,
        (slope, tangents[0]),
        (lambda: -slope(), tangents[1]),
        (lambda: _part(error, above), tangents[2]),
        (lambda: _part(-error, below), tangents[3]),
    )


@jax.custom_jvp
def uneven_square(error: jax.Array, above: jax.Array, below: jax.Array) -> jax.Array:
    r"""$a e^2$ for an error e above 0, $b e^2$ for one below it, with the weights a = `above` and b = `below`."""
    weight = jnp.where(error > 0, above, below)
    return (weight * absent(weight, error)) * absent(weight, error)


@rule(uneven_square)
def _uneven_square_jvp(primals, tangents):
    error, above, below = primals
    return uneven_square(error, above, below), tangent(
        error,
        (lambda: 2 * _uneven(error, above, below), tangents[0]),
        (lambda: jnp.square(_part(error, above)), tangents[1]),
        (lambda: jnp.square(_part(-error, below)), tangents[2]),
    )


@jax.custom_jvp
def _uneven(error: jax.Array, above: jax.Array, below: jax.Array) -> jax.Array:
    """$a e$ for an error e above 0, $b e$ for one below it."""
    weight = jnp.where(error > 0, above, below)
    return weight * absent(weight, error)


@rule(_uneven)
def _uneven_jvp(primals, tangents):
    error, above, below = primals
    return _uneven(error, above, below), tangent(
        error,
        (lambda: _by_sign(error, above, below), tangents[0]),
        (lambda: _part(error, above), tangents[1]),
        (lambda: -_part(-error, below), tangents[2]),
    )


@partial(jax.custom_jvp, nondiff_argnums=(4,))
def weighted_interval(low: jax.Array, high: jax.Array, t: jax.Array, share: jax.Array, weight: float) -> jax.Array:
    r"""$w (h (u - l) + (l - t)_+ + (t - u)_+)$ with h = `share`, w = `weight`.

    It is computed as the pinball losses of both ends, in which no infinities cancel.
    """
    inner, outer = weight * share, weight * (1 - share)
    return uneven_absolute(t, low, inner, outer) + uneven_absolute(t, high, outer, inner)


@rule(weighted_interval)
def _weighted_interval_jvp(weight, primals, tangents):
    low, high, t, share = primals
    inner, outer = weight * share, weight * (1 - share)
    # The share is in no slope in the target, and its own slope is the difference of the ends: neither is left to a
    # difference of both ends' slopes or distances, which may be much larger.
    return weighted_interval(low, high, t, share, weight), tangent(
        t,
        (lambda: -_by_sign(t - low, inner, -outer), tangents[0]),
        (lambda: -_by_sign(t - high, outer, -inner), tangents[1]),
        (lambda: (0.5 * weight) * (jnp.sign(t - low) + jnp.sign(t - high)), tangents[2]),
        (lambda: weight * absent(share, high - low), tangents[3]),
    )
