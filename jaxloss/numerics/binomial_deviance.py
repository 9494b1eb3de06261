r"""Half the unit deviance of y successes among n trials under a binomial law, from the logit x of a success.

With $e = n \sigma(x) - y$, the expected successes less those that were, and the failures n - y it is the sum

$$F = \left(e - y \log \frac{y + e}{y}\right) + \left(-e - (n - y) \log \frac{n - y - e}{n - y}\right)$$

of two half Poisson deviances, none of which is negative. Near the best logit $\log(y / (n - y))$, e and both of them
come from the difference d of the logits, which is known to its last bit.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import again
from jaxloss.numerics.elementary import (
    atanh_tail,
    division_remainder,
    expm1,
    from_tiny,
    log1p,
    minus_log,
    two_sum,
)
from jaxloss.numerics.guarded import either_zero, one_if_zero, times
from jaxloss.numerics.log_ratio import log_ratio
from jaxloss.numerics.logistic import sigmoid, softplus, softplus_minus


@jax.custom_jvp
def half_binomial_deviance(x: jax.Array, y: jax.Array, n: jax.Array) -> jax.Array:
    """F for y from 0 to n."""
    e = _excess_of(x, y, n)
    return _part(y, e, n, x) + _part(n - y, -e, n, -x)


@rule(half_binomial_deviance)
def _half_binomial_deviance_jvp(primals, tangents):
    x, y, n = primals
    return half_binomial_deviance(x, y, n), tangent(
        x,
        (lambda: _excess(x, y, n), tangents[0]),
        (lambda: -_gap(x, y, n), tangents[1]),
        (lambda: _in_trials(x, y, n), tangents[2]),
    )


def _excess_of(x: jax.Array, y: jax.Array, n: jax.Array) -> jax.Array:
    """The expected successes less those that were: near the best logit by d, elsewhere by the rarer outcome."""
    d = _logit_difference(x, y, n)
    close = (jnp.abs(d) <= 0.5) & (y > 0) & (y < n)
    share = jnp.where(close, y, jnp.zeros_like(y)) / one_if_zero(n)
    growth = share * expm1(jnp.where(close, d, jnp.zeros_like(d)))
    # The exponential e^(-|x|) as the square of its root, one factor of which is multiplied by n first: by itself it may
    # underflow where the product does not.
    root = jnp.exp(-0.5 * jnp.abs(x))
    rarer = (n * root) * (root / (1 + root * root))
    return jnp.where(close, ((n - y) * growth) / (1 + growth), jnp.where(x > 0, (n - y) - rarer, rarer - y))


def _logit_difference(x: jax.Array, y: jax.Array, n: jax.Array) -> jax.Array:
    """The logit less that of the best law; the numbers of both outcomes count as at least the smallest normal one."""
    m, of_sum = two_sum(n, -y)
    y, m = from_tiny(y), from_tiny(m)
    ratio = y / m
    held = (ratio > 1e-30) & (ratio < 1e30)
    ratio, one = jnp.where(held, ratio, jnp.ones_like(y)), jnp.ones_like(y)
    lost = division_remainder(y, m, ratio)
    return jnp.where(
        held, minus_log(x, ratio) - jnp.where(held, lost / y - of_sum / m, 0 * one), x - (jnp.log(y) - jnp.log(m))
    )


def _part(k: jax.Array, e: jax.Array, n: jax.Array, x: jax.Array) -> jax.Array:
    r"""$e - k \log(1 + e / k)$, where the k + e are $n \sigma(x)$; near k by Loader's form."""
    s = e / one_if_zero(2 * k + e)
    close, some = (jnp.abs(s) <= 0.5) & (k > 0), k > 0
    s = jnp.where(close, s, jnp.zeros_like(s))
    share = log_ratio(jnp.where(some, k, one_if_zero(n)), one_if_zero(n))
    near = s * (e - 2 * k * (s * s) * atanh_tail(s * s, 1 / 4))
    return jnp.where(close, near, times(k, share + softplus_minus(x)) + e)


@jax.custom_jvp
def _excess(x: jax.Array, y: jax.Array, n: jax.Array) -> jax.Array:
    return _excess_of(x, again(y, x), n)


@rule(_excess)
def _excess_jvp(primals, tangents):
    x, y, n = primals
    root = jnp.exp(-0.5 * jnp.abs(x))
    half = root / (1 + root * root)
    return _excess(x, y, n), tangent(
        x,
        (lambda: (n * half) * half, tangents[0]),
        (lambda: -jnp.ones_like(y), tangents[1]),
        (lambda: sigmoid(x), tangents[2]),
    )


def _is_certain(x: jax.Array, y: jax.Array, n: jax.Array) -> jax.Array:
    """Where the logit is infinite and all outcomes are the certain one; the slopes in the counts are 0 there."""
    return ((x == jnp.inf) & (y == n)) | ((x == -jnp.inf) & (y == 0))


@jax.custom_jvp
def _gap(x: jax.Array, y: jax.Array, n: jax.Array) -> jax.Array:
    """The logit less that of the best law, which counts as that of the smallest normal number of an outcome."""
    return jnp.where(_is_certain(x, y, n), jnp.zeros_like(x), _logit_difference(x, y, n))


@rule(_gap)
def _gap_jvp(primals, tangents):
    x, y, n = primals
    of_y, of_m = _inverse_if_normal(y), _inverse_if_normal(n - y)
    slopes = (lambda: jnp.ones_like(x), tangents[0]), (lambda: -of_y - of_m, tangents[1]), (lambda: of_m, tangents[2])
    return _gap(x, y, n), tangent(x, *slopes)


def _inverse_if_normal(k: jax.Array) -> jax.Array:
    """1 / k, 0 below the smallest normal number."""
    some = from_tiny(k) == k
    return jnp.where(some, 1 / jnp.where(some, k, jnp.ones_like(k)), jnp.zeros_like(k))


@jax.custom_jvp
def _in_trials(x: jax.Array, y: jax.Array, n: jax.Array) -> jax.Array:
    r"""$\log \frac{n - y}{n} - \log \sigma(-x)$."""
    m = n - y
    ratio = _excess_of(x, y, n) / one_if_zero(m)
    close = (m > 0) & (jnp.abs(ratio) <= 0.5)
    far = log_ratio(from_tiny(m), from_tiny(n)) + softplus(x)
    near = -log1p(-jnp.where(close, ratio, jnp.zeros_like(ratio)))
    return jnp.where(_is_certain(x, y, n), jnp.zeros_like(x), jnp.where(close, near, far))


@rule(_in_trials)
def _in_trials_jvp(primals, tangents):
    x, y, n = primals
    of_m = _inverse_if_normal(n - y)
    return _in_trials(x, y, n), tangent(
        x,
        (lambda: sigmoid(x), tangents[0]),
        (lambda: -of_m, tangents[1]),
        (lambda: either_zero(y, of_m) * _inverse_if_normal(n), tangents[2]),
    )
