r"""Sine, cosine and versine of the difference of two angles, exact to a few units in the last place wherever it is.

The difference d is held as a rounded number and its rounding error, and reduced to $d = q \pi / 2 + \rho$ with
$|\rho| \le \pi / 4$, $\pi / 2$ being held in parts, whose products with q are exact for up to 2000 turns. The versine
$1 - \cos d$ is then a sum without cancellation.
"""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import again
from jaxloss.numerics.elementary import polynomial, two_sum

_HALF_PI = Fraction(0x1921FB54442D18469898CC51701B839A252049C1114CF98E804177D4C762, 1 << 236)


def _parts(bits: int, count: int) -> list[float]:
    """Half of pi as a sum: so many parts of a few bits each, and the rest."""
    parts, rest = list[float](), _HALF_PI
    for i in range(count):
        unit = Fraction(1, 1 << ((i + 1) * bits - 1))
        parts.append(float((rest // unit) * unit))
        rest -= Fraction(parts[-1])
    return [*parts, float(rest)]


_OF_HALF_PI = {24: _parts(11, 3), 53: _parts(26, 3)}
"""By the digits of the dtype."""


def _reduced(x: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""$\rho$, and q modulo 4, of the difference x - t."""
    difference, lost = two_sum(x, -t)
    first, second, third, rest = _OF_HALF_PI[24 if x.dtype == jnp.float32 else 53]
    q = jnp.round(difference * (2 / math.pi))
    small, small_lost = two_sum(q * third, -lost)
    rho = (((difference - q * first) - q * second) - small) - (small_lost + q * rest)
    # Beyond 2000 turns the products are not exact. The bound keeps the remainder where the polynomials are accurate.
    bound = filled(x, math.pi / 4 * (1 + 1e-6))
    return lax.clamp(-bound, rho, bound), q - 4 * jnp.floor(q / 4)


def _sine(rho: jax.Array) -> jax.Array:
    terms = 4 if rho.dtype == jnp.float32 else 8
    square = rho * rho
    return rho + rho * square * polynomial(square, [-((-1) ** i) / math.factorial(2 * i + 3) for i in range(terms)])


def _versine(rho: jax.Array) -> jax.Array:
    terms = 5 if rho.dtype == jnp.float32 else 9
    square = rho * rho
    return square * polynomial(square, [(-1) ** i / math.factorial(2 * i + 2) for i in range(terms)])


def _by_quadrant(q: jax.Array, *values: jax.Array) -> jax.Array:
    return jnp.where(q < 2, jnp.where(q < 1, values[0], values[1]), jnp.where(q < 3, values[2], values[3]))


@jax.custom_jvp
def versine(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$1 - \cos(x - t)$."""
    rho, q = _reduced(x, t)
    s, v = _sine(rho), _versine(rho)
    return _by_quadrant(q, v, 1 + s, 2 - v, 1 - s)


@rule(versine)
def _versine_jvp(primals, tangents):
    (x, t), value = primals, versine(*primals)
    slope = lambda: sine(x, again(t, x))  # noqa: E731
    return value, tangent(value, (slope, tangents[0]), (lambda: -slope(), tangents[1]))


@jax.custom_jvp
def sine(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\sin(x - t)$."""
    rho, q = _reduced(x, t)
    s, c = _sine(rho), 1 - _versine(rho)
    return _by_quadrant(q, s, c, -s, -c)


@rule(sine)
def _sine_jvp(primals, tangents):
    value = sine(*primals)
    return value, tangent(value, (lambda: cosine(*primals), tangents[0]), (lambda: -cosine(*primals), tangents[1]))


@jax.custom_jvp
def cosine(x: jax.Array, t: jax.Array) -> jax.Array:
    r"""$\cos(x - t)$."""
    rho, q = _reduced(x, t)
    s, c = _sine(rho), 1 - _versine(rho)
    return _by_quadrant(q, c, -s, -c, s)


@rule(cosine)
def _cosine_jvp(primals, tangents):
    value = cosine(*primals)
    return value, tangent(value, (lambda: -sine(*primals), tangents[0]), (lambda: sine(*primals), tangents[1]))
