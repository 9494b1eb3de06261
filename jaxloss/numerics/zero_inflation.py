r"""The negative log-likelihood of a count of 0 under a zero-inflated law.

A zero is structural with the log-odds g. Otherwise the count is drawn from a law, under which 0 has the negative
log-probability r:

$$\ell_0 = -\log \left(\sigma(g) + \sigma(-g) e^{-r}\right)$$

The probability that a zero was drawn from the law is $w = \sigma(-(g + r))$, the share of the law. For a Poisson law r
is its rate.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1, log1p, log1p_near, minus_log, two_sum
from jaxloss.numerics.guarded import largest
from jaxloss.numerics.logistic import miss, sigmoid, softplus


@jax.custom_jvp
def zero_nll(r: jax.Array, g: jax.Array) -> jax.Array:
    r"""$\ell_0$ for $r \ge 0$."""
    return _nll(r, g)


@rule(zero_nll)
def _zero_nll_jvp(primals, tangents):
    r, g = primals
    lost = jnp.zeros_like(r)
    slopes = (lambda: _share(r, lost, g), tangents[0]), (lambda: _gate_slope(r, lost, g), tangents[1])
    return zero_nll(r, g), tangent(r, *slopes)


@jax.custom_jvp
def zero_nll_log_rate(x: jax.Array, g: jax.Array) -> jax.Array:
    r"""$\ell_0$ for $r = e^x$."""
    return _nll(jnp.exp(x), g)


@rule(zero_nll_log_rate)
def _zero_nll_log_rate_jvp(primals, tangents):
    x, g = primals
    # Beyond this rate the share is 0, and 0 times infinity would be nan.
    r = jnp.exp(jnp.minimum(x, 88))
    lost = jax.lax.stop_gradient(_rounding(x, r))
    slopes = (lambda: r * _share(r, lost, g), tangents[0]), (lambda: _gate_slope(r, lost, g), tangents[1])
    return zero_nll_log_rate(x, g), tangent(x, *slopes)


def _nll(r: jax.Array, g: jax.Array) -> jax.Array:
    # With q the probability of a positive count, the loss is -log(1 - q). Where q is above 1/2, and so g below 0, it is
    # computed from the log-probabilities of both kinds of zeros: the probabilities may underflow.
    q = miss(g) * -expm1(-r)
    likely = q < 0.5
    low = jnp.minimum(g, 0)
    top = jnp.maximum(low, -r)
    possible = top > -jnp.inf
    gap = jnp.abs(jnp.where(possible, low, 0) + jnp.where(possible, r, 0))
    improbable = softplus(low) - (top + log1p_near(jnp.exp(-gap)))
    return jnp.where(likely, -log1p(-jnp.where(likely, q, jnp.zeros_like(q))), improbable)


def _rounding(x: jax.Array, r: jax.Array) -> jax.Array:
    """$e^x$ less its rounded value r, the relative error that it would give a share; 0 where that is negligible."""
    some = (x > 0) & (x < 20)
    one = jnp.ones_like(r)
    d = minus_log(jnp.where(some, x, jnp.zeros_like(x)), jnp.where(some, r, one))
    return jnp.where(some, r * d, jnp.zeros_like(r))


def _shares(r: jax.Array, lost: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The shares of the law and of the structural zeros: relatively exact, of the rate r + `lost`."""
    bound = largest(r) / 4
    total, rounding = two_sum(jnp.clip(g, -2 * bound, 2 * bound), jnp.minimum(r, bound))
    own, structural, lost = miss(total), sigmoid(total), lost + rounding
    return own * (1 - structural * lost), structural * (1 + own * lost)


@jax.custom_jvp
def _share(r: jax.Array, lost: jax.Array, g: jax.Array) -> jax.Array:
    return _shares(r, lost, g)[0]


@rule(_share)
def _share_jvp(primals, tangents):
    own, structural = _shares(*primals)
    slope = lambda: -own * structural  # noqa: E731
    return own, tangent(own, (slope, tangents[0]), (slope, tangents[2]))


@jax.custom_jvp
def _gate_slope(r: jax.Array, lost: jax.Array, g: jax.Array) -> jax.Array:
    r"""$\sigma(g) - \sigma(g + r)$, as minus the product of the probabilities of a structural zero and of no zero."""
    return _shares(r, lost, g)[1] * (miss(g) * expm1(-r))


@rule(_gate_slope)
def _gate_slope_jvp(primals, tangents):
    own, structural = _shares(*primals)
    value = _gate_slope(*primals)
    return value, tangent(
        value,
        (lambda: -own * structural, tangents[0]),
        (lambda: value * (own - sigmoid(primals[2])), tangents[2]),
    )
