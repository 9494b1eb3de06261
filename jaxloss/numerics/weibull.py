r"""The pieces of Weibull's law in the standardized logarithm z of a time: the cumulative hazard is $e^z$.

Probabilities are negative logarithms throughout. Pairs are those of `standard_times`.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import stored
from jaxloss.numerics.elementary import expm1, polynomial
from jaxloss.numerics.guarded import either_zero, largest
from jaxloss.numerics.logistic import log1mexp
from jaxloss.numerics.standard_times import Pair, spread_odds


@jax.custom_jvp
def weibull_survival(z: Pair) -> jax.Array:
    r"""$-\log S = e^z$."""
    high, low = z
    # Where the rest is large, the exponential is 0 or infinite.
    return stored(jnp.exp(high) * (1 + jnp.clip(low, -0.5, 0.5)))


@rule(weibull_survival)
def _weibull_survival_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = weibull_survival(z)
    return value, tangent(value, (lambda: value, dz))


@jax.custom_jvp
def weibull_since(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$-\log(S(z) / S(a)) = e^z (1 - e^{-d})$ for the spread $d = z - a$."""
    return _grown(weibull_survival(z), spread)


@rule(weibull_since)
def _weibull_since_jvp(primals, tangents):
    z, start, spread = primals
    (dz, _), _, dspread = tangents
    value = weibull_since(z, start, spread)
    # The start is a function of the other two, which have all of the slope.
    return value, tangent(value, (lambda: value, dz), (lambda: weibull_survival(start), dspread))


def weibull_event(z: Pair) -> jax.Array:
    r"""$e^z - z$, minus the log of the density of z; infinite at both infinities."""
    return _less(weibull_survival(z), z)


def weibull_event_since(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    """`weibull_event` given survival to the entry time."""
    return _less(weibull_since(z, start, spread), z)


def _less(spent: jax.Array, z: Pair) -> jax.Array:
    infinite = spent == jnp.inf
    return jnp.where(infinite, spent, spent - jnp.where(infinite, jnp.zeros_like(spent), z[0]) - z[1])


def weibull_before(z: Pair) -> jax.Array:
    r"""$-\log F = -\log(1 - e^{-e^z})$."""
    return _minus_log_complement(z[0], weibull_survival(z))


@jax.custom_jvp
def weibull_within(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$-\log(1 - S(z) / S(a))$ for the spread $d = z - a$: the event is before z, given survival to a."""
    return _minus_log_complement(z[0] + log1mexp(spread), weibull_since(z, start, spread))


@rule(weibull_within)
def _weibull_within_jvp(primals, tangents):
    z, start, spread = primals
    (dz, _), _, dspread = tangents
    value = weibull_within(z, start, spread)
    # The cumulative hazard is a multiple of e^z, and its logarithm has the slope 1 / (e^d - 1) in the spread.
    share = lambda: _share(z[0] + log1mexp(spread), weibull_since(z, start, spread))  # noqa: E731
    in_spread = lambda: -share() * spread_odds(z, start, spread)  # noqa: E731
    return value, tangent(value, (lambda: -share(), dz), (in_spread, dspread))


def _grown(growth: jax.Array, spread: jax.Array) -> jax.Array:
    return either_zero(growth, -expm1(-spread))


@jax.custom_jvp
def _minus_log_complement(log: jax.Array, y: jax.Array) -> jax.Array:
    r"""$-\log(1 - e^{-y})$ from y and its logarithm: finite where y underflows."""
    near = y < 0.6931472
    small = jnp.where(near, y, filled(y, 0.5))
    # -log y + y / 2 - y^2 / 24 + ..., the last terms being those of log(y / (1 - e^-y)).
    series = small * (0.5 - small * polynomial(small * small, _LOG_SERIES[: _terms(y)]))
    return jnp.where(near, series - log, -log1mexp(jnp.where(near, filled(y, 1.0), y)))


@rule(_minus_log_complement)
def _minus_log_complement_jvp(primals, tangents):
    log, y = primals
    # The slope in the logarithm; y is a function of it.
    value = _minus_log_complement(log, y)
    return value, tangent(value, (lambda: -_share(log, y), tangents[0]))


@jax.custom_jvp
def _share(log: jax.Array, y: jax.Array) -> jax.Array:
    r"""$y / (e^y - 1)$ from y and its logarithm, 1 at 0 and 0 at infinity."""
    del log
    some = (y > 0) & (y < jnp.inf)
    inner = jnp.where(some, y, jnp.ones_like(y))
    return jnp.where(some, inner / expm1(inner), jnp.where(y > 0, jnp.zeros_like(y), jnp.ones_like(y)))


@rule(_share)
def _share_jvp(primals, tangents):
    log, y = primals
    # The slope in the logarithm is -b (b - 1 + y), with the series b - 1 + y = y / 2 + y^2 / 12 - ... near 0.
    share, near = _share(log, y), y < 0.6931472
    small = jnp.where(near, y, filled(y, 0.5))
    series = small * (0.5 + small * polynomial(small * small, _SHARE_SERIES[: _terms(y)]))
    factor = jnp.where(near, series, (share - 1) + jnp.minimum(y, largest(y)))
    return share, tangent(share, (lambda: -(share * factor), tangents[0]))


def _terms(y: jax.Array) -> int:
    return 5 if y.dtype == jnp.float32 else 11


# With Bernoulli's numbers B: B_2n / (2 n (2 n)!), and B_2n / (2 n)!, for n = 1, 2 ...
_LOG_SERIES = [
    0.041666666666666664, -0.00034722222222222224, 5.5114638447971785e-06, -1.033399470899471e-07,
    2.08767569878681e-09, -4.403491782239578e-11, 9.55895466477477e-13, -2.1185501852016142e-14,
    4.770034475709914e-16, -1.087434349279031e-17, 2.5040921947091955e-19,
]  # fmt: skip
_SHARE_SERIES = [
    0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07,
    2.08767569878681e-08, -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13,
    8.586062056277845e-15, -2.174868698558062e-16, 5.5090028283602295e-18,
]  # fmt: skip
