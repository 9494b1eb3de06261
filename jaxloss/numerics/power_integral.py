r"""Integrals of powers and of their logarithms between two numbers, which cancel for no exponent.

$$I_j = \int_y^\mu m^{c - 1} (\log m)^j \, dm = \int_{\log y}^{\log \mu} s^j e^{c s} \, ds$$

For j = 0 it is $(\mu^c - y^c) / c$, and $\log(\mu / y)$ at c = 0; each derivative in c adds 1 to j.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxloss.numerics.elementary import expm1, polynomial

FAR = 1e12
"""A logarithm, or a difference of logarithms, that stands for an infinite one: its cube is a float."""


class End(NamedTuple):
    """One end of an interval: its logarithm, which is finite, and its powers."""

    log: jax.Array
    power: Callable[[jax.Array], jax.Array]


def power_integral(j: int, c: jax.Array, d: jax.Array, x: End, y: End) -> jax.Array:
    r"""$I_j$ for j from 0 to 2. For values, not for slopes.

    Args:
        j: The power of the logarithm.
        c: The exponent.
        d: The difference of the ends' logarithms, to the last bit, at most `FAR`; positive where x is the larger end.
        x: The upper end of the integral.
        y: The lower end of the integral.
    """
    # At a distance v of logarithms from the end with the larger power, the power is that end's times e^(-|c| v).
    down = c >= 0
    from_x = (d >= 0) == down
    start = jnp.where(from_x, x.log, y.log)
    power = jnp.where(from_x, x.power(c), y.power(c))
    length = jnp.abs(d)
    moments = [length * _moment(i, jnp.abs(c) * length) for i in range(j + 1)]
    total, inward = moments[0], jnp.where(down, -length, length)
    if j == 1:
        total = start * moments[0] + inward * moments[1]
    if j == 2:
        total = start * (start * moments[0] + 2 * inward * moments[1]) + inward * (inward * moments[2])
    return jnp.where(d >= 0, total, -total) * power


def _moment(i: int, z: jax.Array) -> jax.Array:
    r"""$\int_0^1 u^i e^{-z u} \, du$ for $z \ge 0$."""
    near, far = jnp.minimum(z, 1), jnp.maximum(z, 1)
    terms = 11 if z.dtype == jnp.float32 else 19
    series = polynomial(-near, [1 / (math.factorial(n) * (n + i + 1)) for n in range(terms)])
    moment = -expm1(-far) / far
    for n in range(1, i + 1):
        moment = (n * moment - jnp.exp(-far)) / far
    return jnp.where(z <= 1, series, moment)


def power_gap(j: int, a: jax.Array, d: jax.Array) -> jax.Array:
    r"""$\int_0^d s^j (e^{(a + 1) s} - e^{a s}) \, ds$ for $|a d|$ and $|(a + 1) d|$ up to 1.

    It is $d^{j + 2} \sum_n \frac{S_n}{n! (n + j + 1)}$ with $S_1 = 1$ and $S_{n + 1} = (a + 1) d S_n + (a d)^n$: the
    differences of the powers of both exponents, divided by that of the exponents. For values, not for slopes.
    """
    low, high = a * d, (a + 1) * d
    divided, power = jnp.ones_like(low), low
    total = divided / (j + 2)
    for n in range(2, 12 if d.dtype == jnp.float32 else 20):
        divided, power = high * divided + power, low * power
        total = total + divided * (1 / (math.factorial(n) * (n + j + 1)))
    return d ** (j + 2) * total
