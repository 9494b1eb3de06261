r"""Probabilities of the Gaussian law between two numbers, from both tails outside where these are the smaller part.

The numbers are pairs as those of `standard_times`, and their spread is given apart.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import exp_of_product, log1p
from jaxloss.numerics.gaussian_spans import gaussian_within
from jaxloss.numerics.gaussian_tail import INVERSE_ROOT_2PI, gaussian_hazard, gaussian_survival
from jaxloss.numerics.guarded import either_zero
from jaxloss.numerics.standard_times import Pair, negative


def gaussian_between(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$-\log(\Phi(z) - \Phi(a))$ for the spread $d = z - a$; `gaussian_within` is the same given survival to a."""
    around = (start[0] <= 0) & (z[0] >= 0) & (spread > 0.8)
    one, zero = jnp.ones_like(spread), jnp.zeros_like(spread)
    # Each formula gets the numbers where it is selected, and elsewhere numbers at which it is finite.
    at = lambda where, pair, fill: (jnp.where(where, pair[0], fill), jnp.where(where, pair[1], zero))  # noqa: E731
    low, high = at(~around, start, zero), at(~around, z, one)
    apart = gaussian_survival(low) + gaussian_within(high, low, jnp.where(around, one, spread))
    return jnp.where(around, _less_tails(at(around, z, 2 * one), at(around, negative(start), 2 * one)), apart)


@jax.custom_jvp
def _less_tails(z: Pair, y: Pair) -> jax.Array:
    r"""$-\log(1 - Q(z) - Q(y))$ for z and y of at least 0."""
    return -log1p(-(_tail(z) + _tail(y)))


@rule(_less_tails)
def _less_tails_jvp(primals, tangents):
    (z, y), ((dz, _), (dy, _)) = primals, tangents
    value = _less_tails(z, y)
    of = lambda pair: lambda: -gaussian_density(pair) * jnp.exp(value)  # noqa: E731
    return value, tangent(value, (of(z), dz), (of(y), dy))


def _tail(z: Pair) -> jax.Array:
    r"""$Q(z)$ for $z \ge 0$, for values, not for slopes."""
    return gaussian_density(z) / gaussian_hazard(z)


@jax.custom_jvp
def gaussian_density(z: Pair) -> jax.Array:
    r"""$\phi(z) = e^{-z^2 / 2} / \sqrt{2 \pi}$."""
    high, low = z
    size = jnp.minimum(jnp.abs(high), 1e3)  # beyond which the density is 0
    density = exp_of_product(size, -0.5 * size) * INVERSE_ROOT_2PI
    return density * (1 - either_zero(jnp.clip(high, -1e3, 1e3), low))


@rule(gaussian_density)
def _gaussian_density_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = gaussian_density(z)
    return value, tangent(value, (lambda: -either_zero(z[0], value), dz))
