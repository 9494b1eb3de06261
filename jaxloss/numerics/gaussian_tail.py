r"""The tail of the Gaussian law, $Q(z) = 1 - \Phi(z)$, its logarithm and its hazard $h = \phi(z) / Q(z)$.

For $z \ge 0$ all of them come from the excess of the hazard over z, $h(z) - z$, which is a polynomial in
$y = (z - 3) / (z + 3)$ over $z + 3$. For $z < 0$ they come from the tail on the other side.

Pairs are those of `standard_times`.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import stored
from jaxloss.numerics.elementary import exp_of_product, log1p, polynomial
from jaxloss.numerics.factorial import HALF_LOG_2PI
from jaxloss.numerics.guarded import either_zero, half_square
from jaxloss.numerics.standard_times import Pair


@jax.custom_jvp
def gaussian_survival(z: Pair) -> jax.Array:
    r"""$-\log Q(z)$."""
    high, low = z
    small, hazard, _ = _pieces(high)
    left = high < 0
    right = half_square(high) + (HALF_LOG_2PI + jnp.log(jnp.where(left, jnp.ones_like(hazard), hazard)))
    return _corrected(jnp.where(left, -log1p(-small), right), hazard, low)


@rule(gaussian_survival)
def _gaussian_survival_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = gaussian_survival(z)
    return value, tangent(value, (lambda: gaussian_hazard(z), dz))


@jax.custom_jvp
def gaussian_hazard(z: Pair) -> jax.Array:
    r"""$h(z) = \phi(z) / Q(z)$."""
    high, low = z
    _, hazard, excess = _pieces(high)
    return hazard + either_zero(either_zero(hazard, excess), low)


@rule(gaussian_hazard)
def _gaussian_hazard_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = gaussian_hazard(z)
    return value, tangent(value, (lambda: gaussian_hazard_slope(z), dz))


@jax.custom_jvp
def gaussian_hazard_slope(z: Pair) -> jax.Array:
    r"""$h'(z) = h(z) (h(z) - z)$, from 0 to 1."""
    return either_zero(gaussian_hazard(z), gaussian_excess(z))


@rule(gaussian_hazard_slope)
def _gaussian_hazard_slope_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = gaussian_hazard_slope(z)
    return value, tangent(value, (lambda: gaussian_hazard_curvature(z), dz))


def gaussian_hazard_curvature(z: Pair) -> jax.Array:
    """The second derivative $h''(z)$; it cancels for large z, where it is near 0."""
    hazard, excess = gaussian_hazard(z), gaussian_excess(z)
    slope = either_zero(hazard, excess)
    return either_zero(slope, excess) + either_zero(hazard, slope - 1)


@jax.custom_jvp
def gaussian_excess(z: Pair) -> jax.Array:
    r"""$h(z) - z$, minus the slope of $\log h$; between 0 and $1 / z$ for z > 0."""
    high, low = z
    _, hazard, excess = _pieces(high)
    return excess + either_zero(either_zero(hazard, excess) - 1, low)


@rule(gaussian_excess)
def _gaussian_excess_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = gaussian_excess(z)
    return value, tangent(value, (lambda: gaussian_hazard_slope(z) - 1, dz))


@jax.custom_jvp
def gaussian_event(z: Pair) -> jax.Array:
    r"""$z^2 / 2 + \tfrac12 \log 2 \pi$, minus the log of the density of z."""
    # A square doubles the relative error of its root, so that the rest of z would be half a unit of it.
    high = stored(z[0])
    return half_square(high) + HALF_LOG_2PI


@rule(gaussian_event)
def _gaussian_event_jvp(primals, tangents):
    (z,), ((dz, _),) = primals, tangents
    value = gaussian_event(z)
    return value, tangent(value, (lambda: stored(z[0]), dz))


def _corrected(value: jax.Array, slope: jax.Array, low: jax.Array) -> jax.Array:
    """The value at a pair, from that at its float; an infinite one stays, as its correction may be infinite too."""
    return value + either_zero(slope, jnp.where(jnp.isfinite(value), low, jnp.zeros_like(low)))


def _pieces(z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The tail on the outer side, which is at most a half, the hazard, and its excess over z."""
    size = jnp.abs(z)
    inverse = 1 / (size + 3)
    y = (jnp.where(size == jnp.inf, jnp.zeros_like(z), size) - 3) * inverse  # infinity times 0 would be nan
    outer_excess = polynomial(y, _EXCESS if z.dtype == jnp.float32 else _EXCESS_64) * inverse
    outer = size + outer_excess
    finite = jnp.minimum(size, 1e3)  # beyond which the density is 0
    density = exp_of_product(finite, -0.5 * finite) * INVERSE_ROOT_2PI
    small = density / outer
    hazard = jnp.where(z < 0, density / (1 - small), outer)
    return small, hazard, jnp.where(z < 0, hazard + size, outer_excess)


INVERSE_ROOT_2PI = 0.3989422804014327
# The polynomials of y through Chebyshev points for (z + 3) (h(z) - z), exact to 6e-9 and 7e-17.
_EXCESS = [
    1.69859192, -0.84153878628, 0.017164090263, 0.18569875497, -0.025450280288, -0.05462530004, 0.0077982864319,
    0.018350130417, -0.0012529719847, -0.0061336991425, -9.5301598973e-05, 0.0016793758167, 7.1104242836e-05,
    -0.00025732399797,
]  # fmt: skip
_EXCESS_64 = [
    1.698591929582619, -0.8415387946870331, 0.01716314677428649, 0.18569957991789016, -0.025434750640054758,
    -0.05463860594281908, 0.007699762278326999, 0.01843122495838535, -0.0009428853900478701, -0.00637154323898892,
    -0.0006340055167613309, 0.002043521989882832, 0.0006121406477311124, -0.0005421337054068202,
    -0.00032292906718965104, 9.179314363695122e-05, 0.00012236254365256222, 5.576682161658813e-06,
    -3.303864622600925e-05, -1.0794864455621733e-05, 5.259100681951333e-06, 4.055339113274778e-06,
    2.9806912679515217e-08, -7.776624449912398e-07, -2.1427338856580287e-07, 5.289368566250979e-08,
    3.4003755404347234e-08, 3.972094664063057e-09,
]  # fmt: skip
