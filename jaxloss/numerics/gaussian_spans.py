r"""Probabilities of the Gaussian law between two numbers, and given survival to a number, free of cancellation.

The numbers are pairs as those of `standard_times`; their spread is given apart, since their difference would cancel.
Probabilities are negative logarithms throughout.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.gaussian_tail import (
    gaussian_event,
    gaussian_excess,
    gaussian_hazard,
    gaussian_hazard_curvature,
    gaussian_hazard_slope,
    gaussian_survival,
)
from jaxloss.numerics.logistic import log1mexp
from jaxloss.numerics.standard_times import Pair, negative


def gaussian_before(z: Pair) -> jax.Array:
    r"""$-\log \Phi(z)$."""
    return gaussian_survival(negative(z))


@jax.custom_jvp
def gaussian_since(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$-\log(Q(z) / Q(a))$ for the spread $d = z - a$."""
    zero, infinite = jnp.zeros_like(spread), start[0] == jnp.inf
    # Filled, since infinities would be subtracted from each other.
    z, start = ((jnp.where(infinite, zero, high), jnp.where(infinite, zero, low)) for high, low in (z, start))
    a = start[0]
    late, narrow = a > 0, spread * jnp.maximum(jnp.abs(a), 1) <= 0.5
    some, d = (jnp.where(narrow, v, zero) for v in (a, spread))
    near = -log1p(-_share(some, d) * jnp.where(narrow, gaussian_hazard(start), zero))
    # For a > 0 the squares of z and a would cancel: half their difference is d (a + d / 2).
    a, d = (jnp.where(late, v, zero) for v in (a, spread))
    one = jnp.ones_like(a)
    ratio = jnp.where(late, gaussian_hazard(z) / jnp.where(late, gaussian_hazard(start), one), one)
    far = jnp.where(late, d * (a + 0.5 * d) + jnp.log(ratio), gaussian_survival(z) - gaussian_survival(start))
    return jnp.where(infinite, filled(near, jnp.inf), jnp.where(narrow, near, far))


@rule(gaussian_since)
def _gaussian_since_jvp(primals, tangents):
    z, start, spread = primals
    (dz, _), _, dspread = tangents
    value = gaussian_since(z, start, spread)
    # The start is a function of the other two, which have all of the slope.
    in_z = lambda: _hazard_gain(z, start, spread)  # noqa: E731
    return value, tangent(value, (in_z, dz), (lambda: gaussian_hazard(start), dspread))


@jax.custom_jvp
def _hazard_gain(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    """$h(z) - h(a)$; for a small spread by the mean of the slopes at both ends, less the next term of Euler's sum."""
    narrow = spread * jnp.maximum(-start[0], 1) < (0.05 if spread.dtype == jnp.float32 else 5e-4)
    d = jnp.where(narrow, spread, jnp.zeros_like(spread))
    slopes = gaussian_hazard_slope(z) + gaussian_hazard_slope(start)
    curvatures = gaussian_hazard_curvature(z) - gaussian_hazard_curvature(start)
    infinite = start[0] == jnp.inf
    far = gaussian_hazard(z) - jnp.where(infinite, jnp.zeros_like(d), gaussian_hazard(start))
    return jnp.where(infinite, spread, jnp.where(narrow, d * (0.5 * slopes - d * curvatures / 12), far))


@rule(_hazard_gain)
def _hazard_gain_jvp(primals, tangents):
    z, start, spread = primals
    (dz, _), _, dspread = tangents
    value = _hazard_gain(z, start, spread)
    in_z = lambda: gaussian_hazard_slope(z) - gaussian_hazard_slope(start)  # noqa: E731
    return value, tangent(value, (in_z, dz), (lambda: gaussian_hazard_slope(start), dspread))


@jax.custom_jvp
def gaussian_event_since(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    """Minus the log of the density of z, given survival to the entry time, whose number is the start."""
    late, since = start[0] > 0, gaussian_since(z, start, spread)
    infinite = since == jnp.inf
    hazard = jnp.where(late & ~infinite, gaussian_hazard(z), jnp.ones_like(since))
    return jnp.where(late, since, gaussian_event(z)) - jnp.where(
        late, jnp.log(hazard), gaussian_survival(_early(start))
    )


@rule(gaussian_event_since)
def _gaussian_event_since_jvp(primals, tangents):
    z, start, spread = primals
    (dz, _), _, dspread = tangents
    value = gaussian_event_since(z, start, spread)

    def in_z():
        # z - h(a), which is d - (h(a) - a): where a is large, z and h(a) are nearly equal.
        late = start[0] > 0
        return jnp.where(late, spread, z[0]) - jnp.where(late, gaussian_excess(start), gaussian_hazard(_early(start)))

    return value, tangent(value, (in_z, dz), (lambda: gaussian_hazard(start), dspread))


def gaussian_within(z: Pair, start: Pair, spread: jax.Array) -> jax.Array:
    r"""$-\log(1 - Q(z) / Q(a))$ for the spread $d = z - a$: the event is before z, given survival to a."""
    # An interval below 0 is taken on the other side, where its probability does not underflow.
    flipped = start[0] + z[0] < 0
    first = tuple(jnp.where(flipped, -b, a) for a, b in zip(start, z, strict=True))
    last = tuple(jnp.where(flipped, -a, b) for a, b in zip(start, z, strict=True))
    bounded = last[0] < jnp.inf
    one, zero = jnp.ones_like(spread), jnp.zeros_like(spread)
    since = gaussian_since(
        (jnp.where(bounded, last[0], one), jnp.where(bounded, last[1], zero)),
        (jnp.where(bounded, first[0], zero), jnp.where(bounded, first[1], zero)),
        jnp.where(bounded, spread, one),
    )
    ending = jnp.where(bounded, -log1mexp(since), zero)
    return ending + jnp.where(flipped, gaussian_survival(negative(z)) - gaussian_survival(_early(start)), zero)


def _early(start: Pair) -> Pair:
    """The start, at most 0."""
    late, zero = start[0] > 0, jnp.zeros_like(start[0])
    return jnp.where(late, zero, start[0]), jnp.where(late, zero, start[1])


def _share(a: jax.Array, d: jax.Array) -> jax.Array:
    r"""$\int_0^d e^{-a s - s^2 / 2} \, ds$ by Gauss's rule, for $|a| d$ and d of at most 1/2."""
    nodes = _NODES if d.dtype == jnp.float32 else _NODES_64
    total = jnp.zeros_like(d)
    for place, weight in nodes:
        s = place * d
        total = total + weight * jnp.exp(-s * (a + 0.5 * s))
    return d * total


# Places and weights on the interval from 0 to 1.
_NODES = (
    (0.04691007703066802, 0.11846344252809464),
    (0.23076534494715845, 0.23931433524968315),
    (0.5, 0.28444444444444433),
    (0.7692346550528415, 0.23931433524968315),
    (0.9530899229693319, 0.11846344252809464),
)
_NODES_64 = (
    (0.015919880246186957, 0.04063719418078708),
    (0.08198444633668212, 0.09032408034742868),
    (0.19331428364970482, 0.1303053482014678),
    (0.33787328829809554, 0.15617353852000146),
    (0.5, 0.16511967750062992),
    (0.6621267117019045, 0.15617353852000146),
    (0.8066857163502952, 0.1303053482014678),
    (0.9180155536633179, 0.09032408034742868),
    (0.984080119753813, 0.04063719418078708),
)
