r"""The continuous ranked probability score of laws of a location and a scale: Gaussian, logistic and Laplace.

With the error e and the scale s it is $s G(e / s)$, where G is even and $G' = 2 F - 1$ for the law's distribution
function F. Up to a = 1, G(a) is the sum of G(0) and the increase from there, which is computed by itself. Beyond, it is
$a - c + T(a)$ with a constant c and a tail T, so that $s G = |e| - s (c - T)$, which does not overflow. The slope in
the scale is $T(a) - a T'(a) - c$. Second derivatives are $2 f(z) / s$ times 1, -z or $z^2$, with the density f and
z = e / s.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import pushed, rule, tangent
from jaxloss.numerics.elementary import division_remainder, expm1
from jaxloss.numerics.hyperbolic import log_cosh, tanh
from jaxloss.numerics.logistic import sigmoid, softplus
from jaxloss.numerics.normal_tail import (
    double_density,
    double_tail,
    line_gap,
    near_central_mass,
    near_mass_integral,
    root_double_density,
)

Curve = Callable[[jax.Array], jax.Array]


class _Law(NamedTuple):
    """A symmetric law in units of its scale."""

    constant: float
    near: Curve | None  # G(a) for a from 0 to 1; None where a - c + T(a) is exact there too
    tail: Curve  # T(a) for a of at least 1, or of at least 0
    mass: Curve  # 2 F(z) - 1
    tail_term: Curve  # T(a) - a T'(a) for a of at least 0, in the slope in the scale
    root_density: Curve  # the root of 2 f(a), to its own digits
    falling: Curve  # -f'(a) / f(a), which needs few digits


def crps_gaussian(error: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$s G(z)$ with $G(z) = z (2 \Phi(z) - 1) + 2 \varphi(z) - 1 / \sqrt \pi$ and z = e / s."""
    return _score(error, scale, _GAUSSIAN)


def crps_logistic(error: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$s G(z)$ with $G(z) = |z| + 2 \log(1 + e^{-|z|}) - 1$ and z = e / s."""
    return _score(error, scale, _LOGISTIC)


def crps_laplace(error: jax.Array, scale: jax.Array) -> jax.Array:
    r"""$s G(z)$ with $G(z) = |z| + e^{-|z|} - 3 / 4$ and z = e / s."""
    return _score(error, scale, _LAPLACE)


# Beyond this distance in scales all tails are 0, and their products with the distance and its square stay so.
_FAR = 1e4


def _distance(error: jax.Array, scale: jax.Array) -> jax.Array:
    """The error in scales."""
    return jnp.clip(error / scale, -_FAR, _FAR)


def _size(error: jax.Array, scale: jax.Array) -> jax.Array:
    """The size of the error in scales."""
    return jnp.minimum(jnp.abs(error) / scale, _FAR)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _score(error: jax.Array, scale: jax.Array, law: _Law) -> jax.Array:
    size, a = jnp.abs(error), _size(error, scale)
    if law.near is None:
        return size - scale * (law.constant - law.tail(a))
    within, beyond = jnp.minimum(a, 1), jnp.maximum(a, 1)
    return jnp.where(a <= 1, scale * law.near(within), size - scale * (law.constant - law.tail(beyond)))


@rule(_score)
def _score_jvp(law, primals, tangents):
    error, scale = primals
    return _score(error, scale, law), tangent(
        error,
        (lambda: _error_slope(error, scale, law), tangents[0]),
        (lambda: _scale_slope(error, scale, law), tangents[1]),
    )


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _error_slope(error: jax.Array, scale: jax.Array, law: _Law) -> jax.Array:
    if law.near is None:  # in terms of the value's, which has the same exponential
        return jnp.sign(error) * law.mass(_size(error, scale))
    return law.mass(_distance(error, scale))


@rule(_error_slope)
def _error_slope_jvp(law, primals, tangents):
    error, scale = primals
    return _error_slope(error, scale, law), tangent(
        error,
        (lambda: _curvature(error, scale, law, 0), tangents[0]),
        (lambda: _curvature(error, scale, law, 1), tangents[1]),
    )


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _scale_slope(error: jax.Array, scale: jax.Array, law: _Law) -> jax.Array:
    return law.tail_term(jnp.abs(_distance(error, scale))) - law.constant


@rule(_scale_slope)
def _scale_slope_jvp(law, primals, tangents):
    error, scale = primals
    return _scale_slope(error, scale, law), tangent(
        error,
        (lambda: _curvature(error, scale, law, 1), tangents[0]),
        (lambda: _curvature(error, scale, law, 2), tangents[1]),
    )


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _curvature(error: jax.Array, scale: jax.Array, law: _Law, degree: int) -> jax.Array:
    r"""$2 (-z)^n f(z) / s$ for a degree n of 0, 1 or 2, with z the exact quotient e / s.

    Where |z| is large, the rounding error of the quotient changes the density by many units in the last place: it is
    corrected to first order. The density is taken as the square of its root, which does not underflow where the product
    does not.
    """
    z = _distance(error, scale)
    lost = division_remainder(error, scale, z)
    lost = jnp.where(jnp.abs(z) < _FAR, lost, jnp.zeros_like(z)) / scale
    a = jnp.abs(z)
    root = law.root_density(a) * (1 - 0.5 * jnp.sign(z) * lost * law.falling(a))
    first, second = (root if degree < n else -z * root for n in (1, 2))
    return first * (second / scale)


def _plain_curvature(error: jax.Array, scale: jax.Array, law: _Law, degree: int) -> jax.Array:
    """The same to fewer digits, in terms whose own derivatives are right."""
    z = _distance(error, scale)
    return (-z) ** degree * jax.jvp(law.mass, (z,), (jnp.ones_like(error),))[1] / scale


@rule(_curvature)
def _curvature_jvp(law, degree, primals, tangents):
    plain = lambda error, scale: _plain_curvature(error, scale, law, degree)  # noqa: E731
    return _curvature(*primals, law, degree), pushed(plain, primals, tangents)


@jax.custom_jvp
def _gaussian_mass(z: jax.Array) -> jax.Array:
    """The central mass of the Gaussian law, with the sign of z."""
    a = jnp.abs(z)
    if z.dtype != jnp.float32:
        return lax.erf(z * math.sqrt(0.5))
    far = jnp.sign(z) * (1 - double_tail(jnp.maximum(a, 1)))
    return jnp.where(a <= 1, near_central_mass(jnp.clip(z, -1, 1)), far)


@rule(_gaussian_mass)
def _gaussian_mass_jvp(primals, tangents):
    (z,) = primals
    return _gaussian_mass(z), double_density(z) * tangents[0]


def _laplace_mass(z: jax.Array) -> jax.Array:
    return -jnp.sign(z) * expm1(-jnp.abs(z))


_GAUSSIAN = _Law(
    constant=1 / math.sqrt(math.pi),
    near=lambda a: near_mass_integral(a) + (math.sqrt(2) - 1) / math.sqrt(math.pi),
    tail=line_gap,
    mass=_gaussian_mass,
    tail_term=double_density,
    root_density=root_double_density,
    falling=lambda a: a,
)
_LOGISTIC = _Law(
    constant=1.0,
    near=lambda a: 2 * log_cosh(0.5 * a) + (2 * math.log(2) - 1),
    tail=lambda a: 2 * softplus(-a),
    mass=lambda z: tanh(0.5 * z),
    tail_term=lambda a: 2 * (softplus(-a) + a * sigmoid(-a)),
    root_density=lambda a: math.sqrt(2) * (jnp.exp(-0.5 * a) * sigmoid(a)),
    falling=lambda a: tanh(0.5 * a),
)
_LAPLACE = _Law(
    constant=0.75,
    near=None,
    tail=lambda a: jnp.exp(-jnp.abs(a)),  # as the mass has it, so that XLA computes one exponential for both
    mass=_laplace_mass,
    tail_term=lambda a: (1 + a) * jnp.exp(-a),
    root_density=lambda a: jnp.exp(-0.5 * a),
    falling=jnp.ones_like,
)
