r"""The pieces of the logistic law in a standardized number z: survival $1 / (1 + e^z)$, hazard $\sigma(z)$.

Probabilities are negative logarithms throughout. Pairs are those of `standard_times`.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1, log1p
from jaxloss.numerics.hyperbolic import tanh
from jaxloss.numerics.logistic import log1mexp, miss, sigmoid, softplus
from jaxloss.numerics.standard_times import Pair, negative, spread_odds


@jax.custom_jvp
def logistic_survival(z: Pair) -> jax.Array:
    r"""$-\log S = \log(1 + e^z)$."""
    high, low = z
    return softplus(high) + sigmoid(high) * low


@rule(logistic_survival)
def _logistic_survival_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = logistic_survival(z)
    return value, tangent(value, (lambda: logistic_hazard(z), dz))


@jax.custom_jvp
def logistic_hazard(z: Pair) -> jax.Array:
    r"""$\sigma(z)$, the distribution function too."""
    high, low = z
    return sigmoid(high) * (1 + miss(high) * low)


@rule(logistic_hazard)
def _logistic_hazard_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = logistic_hazard(z)
    return value, tangent(value, (lambda: value * logistic_hazard(negative(z)), dz))


def logistic_before(z: Pair) -> jax.Array:
    r"""$-\log F = \log(1 + e^{-z})$, and minus the log of the hazard."""
    return logistic_survival(negative(z))


@jax.custom_jvp
def logistic_event(z: Pair) -> jax.Array:
    r"""$\log(1 + e^z) + \log(1 + e^{-z}) = |z| + 2 \log(1 + e^{-|z|})$, minus the log of the density of z."""
    size = jnp.abs(z[0])
    return size + 2 * softplus(-size)


@rule(logistic_event)
def _logistic_event_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = logistic_event(z)
    return value, tangent(value, (lambda: _half_tanh(z), dz))


@jax.custom_jvp
def _half_tanh(z: Pair) -> jax.Array:
    r"""$\sigma(z) - \sigma(-z) = \tanh(z / 2)$."""
    return tanh(0.5 * z[0])


@rule(_half_tanh)
def _half_tanh_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = _half_tanh(z)
    return value, tangent(value, (lambda: 2 * logistic_hazard(z) * logistic_hazard(negative(z)), dz))


def logistic_event_since(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    """`logistic_event` given survival to the entry time."""
    return logistic_since(z, start, spread) + logistic_before(z)


@jax.custom_jvp
def logistic_since(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$-\log(S(z) / S(a)) = \log \frac{1 + e^z}{1 + e^a}$ for the spread $d = z - a$."""
    # -log(1 - s(z) (1 - e^-d)) where that is accurate, and d + log(1 - s(-a) (1 - e^-d)) for a > 0, s the logistic
    # function; for others the two logarithms differ by a factor of 2 at least.
    share = -expm1(-spread)
    part = logistic_hazard(z) * share
    late, near = start[0] > 0, part <= 0.5
    rest = log1p(-jnp.where(late, miss(jnp.maximum(start[0], 0)) * share, jnp.where(near, part, jnp.zeros_like(part))))
    far = logistic_survival(z) - softplus(start[0])
    return jnp.where(late, spread + rest, jnp.where(near, -rest, far))


@rule(logistic_since)
def _logistic_since_jvp(primals, tangents):
    z, start, spread = primals
    (dz, _), _, dspread = tangents
    value = logistic_since(z, start, spread)
    # s(z) - s(a) as a product. The start is a function of the other two, which have all of the slope.
    in_z = lambda: logistic_hazard(z) * logistic_hazard(negative(start)) * -expm1(-spread)  # noqa: E731
    return value, tangent(value, (in_z, dz), (lambda: logistic_hazard(start), dspread))


@jax.custom_jvp
def logistic_within(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$-\log(1 - S(z) / S(a)) = \log(1 + e^{-z}) - \log(1 - e^{-d})$ for the spread $d = z - a$."""
    return logistic_before(z) - log1mexp(spread)


@rule(logistic_within)
def _logistic_within_jvp(primals, tangents):
    z, start, spread = primals
    (dz, _), _, dspread = tangents
    value = logistic_within(z, start, spread)
    in_z = lambda: -logistic_hazard(negative(z))  # noqa: E731
    return value, tangent(value, (in_z, dz), (lambda: -spread_odds(z, start, spread), dspread))
