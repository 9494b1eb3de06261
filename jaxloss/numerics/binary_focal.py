r"""The focal loss of binary labels from logits, with its slopes in the logit x, the label y and the exponent gamma.

With the probability $p = \sigma(x)$ and its complement m = 1 - p, the loss is $q^\gamma c$ with

$$q = y m + (1 - y) p, \quad c = -y \log p - (1 - y) \log m,$$

the probability that the logit gives to the wrong label, and the cross-entropy. Where the logit agrees with a label of
0 or 1, q and c underflow together, and a negative power of q overflows. The slopes are therefore written with
quotients that are bounded there:

$$r = c / q, \quad g = \partial_x c / q, \quad v = p m / q, \quad h = (1 - 2 y) v = \partial_x \log q$$

Where the logit disagrees with the label, c and r may be infinite, but then h and v are 0.

`_in_x` is the slope of the loss in x, `_in_x_and_y` the slope of that in y, and so on for each pair.
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
    return times(_power_of_q(x, y, gamma), sigmoid_nll(x, y))


@rule(sigmoid_focal)
def _sigmoid_focal_jvp(primals, tangents):
    return sigmoid_focal(*primals), _along(primals, tangents, _in_x, _in_y, _in_gamma)


def _along(primals, tangents, *slopes):
    """The derivative along the tangents, from the functions for the slopes in x, y and gamma."""
    thunks = [lambda slope=slope: slope(*primals) for slope in slopes]
    return tangent(primals[0], *zip(thunks, tangents, strict=True))


class _Favoured(NamedTuple):
    """The label as seen from the class that the logit favours: the positive class where x >= 0."""

    sign: jax.Array  # 1 where the positive class is favoured, else -1
    e: jax.Array  # $e^{-|x|}$, the odds of the other class
    label: jax.Array  # the label's mass on the favoured class, y or 1 - y
    other: jax.Array  # its mass on the other class
    certain: jax.Array  # where that is 0: the label is hard, and the logit agrees with it


def _favoured(x: jax.Array, y: jax.Array) -> _Favoured:
    positive, one = x >= 0, jnp.ones_like(x)
    label, other = jnp.where(positive, y, 1 - y), jnp.where(positive, 1 - y, y)
    return _Favoured(jnp.where(positive, one, -one), jnp.exp(-jnp.abs(x)), label, other, other == 0)


class _Terms(NamedTuple):
    """The terms of the slopes, in the symbols of the formulas above."""

    x: jax.Array  # 0 where it is infinite and agrees with the label: every slope is finite there
    c: jax.Array
    c_in_x: jax.Array  # the slope of c in x, p - y
    log_q: jax.Array
    q_in_y: jax.Array  # the slope of q in y, m - p
    pm: jax.Array  # p m
    r: jax.Array
    g: jax.Array
    v: jax.Array
    h: jax.Array
    log_h_in_x: jax.Array  # the slope of log h in x, (y m^2 - (1 - y) p^2) / q


def _terms(x: jax.Array, y: jax.Array) -> _Terms:
    sign, e, label, other, certain = _favoured(x, y)
    x = jnp.where(certain & jnp.isinf(x), jnp.zeros_like(x), x)
    one = jnp.ones_like(x)
    inverse, log = 1 / (1 + e), log1p_near(e)
    # q = (label e + other) / (1 + e). Where the example is certain the numerator is e, which cancels in every quotient.
    scaled = jnp.where(certain, one, label * e + other)
    tiny = e < float(jnp.finfo(x.dtype).eps) / 8
    near_one = jnp.where(tiny, one, log / jnp.where(tiny, one, e)) * (1 + e)
    c = sigmoid_nll(x, y)
    log_scaled = jnp.where(label < 0.5, log1p(-label * (1 - e)), jnp.log(scaled))
    v = jnp.where(certain, one, e / scaled) * inverse
    return _Terms(
        x=x,
        c=c,
        c_in_x=sign * (other - label * e) * inverse,
        log_q=jnp.where(certain, -jnp.abs(x), log_scaled) - log,
        q_in_y=sign * expm1(-jnp.abs(x)) * inverse,  # e - 1 would lose its digits near x = 0
        pm=e * inverse * inverse,
        r=jnp.where(certain, near_one, c / (scaled * inverse)),
        g=sign * jnp.where(certain, -one, (other - label * e) / scaled),
        v=v,
        h=(1 - 2 * y) * v,
        log_h_in_x=sign * jnp.where(certain, e, (label * (e * e) - other) / scaled) * inverse,
    )


@jax.custom_jvp
def _power_of_q(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma$ as a factor of c or of its slope, which vanish with q: it may underflow where q does."""
    _, e, label, other, _ = _favoured(x, y)
    return jnp.power((label * e + other) / (1 + e), gamma)


@rule(_power_of_q)
def _power_of_q_jvp(primals, tangents):
    return _power_of_q(*primals), _along(primals, tangents, _power_in_x, _power_in_y, _power_in_gamma)


@jax.custom_jvp
def _far_power(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma$, right also where q underflows and its power does not; it costs one more exponential."""
    _, e, label, other, certain = _favoured(x, y)
    scaled = jnp.where(certain, jnp.ones_like(e), label * e + other)
    exponent = jnp.where(certain, -jnp.abs(x), jnp.zeros_like(x))
    return jnp.power(scaled / (1 + e), gamma) * exp_of_product(gamma, exponent)


@rule(_far_power)
def _far_power_jvp(primals, tangents):
    return _far_power(*primals), _along(primals, tangents, _power_in_x, _power_in_y, _power_in_gamma)


def _power_in_x(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    return gamma * _far_power(x, y, gamma) * _terms(x, y).h


def _power_in_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    return either_zero(gamma * _terms(x, y).q_in_y, _far_power(x, y, gamma - 1))


def _power_in_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    return times(_far_power(x, y, gamma), _terms(x, y).log_q)


@jax.custom_jvp
def _in_x(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma (\gamma h c + \partial_x c)$."""
    t = _terms(x, y)
    return _power_of_q(x, y, gamma) * (gamma * times(t.h, t.c) + t.c_in_x)


@rule(_in_x)
def _in_x_jvp(primals, tangents):
    return _in_x(*primals), _along(primals, tangents, _in_x_and_x, _in_x_and_y, _in_x_and_gamma)


@jax.custom_jvp
def _in_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma (\gamma (m - p) r - x)$."""
    t = _terms(x, y)
    # Halves: gamma times r may overflow where the slope does not.
    return 2 * times(_far_power(x, y, gamma), times(0.5 * gamma, t.q_in_y * t.r) - 0.5 * t.x)


@rule(_in_y)
def _in_y_jvp(primals, tangents):
    return _in_y(*primals), _along(primals, tangents, _in_x_and_y, _in_y_and_y, _in_y_and_gamma)


@jax.custom_jvp
def _in_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma c \log q$."""
    t = _terms(x, y)
    return times(_power_of_q(x, y, gamma), times(t.log_q, t.c))


@rule(_in_gamma)
def _in_gamma_jvp(primals, tangents):
    return _in_gamma(*primals), _along(primals, tangents, _in_x_and_gamma, _in_y_and_gamma, _in_gamma_and_gamma)


def _in_x_and_x(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma (\gamma h c (\gamma h + \partial_x \log h) + 2 \gamma h\, \partial_x c + p m)$."""
    t = _terms(x, y)
    of_power = gamma * times(t.h, t.c) * (gamma * t.h + t.log_h_in_x)
    return _power_of_q(x, y, gamma) * (of_power + 2 * gamma * t.h * t.c_in_x + t.pm)


def _in_x_and_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma (\gamma ((m - p)(\gamma h r + g) - v r - h x) - 1)$."""
    t = _terms(x, y)
    of_power = t.q_in_y * (gamma * times(t.h, t.r) + t.g) - times(t.v, t.r) - times(t.h, t.x)
    return times(_far_power(x, y, gamma), times(gamma, of_power) - 1)


def _in_x_and_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma (\log q\, (\gamma h c + \partial_x c) + h c)$."""
    t = _terms(x, y)
    hc = times(t.h, t.c)
    return _power_of_q(x, y, gamma) * (t.log_q * (gamma * hc + t.c_in_x) + hc)


def _in_y_and_y(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^{\gamma - 1} (\gamma (\gamma - 1) (m - p)^2 r - 2 \gamma (m - p) x)$."""
    t = _terms(x, y)
    bracket = times(gamma * (gamma - 1), t.q_in_y * t.q_in_y * t.r) - 2 * times(gamma, t.q_in_y * t.x)
    return either_zero(bracket, _far_power(x, y, gamma - 1))


def _in_y_and_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma ((m - p)\, r\, (1 + \gamma \log q) - x \log q)$."""
    t = _terms(x, y)
    return times(_far_power(x, y, gamma), t.q_in_y * t.r * (1 + gamma * t.log_q) - times(t.log_q, t.x))


def _in_gamma_and_gamma(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma c \log^2 q$."""
    t = _terms(x, y)
    # c is multiplied by one logarithm after the other: their square may be infinite where c is 0.
    return times(_power_of_q(x, y, gamma), times(t.log_q, times(t.log_q, t.c)))
