r"""The standard Gaussian law: its central mass, and the distance of its score from the asymptote, a straight line.

With the density $\varphi$ and the tail $Q(a) = \int_a^\infty \varphi$, the central mass is $1 - 2 Q(a)$. Its integral
from 0 is $a - 2 \varphi(0) + 2 (\varphi(a) - a Q(a))$. Up to a = 1 both are summed by their Taylor series, of which the
leading term is the only one that is not small. Beyond, the mass is near 1 and the integral near a line; the small
differences are computed from the density and Mills' ratio $Q / \varphi$, a polynomial in $1 / (1 + a)$. XLA's erf and
erfc are off by 5 and 65 units in the last place of float32, and exact in float64.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics.elementary import exp_of_product, polynomial

_ROOT_2_OVER_PI = math.sqrt(2 / math.pi)


def _series(square: jax.Array, divisors: list[int]) -> jax.Array:
    r"""$\sum_n (-1)^n a^{2n} / (2^n n! d_n)$ for $a^2 \le 1$, to the digits of the dtype."""
    terms = 9 if square.dtype == jnp.float32 else 16
    coefficients = [(-0.5) ** n / (math.factorial(n) * divisors[n]) for n in range(terms)]
    return polynomial(square, coefficients)


def near_central_mass(z: jax.Array) -> jax.Array:
    r"""$2 \Phi(z) - 1$ for z from -1 to 1; odd."""
    return _ROOT_2_OVER_PI * (z * _series(z * z, [2 * n + 1 for n in range(16)]))


def near_mass_integral(a: jax.Array) -> jax.Array:
    r"""$\int_0^a (2 \Phi - 1)$ for a from 0 to 1."""
    square = a * a
    return _ROOT_2_OVER_PI * (square * _series(square, [(2 * n + 1) * (2 * n + 2) for n in range(16)]))


def double_density(a: jax.Array) -> jax.Array:
    r"""$2 \varphi(a)$, to the digits of its largest value."""
    return _ROOT_2_OVER_PI * jnp.exp(-0.5 * (a * a))


def root_double_density(a: jax.Array) -> jax.Array:
    r"""$\sqrt{2 \varphi(a)}$ to its own digits: the rounding error of the square of a is put in. For values alone."""
    return math.sqrt(_ROOT_2_OVER_PI) * exp_of_product(0.25 * a, -a)


def double_tail(a: jax.Array) -> jax.Array:
    r"""$2 Q(a)$ for a of at least 1, to the digits of 1."""
    if a.dtype != jnp.float32:
        return lax.erfc(a * math.sqrt(0.5))
    return double_density(a) * _mills(a)


def line_gap(a: jax.Array) -> jax.Array:
    r"""$2 (\varphi(a) - a Q(a))$ for a of at least 1, to the digits of 1."""
    if a.dtype != jnp.float32:
        return double_density(a) - a * lax.erfc(a * math.sqrt(0.5))
    return double_density(a) * (1 - a * _mills(a))


def _mills(a: jax.Array) -> jax.Array:
    """Mills' ratio, for a from 1 to 6; beyond, where the density is below 1e-8, something of its size."""
    return polynomial(1 / (1 + a), _MILLS)


# Through 8 Chebyshev points of v = 1 / (1 + a), for v from 1/7 to 1/2.
_MILLS = [
    -0.0002697812218093046, 1.008903472194338, 0.8737010916871089, 0.9992647718852641, -6.725851455368539,
    10.809798210252294, -8.31876729472168, 2.6501738088497553,
]  # fmt: skip
