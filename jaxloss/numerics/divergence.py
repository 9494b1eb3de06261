"""Terms of the divergences between distributions, each 0 to the last bit where the two agree."""

import math
from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import is_split
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._shapes import Axes, known
from jaxloss.numerics.elementary import log1p, polynomial, two_sum
from jaxloss.numerics.guarded import divide, times, weighed
from jaxloss.numerics.hyperbolic import tanh
from jaxloss.numerics.log_products import xlog1py
from jaxloss.numerics.logistic import sigmoid, softplus
from jaxloss.numerics.poisson import deviance_of_gap, half_deviance_rate, log_gap, log_gap_of_ratio


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def relative_entropy(log_p: jax.Array, t: jax.Array, axes: Axes = ()) -> jax.Array:
    r"""$\sum_k t_k (\log t_k - \log p_k)$; a term is 0 at t = 0, however improbable, and nan below."""
    return _expected_gap(t, jnp.log(t), log_p, axes)


@rule(relative_entropy)
def _relative_entropy_jvp(axes, primals, tangents):
    log_p, t = primals
    terms = tangent(t, (lambda: -t, tangents[0]), (lambda: log_gap(t, log_p) + 1, tangents[1]))
    return relative_entropy(log_p, t, axes), jnp.sum(terms, axes)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def relative_entropy_log(log_p: jax.Array, log_t: jax.Array, axes: Axes = ()) -> jax.Array:
    r"""$\sum_k e^{\log t_k} (\log t_k - \log p_k)$; a term is 0 at $\log t = -\infty$."""
    return _expected_gap(jnp.exp(log_t), log_t, log_p, axes)


@rule(relative_entropy_log)
def _relative_entropy_log_jvp(axes, primals, tangents):
    log_p, log_t = primals
    terms = tangent(
        log_t, (lambda: -jnp.exp(log_t), tangents[0]), (lambda: _log_target_slope(log_t, log_p), tangents[1])
    )
    return relative_entropy_log(log_p, log_t, axes), jnp.sum(terms, axes)


@jax.custom_jvp
def _log_target_slope(log_t: jax.Array, log_p: jax.Array) -> jax.Array:
    r"""$t (\log t - \log p + 1)$, 0 at t = 0."""
    return times(jnp.exp(log_t), _gap(log_t, log_p) + 1)


@rule(_log_target_slope)
def _log_target_slope_jvp(primals, tangents):
    log_t, log_p = primals
    t = jnp.exp(log_t)
    in_log_t = lambda: times(t, _gap(log_t, log_p) + 2)  # noqa: E731
    return _log_target_slope(log_t, log_p), tangent(t, (in_log_t, tangents[0]), (lambda: -t, tangents[1]))


def _expected_gap(t: jax.Array, log_t: jax.Array, log_p: jax.Array, axes: Axes) -> jax.Array:
    # The bound keeps log t - log p from being inf - inf where both outcomes are impossible.
    return jnp.sum(weighed(t, _bounded(log_t) - log_p), axes)


def _bounded(log: jax.Array) -> jax.Array:
    return jnp.maximum(log, -float(jnp.finfo(log.dtype).max) / 2)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def generalized_relative_entropy(log_p: jax.Array, t: jax.Array, axes: Axes = ()) -> jax.Array:
    r"""$\sum_k t_k (\log t_k - \log p_k) - t_k + p_k$; a term is p at t = 0, and nan below.

    A term is $t (e^d - 1 - d)$ with $d = \log p - \log t$, which is never negative.
    """
    p = jnp.exp(log_p)
    # A target below 0 stays, or its logarithm would not make the row nan.
    target = jnp.where(t == 0, jnp.ones_like(t), t)
    return jnp.sum(jnp.where(t == 0, p, deviance_of_gap(target, log_p - jnp.log(target), p)), axes)


@rule(generalized_relative_entropy)
def _generalized_relative_entropy_jvp(axes, primals, tangents):
    log_p, t = primals
    terms = tangent(t, (lambda: jnp.exp(log_p) - t, tangents[0]), (lambda: log_gap(t, log_p), tangents[1]))
    return generalized_relative_entropy(log_p, t, axes), jnp.sum(terms, axes)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def kl_rows(p: jax.Array, t: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    r"""$\sum_k t_k \log(t_k / p_k)$ from probabilities.

    The terms $t \log(t / p) - t + p$ are never negative; what they add, the sum of t - p, is nearly 0 for two
    distributions and is summed in twice the precision.
    """
    return jnp.sum(half_deviance_rate(p, t), axes) + _sum_of_differences(t, p, axes)


@rule(kl_rows)
def _kl_rows_jvp(axes, primals, tangents):
    p, t = primals
    terms = tangent(p, (lambda: -_share(t, p), tangents[0]), (lambda: log_gap_of_ratio(t, p) + 1, tangents[1]))
    return kl_rows(p, t, axes), jnp.sum(terms, axes)


@jax.custom_jvp
def _share(t: jax.Array, p: jax.Array) -> jax.Array:
    """T / p, with 0 / 0 = 0."""
    return divide(t, p)


@rule(_share)
def _share_jvp(primals, tangents):
    t, p = primals
    inverse = divide((p != 0).astype(p.dtype), p)
    value = _share(t, p)
    return value, tangent(value, (lambda: inverse, tangents[0]), (lambda: -(t * inverse) * inverse, tangents[1]))


def _sum_of_differences(a: jax.Array, b: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """The sum of a - b over some axes, as if in twice the precision: halves added pairwise, with what rounding lost."""
    others = [i for i in range(a.ndim) if i not in axes]
    shape = [a.shape[i] for i in others] + [math.prod(a.shape[i] for i in axes)]
    flat = lambda x: jnp.transpose(x, (*others, *axes)).reshape(shape)  # noqa: E731
    high, low = two_sum(flat(a), -flat(b))
    # Halves of a sharded axis would move data between devices, and one of symbolic length has no halves.
    if is_split(a, axes) or not known(high.shape[-1]):
        return jnp.sum(high, -1) + jnp.sum(low, -1)
    while (n := high.shape[-1]) > 1:
        half = (n + 1) // 2
        pad = [(0, 0)] * (high.ndim - 1) + [(0, 2 * half - n)]
        high, low = jnp.pad(high, pad), jnp.pad(low, pad)
        high, lost = two_sum(high[..., :half], high[..., half:])
        low = low[..., :half] + low[..., half:] + lost
    return (high + low)[..., 0]


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
    r"""$\tfrac12 \log \frac{2 p}{p + q}$; 0 where both are 0, and finite where p is."""
    s = divide(p - q, p + q)
    far = log_gap_of_ratio(p, 0.5 * (p + q))
    return 0.5 * jnp.where(s > -0.5, log1p(jnp.maximum(s, -0.5)), far)


@rule(_js_slope)
def _js_slope_jvp(primals, tangents):
    p, q = primals
    value = _js_slope(p, q)
    some = p + q != 0
    total = 0.5 * divide(some.astype(p.dtype), p + q)
    other = jnp.where(p == 0, jnp.zeros_like(q), q)  # at 0 the slope is constant, as in `log_from_tiny`
    return value, tangent(value, (lambda: divide(other, p) * total, tangents[0]), (lambda: -total, tangents[1]))


@jax.custom_jvp
def js_log_term(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    r"""`js_term` from log-probabilities, exact where they nearly agree."""
    return 0.25 * (jnp.exp(log_p) + jnp.exp(log_q)) * _mixing(tanh(0.5 * _gap(log_p, log_q)))


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
    r"""$p \log \frac{2 p}{p + q}$, 0 at p = 0."""
    return times(jnp.exp(log_p), _log_share(_gap(log_p, log_q)))


@rule(_js_log_slope)
def _js_log_slope_jvp(primals, tangents):
    log_p, log_q = primals
    p, gap = jnp.exp(log_p), _gap(log_p, log_q)
    in_log_p = lambda: times(p, _log_share(gap) + sigmoid(-gap))  # noqa: E731
    in_log_q = lambda: -p * sigmoid(-gap)  # noqa: E731
    return _js_log_slope(log_p, log_q), tangent(p, (in_log_p, tangents[0]), (in_log_q, tangents[1]))


def _gap(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    absent, zero = (log_p == -jnp.inf) & (log_q == -jnp.inf), jnp.zeros_like(log_p)
    return jnp.where(absent, zero, log_p) - jnp.where(absent, zero, log_q)


@jax.custom_jvp
def _log_share(gap: jax.Array) -> jax.Array:
    r"""$\log \frac{p}{m} = \log \frac{2}{1 + e^{-\text{gap}}}$."""
    near = jnp.maximum(gap, -1)
    return jnp.where(gap >= -1, log1p(tanh(0.5 * near)), 0.6931471805599453 - softplus(-gap))


@rule(_log_share)
def _log_share_jvp(primals, tangents):
    (gap,) = primals
    return _log_share(gap), sigmoid(-gap) * tangents[0]
