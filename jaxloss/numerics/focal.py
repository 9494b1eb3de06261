r"""The focal loss of an example from its cross-entropy c: $q^\gamma c$, where $q = 1 - e^{-c}$ is its improbability."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1, polynomial
from jaxloss.numerics.guarded import times
from jaxloss.numerics.logistic import log1mexp


@jax.custom_jvp
def focal_nll(c: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma c$ with $q = 1 - e^{-c}$: the focal loss of an example of cross-entropy $c \ge 0$."""
    return times(_unlikely_power(c, gamma), c)


@rule(focal_nll)
def _focal_nll_jvp(primals, tangents):
    c, gamma = primals
    value = focal_nll(c, gamma)

    def in_c():
        # q^gamma + gamma q^(gamma - 1) (1 - q) c = q^gamma (1 + gamma c / (e^c - 1)): no power is infinite at c = 0.
        return _unlikely_power(c, gamma) * (1 + gamma * _bernoulli_ratio(c))

    return value, tangent(value, (in_c, tangents[0]), (lambda: _focal_log(c, gamma, 1), tangents[1]))


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _focal_log(c: jax.Array, gamma: jax.Array, n: int) -> jax.Array:
    r"""$q^\gamma c \log^n q$, the n-th slope of `focal_nll` in gamma; 0 where q is 0, whatever gamma is."""
    some = jnp.where(c == 0, jnp.ones_like(c), c)
    terms = times(_unlikely_power(some, gamma) * log1mexp(some) ** n, some)
    return jnp.where(c == 0, jnp.zeros_like(c), terms)


@rule(_focal_log)
def _focal_log_jvp(n, primals, tangents):
    c, gamma = primals

    def in_c():
        # At c = 0 the slope may be infinite. It is multiplied by the slope of c, which is 0 there: 0 will do as well.
        some = jnp.where(c == 0, jnp.ones_like(c), c)
        log, ratio = log1mexp(some), _bernoulli_ratio(some)
        slope = _unlikely_power(some, gamma) * log ** (n - 1) * (log * (1 + gamma * ratio) + n * ratio)
        return jnp.where(c == 0, jnp.zeros_like(c), slope)

    value = _focal_log(c, gamma, n)
    return value, tangent(value, (in_c, tangents[0]), (lambda: _focal_log(c, gamma, n + 1), tangents[1]))


@jax.custom_jvp
def _unlikely_power(c: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$(1 - e^{-c})^\gamma$."""
    return jnp.power(-expm1(-c), gamma)


@rule(_unlikely_power)
def _unlikely_power_jvp(primals, tangents):
    c, gamma = primals
    value = _unlikely_power(c, gamma)

    def in_c():
        # 0 at c = 0, as in `_focal_log`.
        slope = gamma * value / jnp.where(c == 0, jnp.ones_like(c), expm1(c))
        return jnp.where(c == 0, jnp.zeros_like(c), slope)

    def in_gamma():
        log = log1mexp(jnp.where(c == 0, jnp.ones_like(c), c))
        return jnp.where(c == 0, jnp.zeros_like(c), value * log)

    return value, tangent(value, (in_c, tangents[0]), (in_gamma, tangents[1]))


@jax.custom_jvp
def _bernoulli_ratio(c: jax.Array) -> jax.Array:
    r"""$c / (e^c - 1)$, 1 at 0."""
    return jnp.where(c == 0, jnp.ones_like(c), jnp.minimum(c, 1e4) / jnp.where(c == 0, jnp.ones_like(c), expm1(c)))


@rule(_bernoulli_ratio)
def _bernoulli_ratio_jvp(primals, tangents):
    (c,) = primals
    small = jnp.abs(c) < 0.1
    u = jnp.where(small, jnp.ones_like(c), jnp.minimum(c, 1e4))
    ratio = _bernoulli_ratio(u)
    # Bernoulli's numbers: c / (e^c - 1) = 1 - c / 2 + c^2 / 12 - c^4 / 720 + c^6 / 30240 - ...
    w = c * c
    series = -0.5 + c * polynomial(w, [1 / 6, -1 / 180, 1 / 5040, -1 / 151200, 1 / 4790016])
    return _bernoulli_ratio(c), jnp.where(small, series, (ratio * (1 - ratio) - u * ratio) / u) * tangents[0]
