r"""The gamma negative log-likelihood of a mean and a concentration k, exact for large concentrations too.

With $r = t / m - 1$ and the excess $r - \log(1 + r)$ of a target t over a mean m, it is

$$k (r - \log(1 + r)) + \log t + (\log k! - k \log k + k) - \log k,$$

whose third term grows as $\tfrac12 \log k$. Functions take the mean or its logarithm, by a static argument.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import again, stored
from jaxloss.numerics.elementary import atanh_tail, minus_log
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.guarded import largest
from jaxloss.numerics.inverse_gaussian import excess_of_gap
from jaxloss.numerics.poisson import deviance_of_gap
from jaxloss.numerics.polygamma import digamma_gap, trigamma_gap


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def gamma_nll(mean: jax.Array, t: jax.Array, k: jax.Array, log_input: bool) -> jax.Array:
    """The negative log-likelihood of a target t above 0, under a law of a mean and a concentration k above 0."""
    finite = _normal(t)
    losses = _excess(mean, finite, k, log_input) + (jnp.log(finite) + (log_peak(k) - jnp.log(k)))
    return jnp.where(t == jnp.inf, t, losses)


def _normal(t: jax.Array) -> jax.Array:
    return lax.clamp(filled(t, jnp.finfo(t.dtype).tiny), t, filled(t, largest(t)))


def _excess(mean: jax.Array, t: jax.Array, k: jax.Array, log_input: bool) -> jax.Array:
    r"""$k (t / m - 1 - \log(t / m))$."""
    if not log_input:
        return k * _less_log(*_error_over_mean(mean, t, log_input), t)
    rate = (k * t) * jnp.exp(-mean)
    return deviance_of_gap(k, _gap(mean, t), rate, jnp.ones_like(t, bool))


def _gap(log_mean: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\log t - \log m$, which value and slope both need, and which takes longest of all that they do."""
    return stored(-minus_log(log_mean, t))


def _less_log(r: jax.Array, inverse: jax.Array, t: jax.Array) -> jax.Array:
    r"""$r - \log(1 + r)$ with $1 + r = t / m$, infinite where that overflows."""
    # With s = r / (2 + r), log(1 + r) is 2 atanh(s); up to |s| = 1/2 it is s (r - 2 s^2 a), a the tail of its series.
    s = r * (1 / (2 + r))
    close = jnp.abs(s) <= 1 / 2
    s = jnp.where(close, s, jnp.zeros_like(s))
    near = s * (r - 2 * (s * s) * atanh_tail(s * s, 1 / 4))
    ratio = jnp.minimum(t * inverse, largest(t))
    return jnp.where(close, near, r - jnp.log(jnp.where(close, jnp.ones_like(t), ratio)))


def _error_over_mean(mean: jax.Array, t: jax.Array, log_input: bool) -> tuple[jax.Array, jax.Array]:
    """r and 1 / m. For values, not for slopes."""
    if log_input:
        return excess_of_gap(_gap(mean, t), mean, t)
    mean = jnp.minimum(mean, largest(mean) / 8)  # whose inverse is normal
    return (t - mean) / mean, 1 / mean


@rule(gamma_nll)
def _gamma_nll_jvp(log_input, primals, tangents):
    mean, t, k = primals
    value, slopes = gamma_nll(mean, t, k, log_input), (_mean_slope, _target_slope, _k_slope)
    arguments = mean, _normal(t), k, log_input
    return value, tangent(value, *((partial(f, *arguments), s) for f, s in zip(slopes, tangents, strict=True)))


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _mean_slope(mean: jax.Array, t: jax.Array, k: jax.Array, log_input: bool) -> jax.Array:
    r"""$-k r$ in the logarithm of the mean, $-k r / m$ in the mean."""
    r, inverse = _error_over_mean(mean, again(t, mean), log_input)
    return -(k * r) if log_input else -(k * r) * inverse


@rule(_mean_slope)
def _mean_slope_jvp(log_input, primals, tangents):
    mean, t, k = primals
    value = _mean_slope(mean, t, k, log_input)
    r, inverse = _error_over_mean(mean, t, log_input)
    chain = jnp.ones_like(r) if log_input else inverse  # the slope of log m

    def in_mean():
        # Of the log-mean it is k t / m: 1 + r would lose the digits of a small ratio.
        return k * (t * inverse) if log_input else k * (2 * r + 1) * chain * chain

    terms = (in_mean, tangents[0]), (lambda: -(k * inverse) * chain, tangents[1]), (lambda: -r * chain, tangents[2])
    return value, tangent(value, *terms)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _target_slope(mean: jax.Array, t: jax.Array, k: jax.Array, log_input: bool) -> jax.Array:
    r"""$(1 + k r) / t$."""
    r, _ = _error_over_mean(mean, t, log_input)
    return (1 + k * r) / t


@rule(_target_slope)
def _target_slope_jvp(log_input, primals, tangents):
    mean, t, k = primals
    value = _target_slope(mean, t, k, log_input)
    r, inverse = _error_over_mean(mean, t, log_input)
    chain, one_over_t = jnp.ones_like(r) if log_input else inverse, 1 / t
    return value, tangent(
        value,
        (lambda: -(k * inverse) * chain, tangents[0]),
        (lambda: ((k - 1) * one_over_t) * one_over_t, tangents[1]),
        (lambda: r * one_over_t, tangents[2]),
    )


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _k_slope(mean: jax.Array, t: jax.Array, k: jax.Array, log_input: bool) -> jax.Array:
    r"""$r - \log(1 + r) - (\log k - \psi(k))$."""
    return _excess(mean, t, jnp.ones_like(k), log_input) - digamma_gap(k)


@rule(_k_slope)
def _k_slope_jvp(log_input, primals, tangents):
    mean, t, k = primals
    value = _k_slope(mean, t, k, log_input)
    r, inverse = _error_over_mean(mean, t, log_input)
    chain = jnp.ones_like(r) if log_input else inverse
    terms = (lambda: -r * chain, tangents[0]), (lambda: r / t, tangents[1]), (lambda: trigamma_gap(k), tangents[2])
    return value, tangent(value, *terms)
