r"""The Poisson negative log-likelihood of a rate r under an exposure $e^o$, whose logarithm o is given.

The law's rate is $m = r e^o$. It may be too small for a float where its logarithm, which counts multiply, is not.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.guarded import clip_positive_infinity, times
from jaxloss.numerics.log_products import xlogy
from jaxloss.numerics.poisson import poisson_exact_rate
from jaxloss.numerics.polygamma import digamma
from jaxloss.numerics.ratios import fraction


@jax.custom_jvp
def exposed(r: jax.Array, o: jax.Array) -> jax.Array:
    r"""$r e^o$, also where $e^o$ overflows or underflows; 0 and infinity stay what they are."""
    root = jnp.exp(0.5 * o)
    limit = (r == 0) | (r == jnp.inf)
    return jnp.where(limit, r, (jnp.where(limit, jnp.ones_like(r), r) * root) * root)


@rule(exposed)
def _exposed_jvp(primals, tangents):
    r, o = primals
    value = exposed(r, o)
    return value, tangent(value, (lambda: jnp.exp(o), tangents[0]), (lambda: value, tangents[1]))


@jax.custom_jvp
def poisson_exposed_rate(r: jax.Array, o: jax.Array, k: jax.Array) -> jax.Array:
    r"""$m - k \log m$."""
    # By both logarithms, since counts would multiply the rounding error of the product's.
    infinite = r == jnp.inf
    log = times(k, jnp.log(jnp.where(infinite, jnp.ones_like(r), r))) + times(k, o)
    return jnp.where(infinite, r, exposed(r, o) - log)


@rule(poisson_exposed_rate)
def _poisson_exposed_rate_jvp(primals, tangents):
    r, o, k = primals
    return poisson_exposed_rate(r, o, k), _along(r, o, k, lambda: -_log_exposed_if_any(r, o, k), tangents)


@jax.custom_jvp
def poisson_exact_exposed_rate(r: jax.Array, o: jax.Array, k: jax.Array) -> jax.Array:
    r"""$m - k \log m + \log k!$."""
    tiny = float(jnp.finfo(r.dtype).tiny)
    m = exposed(r, o)
    # Where the product underflows, the smallest normal number replaces it, and their logarithms' difference is added.
    lost = (m < tiny) & (r > 0) & (o > -jnp.inf) & (k != 0)
    zero, one = jnp.zeros_like(r), jnp.ones_like(r)
    difference = math.log(tiny) - (jnp.log(jnp.where(lost, r, one)) + jnp.where(lost, o, zero))
    return poisson_exact_rate(jnp.where(lost, tiny * one, m), k) + jnp.where(lost, k * difference, zero)


@rule(poisson_exact_exposed_rate)
def _poisson_exact_exposed_rate_jvp(primals, tangents):
    r, o, k = primals
    in_k = lambda: digamma(k + 1) - _log_exposed_if_any(r, o, k)  # noqa: E731
    return poisson_exact_exposed_rate(r, o, k), _along(r, o, k, in_k, tangents)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def poisson_above(exact: bool, r: jax.Array, o: jax.Array, k: jax.Array, least: jax.Array) -> jax.Array:
    r"""$m - k \log(m + \varepsilon)$, and $\log k!$ if `exact`."""
    # At an infinite rate the loss is infinite, not the difference of two infinities.
    m = exposed(r, o)
    infinite = m == jnp.inf
    shifted = jnp.where(infinite, jnp.ones_like(m), m) + least
    value = poisson_exact_rate(shifted, k) - least if exact else m - xlogy(k, shifted)
    return jnp.where(infinite, m, value)


@rule(poisson_above)
def _poisson_above_jvp(exact, primals, tangents):
    r, o, k, least = primals
    log = lambda: jnp.log(exposed(r, o) + least)  # noqa: E731
    # Each slope is written so that its own in the offset does not cancel where m is much larger than eps.
    return poisson_above(exact, r, o, k, least), tangent(
        r,
        (lambda: jnp.exp(o) - k * _log_slope(r, o, least), tangents[0]),
        (lambda: exposed(r, o) - k * fraction(exposed(r, o), least), tangents[1]),
        (lambda: digamma(k + 1) - log() if exact else -log(), tangents[2]),
        (lambda: -k / (exposed(r, o) + least), tangents[3]),
    )


@jax.custom_jvp
def _log_slope(r: jax.Array, o: jax.Array, least: jax.Array) -> jax.Array:
    r"""$e^o / (m + \varepsilon)$."""
    return jnp.exp(o) / (exposed(r, o) + least)


@rule(_log_slope)
def _log_slope_jvp(primals, tangents):
    r, o, least = primals
    value, inverse = _log_slope(r, o, least), 1 / (exposed(r, o) + least)
    return value, tangent(
        value,
        (lambda: -value * value, tangents[0]),
        (lambda: value * (least * inverse), tangents[1]),
        (lambda: -value * inverse, tangents[2]),
    )


def _log_exposed_if_any(r: jax.Array, o: jax.Array, k: jax.Array) -> jax.Array:
    """The logarithm of the law's rate, but 0 where it and the count are 0."""
    absent = (k == 0) & ((r == 0) | (o == -jnp.inf))
    return jnp.log(jnp.where(absent, jnp.ones_like(r), r)) + jnp.where(absent, jnp.zeros_like(o), o)


def _along(r, o, k, in_k, tangents):
    in_r, in_o = lambda: _rate_slope(r, o, k), lambda: exposed(r, o) - k
    return tangent(r, (in_r, tangents[0]), (in_o, tangents[1]), (in_k, tangents[2]))


@jax.custom_jvp
def _rate_slope(r: jax.Array, o: jax.Array, k: jax.Array) -> jax.Array:
    """$(m - k) / r$; the exposure for a count of 0, at a rate of 0 too."""
    absent = k == 0
    excess = (clip_positive_infinity(exposed(r, o)) - k) / jnp.where(
        absent, jnp.ones_like(r), clip_positive_infinity(r)
    )
    return jnp.where(absent, jnp.exp(o), excess)


@rule(_rate_slope)
def _rate_slope_jvp(primals, tangents):
    r, o, k = primals
    value = _rate_slope(r, o, k)
    inverse = 1 / r
    return value, tangent(
        value,
        (lambda: times(k, inverse) * jnp.where(k == 0, 0, inverse), tangents[0]),
        (lambda: jnp.exp(o), tangents[1]),
        (lambda: -jnp.where((k == 0) & (r == 0), 0, inverse), tangents[2]),
    )
