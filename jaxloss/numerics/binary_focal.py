r"""The focal loss of binary labels from logits, with its slopes in the logit, the label and the exponent.

With $p = \sigma(x)$ let $m = 1 - p$, $q = y m + (1 - y) p$, what the logit gives to the other label than y, and
$c = -y \log p - (1 - y) \log m$. The loss is $q^\gamma c$. Where the logit agrees with a label of 0 or 1, q and c
vanish together and underflow, and a negative power of q overflows; so the slopes are written in bounded quotients:

$$r = c / q, \quad g = \partial_x c / q, \quad v = p m / q, \quad h = (1 - 2 y) v = \partial_x \log q$$

Where it disagrees, c and r may be infinite, but only beside an h and a v of 0.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import exp_of_product, expm1, log1p, log1p_near
from jaxloss.numerics.guarded import either_zero, times
from jaxloss.numerics.logistic import sigmoid_nll


@jax.custom_jvp
def sigmoid_focal(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma c$."""
    return times(_power(x, y, gamma), sigmoid_nll(x, y))


@rule(sigmoid_focal)
def _sigmoid_focal_jvp(primals, tangents):
    return sigmoid_focal(*primals), _along(primals, tangents, _in_x, _in_y, _in_gamma)


def _along(primals, tangents, *slopes):
    """The derivative along the tangents, from the slopes in x, y and gamma."""
    thunks = [lambda slope=slope: slope(*primals) for slope in slopes]
    return tangent(primals[0], *zip(thunks, tangents, strict=True))


class _Side(NamedTuple):
    """What the logit says, and the label in the frame of the side that it favours."""

    sign: jax.Array  # 1 where p is the larger of p and m, else -1
    e: jax.Array  # the smaller of the two over the larger
    label: jax.Array  # the label's share of the larger side
    other: jax.Array  # and of the smaller
    certain: jax.Array  # where that is 0


def _side(x: jax.Array, y: jax.Array) -> _Side:
    right, one = x >= 0, jnp.ones_like(x)
    other = jnp.where(right, 1 - y, y)
    return _Side(jnp.where(right, one, -one), jnp.exp(-jnp.abs(x)), jnp.where(right, y, 1 - y), other, other == 0)


class _Terms(NamedTuple):
    x: jax.Array  # 0 where it is infinite and agrees with the label: there every slope is finite
    c: jax.Array
    in_x: jax.Array  # the slope of c
    log_q: jax.Array
    in_y: jax.Array  # the slope of q, m - p
    pm: jax.Array
    r: jax.Array
    g: jax.Array
    v: jax.Array
    h: jax.Array
    turn: jax.Array  # the slope of log h, (y m^2 - (1 - y) p^2) / q


def _terms(x: jax.Array, y: jax.Array) -> _Terms:
    sign, e, label, other, certain = _side(x, y)
    x = jnp.where(certain & jnp.isinf(x), jnp.zeros_like(x), x)
    one = jnp.ones_like(x)
    inverse, log = 1 / (1 + e), log1p_near(e)
    # q is this times `inverse`; where the example is certain it is e, which cancels from every quotient.
    scaled = jnp.where(certain, one, label * e + other)
    tiny = e < float(jnp.finfo(x.dtype).eps) / 8
    near_one = jnp.where(tiny, one, log / jnp.where(tiny, one, e)) * (1 + e)
    c = sigmoid_nll(x, y)
    log_scaled = jnp.where(label < 0.5, log1p(-label * (1 - e)), jnp.log(scaled))
    v = jnp.where(certain, one, e / scaled) * inverse
    return _Terms(
        x=x,
        c=c,
        in_x=sign * (other - label * e) * inverse,
        log_q=jnp.where(certain, -jnp.abs(x), log_scaled) - log,
        in_y=sign * expm1(-jnp.abs(x)) * inverse,  # by e - 1 it has no digits near 0
        pm=e * inverse * inverse,
        r=jnp.where(certain, near_one, c / (scaled * inverse)),
        g=sign * jnp.where(certain, -one, (other - label * e) / scaled),
        v=v,
        h=(1 - 2 * y) * v,
        turn=sign * jnp.where(certain, e, (label * (e * e) - other) / scaled) * inverse,
    )


@jax.custom_jvp
def _power(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma$, to be multiplied by what vanishes with q."""
    _, e, label, other, _ = _side(x, y)
    return jnp.power((label * e + other) / (1 + e), gamma)


@rule(_power)
def _power_jvp(primals, tangents):
    return _power(*primals), _along(primals, tangents, _power_in_x, _power_in_y, _power_in_gamma)


@jax.custom_jvp
def _far_power(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma$, also where q underflows and its power does not; it costs an exponential more."""
    _, e, label, other, certain = _side(x, y)
    scaled = jnp.where(certain, jnp.ones_like(e), label * e + other)
    exponent = jnp.where(certain, -jnp.abs(x), jnp.zeros_like(x))
    return jnp.power(scaled / (1 + e), gamma) * exp_of_product(gamma, exponent)


@rule(_far_power)
def _far_power_jvp(primals, tangents):
    return _far_power(*primals), _along(primals, tangents, _power_in_x, _power_in_y, _power_in_gamma)


def _power_in_x(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    return gamma * _far_power(x, y, gamma) * _terms(x, y).h


def _power_in_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    return either_zero(gamma * _terms(x, y).in_y, _far_power(x, y, gamma - 1))


def _power_in_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    return times(_far_power(x, y, gamma), _terms(x, y).log_q)


@jax.custom_jvp
def _in_x(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma (\gamma h c + \partial_x c)$."""
    t = _terms(x, y)
    return _power(x, y, gamma) * (gamma * times(t.h, t.c) + t.in_x)


@rule(_in_x)
def _in_x_jvp(primals, tangents):
    return _in_x(*primals), _along(primals, tangents, _in_x_and_x, _in_x_and_y, _in_x_and_gamma)


@jax.custom_jvp
def _in_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma (\gamma (m - p) r - x)$."""
    t = _terms(x, y)
    return times(_far_power(x, y, gamma), times(gamma, t.in_y * t.r) - t.x)


@rule(_in_y)
def _in_y_jvp(primals, tangents):
    return _in_y(*primals), _along(primals, tangents, _in_x_and_y, _in_y_and_y, _in_y_and_gamma)


@jax.custom_jvp
def _in_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma c \log q$."""
    t = _terms(x, y)
    return times(_power(x, y, gamma), times(t.log_q, t.c))


@rule(_in_gamma)
def _in_gamma_jvp(primals, tangents):
    return _in_gamma(*primals), _along(primals, tangents, _in_x_and_gamma, _in_y_and_gamma, _in_gamma_and_gamma)


def _in_x_and_x(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    t = _terms(x, y)
    bent = gamma * times(t.h, t.c) * (gamma * t.h + t.turn)
    return _power(x, y, gamma) * (bent + 2 * gamma * t.h * t.in_x + t.pm)


def _in_x_and_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    t = _terms(x, y)
    turned = t.in_y * (gamma * times(t.h, t.r) + t.g) - times(t.v, t.r) - times(t.h, t.x)
    return times(_far_power(x, y, gamma), times(gamma, turned) - 1)


def _in_x_and_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    t = _terms(x, y)
    hc = times(t.h, t.c)
    return _power(x, y, gamma) * (t.log_q * (gamma * hc + t.in_x) + hc)


def _in_y_and_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    t = _terms(x, y)
    bent = times(gamma * (gamma - 1), t.in_y * t.in_y * t.r) - 2 * times(gamma, t.in_y * t.x)
    return either_zero(bent, _far_power(x, y, gamma - 1))


def _in_y_and_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    t = _terms(x, y)
    return times(_far_power(x, y, gamma), t.in_y * t.r * (1 + gamma * t.log_q) - times(t.log_q, t.x))


def _in_gamma_and_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    t = _terms(x, y)
    # One factor after the other: the square of log q may be infinite beside a c of 0.
    return times(_power(x, y, gamma), times(t.log_q, times(t.log_q, t.c)))
