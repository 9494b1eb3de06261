r"""The terms of the Jensen-Shannon divergence of p and q, exact where the two nearly agree.

With the mixture $m = (p + q) / 2$ and the relative difference $s = (p - q) / (p + q)$, p = m (1 + s) and
q = m (1 - s), so that a term is

$$\tfrac12 p \log \frac{p}{m} + \tfrac12 q \log \frac{q}{m}
    = \frac{m}{2} \big((1 + s) \log(1 + s) + (1 - s) \log(1 - s)\big).$$
"""

import math

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.divergence import gap_of_logs
from jaxloss.numerics.elementary import log1p, polynomial
from jaxloss.numerics.guarded import divide, times
from jaxloss.numerics.hyperbolic import tanh
from jaxloss.numerics.log_products import xlog1py
from jaxloss.numerics.logistic import sigmoid, softplus
from jaxloss.numerics.poisson import log_gap_of_ratio


@jax.custom_jvp
def js_term(p: jax.Array, q: jax.Array) -> jax.Array:
    r"""$\tfrac12 p \log \frac{p}{m} + \tfrac12 q \log \frac{q}{m}$ with $m = (p + q) / 2$."""
    return 0.25 * (p + q) * _mixing(divide(p - q, p + q))


@rule(js_term)
def _js_term_jvp(primals, tangents):
    p, q = primals
    value = js_term(p, q)
    return value, tangent(value, (lambda: _js_slope(p, q), tangents[0]), (lambda: _js_slope(q, p), tangents[1]))


def _mixing(s: jax.Array) -> jax.Array:
    r"""$(1 + s) \log(1 + s) + (1 - s) \log(1 - s) = \sum_i s^{2 i} / (i (2 i - 1))$."""
    w = jnp.minimum(s * s, 0.5)
    terms = 20 if s.dtype == jnp.float32 else 46
    series = w * polynomial(w, [1 / (i * (2 * i - 1)) for i in range(1, terms)])
    return jnp.where(s * s <= 0.5, series, xlog1py(1 + s, s) + xlog1py(1 - s, -s))


@jax.custom_jvp
def _js_slope(p: jax.Array, q: jax.Array) -> jax.Array:
    r"""$\tfrac12 \log \frac{p}{m}$; 0 where p and q are 0, and finite where p alone is 0."""
    s = divide(p - q, p + q)
    far = log_gap_of_ratio(p, 0.5 * (p + q))
    return 0.5 * jnp.where(s > -0.5, log1p(jnp.maximum(s, -0.5)), far)


@rule(_js_slope)
def _js_slope_jvp(primals, tangents):
    p, q = primals
    value = _js_slope(p, q)
    some = p + q != 0
    total = 0.5 * divide(some.astype(p.dtype), p + q)
    other = jnp.where(p == 0, jnp.zeros_like(q), q)  # at p = 0 the slope is constant, as in `log_from_tiny`
    return value, tangent(value, (lambda: divide(other, p) * total, tangents[0]), (lambda: -total, tangents[1]))


@jax.custom_jvp
def js_log_term(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    r"""`js_term` from log-probabilities, exact where they nearly agree."""
    return 0.25 * (jnp.exp(log_p) + jnp.exp(log_q)) * _mixing(tanh(0.5 * gap_of_logs(log_p, log_q)))


@rule(js_log_term)
def _js_log_term_jvp(primals, tangents):
    log_p, log_q = primals
    value = js_log_term(log_p, log_q)
    return value, tangent(
        value,
        (lambda: 0.5 * _js_log_slope(log_p, log_q), tangents[0]),
        (lambda: 0.5 * _js_log_slope(log_q, log_p), tangents[1]),
    )


@jax.custom_jvp
def _js_log_slope(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    r"""$p \log \frac{p}{m}$, 0 at p = 0."""
    return times(jnp.exp(log_p), _log_share(gap_of_logs(log_p, log_q)))


@rule(_js_log_slope)
def _js_log_slope_jvp(primals, tangents):
    log_p, log_q = primals
    p, gap = jnp.exp(log_p), gap_of_logs(log_p, log_q)
    in_log_p = lambda: times(p, _log_share(gap) + sigmoid(-gap))  # noqa: E731
    in_log_q = lambda: -p * sigmoid(-gap)  # noqa: E731
    return _js_log_slope(log_p, log_q), tangent(p, (in_log_p, tangents[0]), (in_log_q, tangents[1]))


@jax.custom_jvp
def _log_share(gap: jax.Array) -> jax.Array:
    r"""$\log \frac{p}{m} = \log(1 + \tanh \frac{d}{2}) = \log 2 - \log(1 + e^{-d})$ of a gap $d = \log p - \log q$."""
    near = jnp.maximum(gap, -1)
    return jnp.where(gap >= -1, log1p(tanh(0.5 * near)), math.log(2) - softplus(-gap))


@rule(_log_share)
def _log_share_jvp(primals, tangents):
    (gap,) = primals
    return _log_share(gap), sigmoid(-gap) * tangents[0]
