r"""The negative log-likelihood of a beta-binomial law, from log-odds and a concentration, free of cancellation.

With $\alpha = c \, \sigma(x)$ and $\beta = c \, \sigma(-x)$, the share of all successes, those of the concentration
too, is $s = (k + \alpha) / (n + c)$. The negative log-likelihood is the divergence of the counts from the share s, as
in `count_divergence.py`, and that of $\alpha$ and $\beta$ from it, and a part that depends on Stirling's errors. As c
grows, s becomes $\sigma(x)$, and the law the binomial one, term by term.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.count_divergence import (
    FAR,
    both_shares,
    expected_beyond,
    log_binomial_peak,
    log_odds_unless_certain,
    times_log_growth_excess,
)
from jaxloss.numerics.elementary import from_tiny
from jaxloss.numerics.gamma_ratio import (
    digamma_difference,
    rise_slope,
    stirling_drop,
    weighted_fall,
    weighted_rise,
)
from jaxloss.numerics.growth import log_growth, log_growth_excess
from jaxloss.numerics.polygamma import digamma, trigamma, weighted_trigamma


@jax.custom_jvp
def beta_binomial_nll(x: jax.Array, k: jax.Array, n: jax.Array, c: jax.Array) -> jax.Array:
    r"""$-\log \binom{n}{k} - \log \frac{B(k + \alpha, n - k + \beta)}{B(\alpha, \beta)}$ for k from 0 to n."""
    m, whole = n - k, n + c
    near, _, _, a, b = _weights(x, k, m, c)
    up, down = as_minimum((k + a) / whole, 2), as_minimum((m + b) / whole, 2)
    # What the counts that are expected of the share exceed k by; alpha exceeds those of it by as much.
    e = expected_beyond(near, k, m) * as_minimum(c / whole, 2)
    counts = times_log_growth_excess(e, k, n * up) + times_log_growth_excess(-e, m, n * down)
    in_a, in_b, in_c = (as_minimum(log_growth(*pair), 1e4) for pair in ((a, k), (b, m), (c, n)))
    weights = log_growth_excess(-e, a, c * up, in_a - in_c) + log_growth_excess(e, b, c * down, in_b - in_c)
    # Beyond, the loss is linear in the log-odds: the first success of them costs -log alpha.
    none = jnp.zeros_like(x)
    far = jnp.where(k > 0, jnp.maximum(-FAR - x, 0), none) + jnp.where(m > 0, jnp.maximum(x - FAR, 0), none)
    return counts + weights + (log_binomial_peak(k, m) + _stirling_part(near, k, m, c)) + far


def _stirling_part(x: jax.Array, k: jax.Array, m: jax.Array, c: jax.Array) -> jax.Array:
    r"""$f(a, k) + f(b, m) - f(a + b, k + m)$ with $f(s, t) = \tfrac12 \log(1 + t / s) + \delta(s) - \delta(s + t)$.

    a and b are what c gives to either outcome. The last two nearly cancel where a and k are small against b and m: they
    are computed as the growth of f from b to a + b, less that from b + m, for a of at most b.
    """
    # XLA on CPU would store the larger and the smaller of a and b, if they were selected.
    less = x <= 0
    p, q = both_shares(-jnp.abs(x))
    a, b, k, m = from_tiny(c * p), c * q, jnp.where(less, k, m), jnp.where(less, m, k)
    return _stirling_terms(a, k) + (_stirling_terms(b, a) - _stirling_terms(b + m, a + k))


def _stirling_terms(a: jax.Array, b: jax.Array) -> jax.Array:
    return 0.5 * log_growth(a, b) + stirling_drop(a, b)


@rule(beta_binomial_nll)
def _beta_binomial_nll_jvp(primals, tangents):
    x, k, n, c = primals
    value, m = beta_binomial_nll(x, k, n, c), n - k
    return value, tangent(
        value,
        (lambda: _odds_slope(x, k, m, c), tangents[0]),
        (lambda: _count_slope(log_odds_unless_certain(x, k, m), k, m, c), tangents[1]),
        (lambda: _total_slope(log_odds_unless_certain(x, jnp.ones_like(k), m), k, m, c), tangents[2]),
        (lambda: _concentration_slope(x, k, m, c), tangents[3]),
    )


def _weights(x: jax.Array, k: jax.Array, m: jax.Array, c: jax.Array) -> tuple[jax.Array, ...]:
    """The log-odds up to where the loss is linear in them, both probabilities, and what c gives to either."""
    near = jnp.where(m > 0, jnp.minimum(x, FAR), x)
    near = jnp.where(k > 0, jnp.maximum(near, -FAR), near)
    p, q = both_shares(near)
    return near, p, q, from_tiny(c * p), from_tiny(c * q)


def _odds_slope(x: jax.Array, k: jax.Array, m: jax.Array, c: jax.Array) -> jax.Array:
    r"""$\beta p (\psi(\beta + m) - \psi(\beta)) - \alpha q (\psi(\alpha + k) - \psi(\alpha))$."""
    _, p, q, a, b = _weights(x, k, m, c)
    return p * weighted_rise(b, m) - q * weighted_rise(a, k)


@jax.custom_jvp
def _concentration_slope(x: jax.Array, k: jax.Array, m: jax.Array, c: jax.Array) -> jax.Array:
    r"""$\psi(n + c) - \psi(c) - p (\psi(\alpha + k) - \psi(\alpha)) - q (\psi(\beta + m) - \psi(\beta))$."""
    _, p, q, a, b = _weights(x, k, m, c)
    return digamma_difference(c, k + m) - (p * digamma_difference(a, k) + q * digamma_difference(b, m))


@rule(_concentration_slope)
def _concentration_slope_jvp(primals, tangents):
    x, k, m, c = primals
    _, p, q, a, b = _weights(x, k, m, c)
    of_all = lambda: trigamma(c + (k + m))  # noqa: E731
    return _concentration_slope(x, k, m, c), tangent(
        x,
        (lambda: (p * q) * (rise_slope(b, m) - rise_slope(a, k)), tangents[0]),
        (lambda: of_all() - weighted_trigamma(a, k) / c, tangents[1]),
        (lambda: of_all() - weighted_trigamma(b, m) / c, tangents[2]),
        (
            lambda: ((p * weighted_fall(a, k) + q * weighted_fall(b, m)) - weighted_fall(c, k + m)) / c,
            tangents[3],
        ),
    )


@jax.custom_jvp
def _count_slope(x: jax.Array, k: jax.Array, m: jax.Array, c: jax.Array) -> jax.Array:
    r"""$\psi(k + 1) - \psi(m + 1) - \psi(k + \alpha) + \psi(m + \beta)$."""
    _, _, _, a, b = _weights(x, k, m, c)
    return (digamma(k + 1) - digamma(m + 1)) - (digamma(k + a) - digamma(m + b))


@rule(_count_slope)
def _count_slope_jvp(primals, tangents):
    x, k, m, c = primals
    _, p, q, a, b = _weights(x, k, m, c)
    return _count_slope(x, k, m, c), tangent(
        x,
        (lambda: -(q * weighted_trigamma(a, k) + p * weighted_trigamma(b, m)), tangents[0]),
        (lambda: trigamma(k + 1) - trigamma(k + a), tangents[1]),
        (lambda: trigamma(m + b) - trigamma(m + 1), tangents[2]),
        (lambda: (weighted_trigamma(b, m) - weighted_trigamma(a, k)) / c, tangents[3]),
    )


@jax.custom_jvp
def _total_slope(x: jax.Array, k: jax.Array, m: jax.Array, c: jax.Array) -> jax.Array:
    r"""$\psi(n + c) - \psi(m + \beta) - \psi(n + 1) + \psi(m + 1)$."""
    _, _, _, a, b = _weights(x, k, m, c)
    return digamma_difference(m + b, k + a) - digamma_difference(m + 1, k)


@rule(_total_slope)
def _total_slope_jvp(primals, tangents):
    x, k, m, c = primals
    _, p, _, _, b = _weights(x, k, m, c)
    n = k + m
    in_k = lambda: trigamma(n + c) - trigamma(n + 1)  # noqa: E731
    return _total_slope(x, k, m, c), tangent(
        x,
        (lambda: p * weighted_trigamma(b, m), tangents[0]),
        (in_k, tangents[1]),
        (lambda: in_k() + (trigamma(m + 1) - trigamma(m + b)), tangents[2]),
        (lambda: trigamma(n + c) - weighted_trigamma(b, m) / c, tangents[3]),
    )
