r"""The beta negative log-likelihood of a mean $p = \sigma(x)$ and a concentration c.

With $q = 1 - p$, $\alpha = p c$, $\beta = q c$ and $P(k) = \log k! - k \log k + k - \log k$, it is

$$c \left(p \log \frac{p}{t} + q \log \frac{q}{1 - t}\right) + \log t + \log(1 - t) + P(\alpha) + P(\beta) - P(c),$$

in which no term is much larger than the loss. The derivatives are made of $k (\log k - \psi(k))$, which goes from 1 at
0 to 1/2 at infinity, and $k^2 \psi'(k) - k$, which goes from 1 to 1/2 too. The functions below compute their
differences from 1, which keep their digits near 0.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum, stored
from jaxloss.numerics.elementary import from_tiny, log1p, minus_log, polynomial
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.guarded import clip_infinite, divide, times
from jaxloss.numerics.logistic import miss, sigmoid
from jaxloss.numerics.poisson import half_deviance_rate
from jaxloss.numerics.polygamma import digamma, digamma_gap, of_inverse, trigamma, trigamma_gap


@jax.custom_jvp
def beta_nll(x: jax.Array, t: jax.Array, c: jax.Array) -> jax.Array:
    """The negative log-likelihood of a target t in [0, 1], under a logit x of the mean and a concentration above 0."""
    p, q = _shares(x)
    # At the ends the density of another target is used for the constant.
    inner, other = _inside(t)
    divergence = half_deviance_rate(inner, p) + half_deviance_rate(other, q)
    peaks = log_peak(p * c) + log_peak(q * c) - log_peak(c)
    # -log p - log q from the logit: the smaller of them may underflow.
    constant = (peaks - jnp.log(c)) + (jnp.abs(x) - 2 * jnp.log(jnp.maximum(p, q)))
    logs = jnp.log(inner) + jnp.log(other)
    losses = (c * divergence + constant) + (logs + _at_end(p * c, q * c, c, t))
    # An infinite logit is the law of one certain share.
    certain = jnp.where(t == jnp.where(x > 0, jnp.ones_like(t), jnp.zeros_like(t)), -jnp.abs(x), jnp.abs(x))
    return jnp.where(jnp.isinf(x), certain, losses)


def _shares(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """p and q, each computed once: XLA would store all that they are made of."""
    return stored(sigmoid(x)), stored(miss(x))


def _inside(t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A target, but 1/2 at the ends, and its complement to 1."""
    inner = jnp.where((t == 0) | (t == 1), filled(t, 0.5), t)
    return inner, 1 - inner


def _at_end(a: jax.Array, b: jax.Array, c: jax.Array, t: jax.Array) -> jax.Array:
    """What the loss at a target of 0 or 1 is more than that at 1/2: infinite but for an exponent of 0; else 0."""
    exponent = 1 - jnp.where(t == 0, a, b)
    end = (t == 0) | (t == 1)
    more = times(exponent, filled(t, -jnp.inf)) - (2 - c) * jnp.log(filled(t, 0.5))
    return jnp.where(end, more, jnp.zeros_like(t))


@rule(beta_nll)
def _beta_nll_jvp(primals, tangents):
    value, slopes = beta_nll(*primals), (_logit_slope, _target_slope, _concentration_slope)
    return value, tangent(value, *((partial(f, *primals), t) for f, t in zip(slopes, tangents, strict=True)))


def _digamma_term(k: jax.Array) -> jax.Array:
    r"""$k (\log k - \psi(k)) - 1$, from 0 to -1/2."""
    # Below 1 by the digamma function at 1 + k: the difference from 1 keeps its digits near 0.
    small = k < 1
    if k.dtype != jnp.float32:
        low, high = jnp.where(small, from_tiny(k), jnp.ones_like(k)), jnp.maximum(k, 1)
        return jnp.where(small, low * (jnp.log(low) - digamma(1 + low)), high * digamma_gap(high) - 1)
    u = as_minimum(1 / jnp.where(small, 1 + k, k), 2)
    series = polynomial(u, of_inverse("digamma", k))
    logarithm = jnp.log(jnp.where(small, from_tiny(k * u), jnp.ones_like(k)))
    return jnp.where(small, k * (logarithm + u * series), series - 1)


def _trigamma_term(k: jax.Array) -> jax.Array:
    r"""$k^2 \psi'(k) - k - 1$, from 0 to -1/2."""
    small = k < 1
    low, high = jnp.minimum(k, 1), jnp.maximum(k, 1)
    return jnp.where(small, low * (low * trigamma(1 + low) - 1), high * (high * trigamma_gap(high)) - 1)


def _logit_terms(x: jax.Array, t: jax.Array, c: jax.Array) -> jax.Array:
    """The slope in the logit less p - q."""
    p, q = _shares(x)
    return times((c * p) * q, _distance(x, t)) + (p * _digamma_term(q * c) - q * _digamma_term(p * c))


def _logit_and_c(x: jax.Array, t: jax.Array, c: jax.Array) -> jax.Array:
    """The second derivative in the logit and the concentration."""
    p, q = _shares(x)
    return divide(_logit_terms(x, t, c) + (q * _trigamma_term(p * c) - p * _trigamma_term(q * c)), c)


@jax.custom_jvp
def _logit_slope(x: jax.Array, t: jax.Array, c: jax.Array) -> jax.Array:
    r"""$c p q (x - \log(t / (1 - t))) - q \alpha (\log \alpha - \psi(\alpha)) + p \beta (\log \beta - \psi(\beta))$."""
    p, q = _shares(x)
    return _logit_terms(x, t, c) + (p - q)


def _error(x: jax.Array, t: jax.Array) -> jax.Array:
    """$t - p$, near 1 as the difference of the complements to 1."""
    return jnp.where(t < 0.5, t - sigmoid(x), miss(x) - (1 - t))


def _distance(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$x - \log(t / (1 - t))$."""
    inner, _ = _inside(t)
    distance = minus_log(clip_infinite(x), inner) + log1p(-inner)
    infinite = filled(t, jnp.inf)
    return jnp.where(t == 0, infinite, jnp.where(t == 1, -infinite, distance))


@rule(_logit_slope)
def _logit_slope_jvp(primals, tangents):
    x, t, c = primals
    p, q = _shares(x)
    value = _logit_slope(x, t, c)

    def in_x():
        a, b = p * c, q * c
        return (
            2 * p * q
            + (q - p) * _logit_terms(x, t, c)
            + (q * q * (a + _trigamma_term(a)) + p * p * (b + _trigamma_term(b)))
        )

    def in_t():
        return -divide((c * p) * q, t * (1 - t))

    return value, tangent(value, (in_x, tangents[0]), (in_t, tangents[1]), (lambda: _logit_and_c(x, t, c), tangents[2]))


@jax.custom_jvp
def _target_slope(x: jax.Array, t: jax.Array, c: jax.Array) -> jax.Array:
    r"""$(1 - \alpha) / t - (1 - \beta) / (1 - t)$."""
    return divide(c * _error(x, t) + (1 - 2 * t), t * (1 - t))


@rule(_target_slope)
def _target_slope_jvp(primals, tangents):
    x, t, c = primals
    (p, q), value = _shares(x), _target_slope(x, t, c)
    one = jnp.ones_like(t)
    inverse, complement = divide(one, t), divide(one, 1 - t)
    return value, tangent(
        value,
        (lambda: -divide((c * p) * q, t * (1 - t)), tangents[0]),
        (lambda: ((p * c - 1) * inverse) * inverse + ((q * c - 1) * complement) * complement, tangents[1]),
        (lambda: divide(_error(x, t), t * (1 - t)), tangents[2]),
    )


@jax.custom_jvp
def _concentration_slope(x: jax.Array, t: jax.Array, c: jax.Array) -> jax.Array:
    r"""The divergence of the mean from the target, less $p$ and $q$ times the digamma gaps, plus that of c."""
    p, q = _shares(x)
    divergence = half_deviance_rate(t, p) + half_deviance_rate(1 - t, q)
    return divergence - (1 + ((_digamma_term(p * c) + _digamma_term(q * c)) - _digamma_term(c))) / c


@rule(_concentration_slope)
def _concentration_slope_jvp(primals, tangents):
    x, t, c = primals
    (p, q), value, inverse = _shares(x), _concentration_slope(x, t, c), 1 / c
    a, b = p * c, q * c
    return value, tangent(
        value,
        (lambda: _logit_and_c(x, t, c), tangents[0]),
        (lambda: divide(_error(x, t), t * (1 - t)), tangents[1]),
        (lambda: ((1 + (_trigamma_term(a) + _trigamma_term(b) - _trigamma_term(c))) * inverse) * inverse, tangents[2]),
    )
