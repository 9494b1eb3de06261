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
from jaxloss.numerics._storing import as_minimum, stored
from jaxloss.numerics.divergence import gap_of_logs
from jaxloss.numerics.elementary import atanh_tail, exp_tail, from_tiny, polynomial
from jaxloss.numerics.guarded import divide, one_if_zero, times
from jaxloss.numerics.logistic import sigmoid


@jax.custom_jvp
def js_term(p: jax.Array, q: jax.Array) -> jax.Array:
    r"""$\tfrac12 p \log \frac{p}{m} + \tfrac12 q \log \frac{q}{m}$ with $m = (p + q) / 2$."""
    s, lesser = jnp.abs(as_minimum((p - q) / one_if_zero(p + q), 2)), jnp.minimum(p, q)
    # The lesser is at least the smallest normal number in its logarithm: at 0 the product is 0 anyhow.
    log = jnp.log((2 * from_tiny(lesser)) / one_if_zero(p + q))
    far = jnp.maximum(p, q) * _log_from_far(s) + lesser * log
    return jnp.where(s * s <= 0.5, 0.5 * (p + q) * _half_mixing(s), 0.5 * far)


@rule(js_term)
def _js_term_jvp(primals, tangents):
    p, q = primals
    value = js_term(p, q)
    return value, tangent(value, (lambda: _js_slope(p, q), tangents[0]), (lambda: _js_slope(q, p), tangents[1]))


def _half_mixing(s: jax.Array) -> jax.Array:
    r"""Half of $(1 + s) \log(1 + s) + (1 - s) \log(1 - s) = \sum_i s^{2 i} / (i (2 i - 1))$ for $s^2 \le 1/2$."""
    w = jnp.minimum(s * s, 0.5)
    return w * polynomial(w, _MIXING if s.dtype == jnp.float32 else [0.5 / (i * (2 * i - 1)) for i in range(1, 46)])


def _log_from_far(s: jax.Array) -> jax.Array:
    r"""$\log(1 + s)$ for s from 0.7 to 1."""
    return s * polynomial(s, _LOG_FROM_FAR) if s.dtype == jnp.float32 else jnp.log(1 + s)


# The polynomials through the Chebyshev points, of log(1 + s) / s from s = 0.7 to 1 and of the half of the series over w
# from w = 0 to 1/2, exact to 2e-9.
_LOG_FROM_FAR = [0.99800916958, -0.48407706827, 0.27760465764, -0.13624453701, 0.044820864221, -0.0069659066918]
_MIXING = [
    0.50000000039, 0.08333320752, 0.033339953464, 0.017724664092, 0.012418678921, 0.000484221492, 0.027297879622,
    -0.032337352388, 0.03095816987,
]  # fmt: skip


@jax.custom_jvp
def _js_slope(p: jax.Array, q: jax.Array) -> jax.Array:
    r"""$\tfrac12 \log \frac{p}{m}$; 0 where p and q are 0, and finite where p alone is 0."""
    # With s = (p - q) / (p + q) it is half of log(1 + s) = 2 atanh(z), z = s / (2 + s) = (p - q) / (3 p + q).
    z = as_minimum((p - q) / one_if_zero(3 * p + q), 1)
    w = jnp.minimum(z * z, 1 / 9)
    far = 0.5 * jnp.log((2 * from_tiny(p)) / one_if_zero(p + q))
    return jnp.where(2 * p >= q, z + z * w * atanh_tail(w, 1 / 9), far)


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
    # With e the quotient of the lesser and the greater, s = (1 - e) / (1 + e) and log(1 - s) = log(1 + s) - |gap|.
    gap = jnp.minimum(jnp.abs(gap_of_logs(log_p, log_q)), 1e4)
    greater, e = jnp.exp(jnp.maximum(log_p, log_q)), as_minimum(jnp.exp(-gap), 2)
    total, u = greater + greater * e, _complement(gap, e)
    s = as_minimum(u / (2 - u), 2)
    far = 0.5 * (total * _log_from_far(s) - (greater * e) * gap)
    return jnp.where(s * s <= 0.5, 0.5 * total * _half_mixing(s), far)


@rule(js_log_term)
def _js_log_term_jvp(primals, tangents):
    log_p, log_q = primals
    value = js_log_term(log_p, log_q)
    return value, tangent(
        value,
        (lambda: stored(0.5 * _js_log_slope(log_p, log_q)), tangents[0]),
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
    r"""$\log \frac{p}{m} = \log 2 - \log(1 + e^{-d})$ of a gap $d = \log p - \log q$."""
    # With e = exp(-|d|) and u = 1 - e it is 2 atanh(z), from d = -log 2 up, of z = u / (3 + e) or z = -u / (1 + 3 e).
    size, positive, far = jnp.abs(gap), gap >= 0, gap < -math.log(2)
    e = as_minimum(jnp.exp(as_minimum(-size, 1)), 2)
    u = _complement(size, e)
    numerator = jnp.where(far, e, jnp.where(positive, u, -u))
    denominator = jnp.where(far, 2 + e, jnp.where(positive, 3 + e, 1 + 3 * e))
    z = as_minimum(numerator / denominator, 1)
    log = 2 * z * (1 + z * z * atanh_tail(z * z, 1 / 9))
    return jnp.where(far, gap + (math.log(2) - log), log)


def _complement(gap: jax.Array, e: jax.Array) -> jax.Array:
    r"""$1 - e^{-d}$ of a gap d of at least 0, from $e^{-d}$."""
    near = jnp.minimum(gap, 0.7)
    return jnp.where(gap <= 0.7, near * (1 - near * exp_tail(-near, 0.7)), 1 - e)


@rule(_log_share)
def _log_share_jvp(primals, tangents):
    (gap,) = primals
    return _log_share(gap), sigmoid(-gap) * tangents[0]
