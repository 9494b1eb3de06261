r"""Half the unit deviance of gamma laws, $\log(\mu / y) + y / \mu - 1$, from a log-mean and from a mean.

With $z = \log(y / \mu)$ it is $e^z - 1 - z$, which is 0 where they agree.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import minus_log
from jaxloss.numerics.exposure import exposed
from jaxloss.numerics.guarded import clip_positive_infinity
from jaxloss.numerics.log_ratio import log_ratio
from jaxloss.numerics.poisson import deviance_of_gap


@jax.custom_jvp
def half_gamma_log_mean(x: jax.Array, y: jax.Array) -> jax.Array:
    """The half deviance of a log-mean x."""
    return deviance_of_gap(jnp.ones_like(x), -minus_log(x, y), exposed(y, -x), y == y)


@rule(half_gamma_log_mean)
def _half_gamma_log_mean_jvp(primals, tangents):
    x, y = primals
    in_x = lambda: 1 - exposed(y, -x)  # noqa: E731
    in_y = lambda: jnp.exp(-x) - 1 / y  # noqa: E731
    return half_gamma_log_mean(x, y), tangent(x, (in_x, tangents[0]), (in_y, tangents[1]))


@jax.custom_jvp
def half_gamma_mean(m: jax.Array, y: jax.Array) -> jax.Array:
    """The half deviance of a mean m."""
    return deviance_of_gap(jnp.ones_like(m), -log_ratio(m, y), y / m, y == y)


@rule(half_gamma_mean)
def _half_gamma_mean_jvp(primals, tangents):
    m, y = primals
    in_m, in_y = lambda: _in_mean(m, y), lambda: _in_target(m, y)
    return half_gamma_mean(m, y), tangent(m, (in_m, tangents[0]), (in_y, tangents[1]))


@jax.custom_jvp
def _in_mean(m: jax.Array, y: jax.Array) -> jax.Array:
    r"""$(\mu - y) / \mu^2$ by reciprocals: the square overflows."""
    finite = clip_positive_infinity(m)
    inverse = 1 / finite
    return ((finite - y) * inverse) * inverse


@rule(_in_mean)
def _in_mean_jvp(primals, tangents):
    m, y = primals
    inverse = 1 / m
    in_m = lambda: (((2 * y - clip_positive_infinity(m)) * inverse) * inverse) * inverse  # noqa: E731
    return _in_mean(m, y), tangent(m, (in_m, tangents[0]), (lambda: -inverse * inverse, tangents[1]))


@jax.custom_jvp
def _in_target(m: jax.Array, y: jax.Array) -> jax.Array:
    r"""$1 / \mu - 1 / y$, as one quotient."""
    return ((y - clip_positive_infinity(m)) * (1 / m)) * (1 / y)


@rule(_in_target)
def _in_target_jvp(primals, tangents):
    m, y = primals
    of_m, of_y = 1 / m, 1 / y
    return _in_target(m, y), tangent(m, (lambda: -of_m * of_m, tangents[0]), (lambda: of_y * of_y, tangents[1]))
