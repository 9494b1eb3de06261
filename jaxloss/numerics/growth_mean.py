r"""$\varphi(t) = \log \frac{e^t - 1}{t}$ for $t \ge 0$, the logarithm of a mean growth, with two derivatives.

The first derivative is F. All three are summed by their series in Bernoulli numbers up to t = 1, where the closed forms
cancel.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxloss.numerics.elementary import expm1, polynomial
from jaxloss.numerics.polygamma import BERNOULLI

# B_2n / (2n)!, n = 1, 2 ...; the series below have the radius 2 pi, and are summed for rates up to 1.
_SERIES = [b / math.factorial(2 * n + 2) for n, b in enumerate(BERNOULLI)]


def bernoulli_series(w: jax.Array, factor: Callable[[int], float]) -> jax.Array:
    """The sum of $B_{2n} / (2n)!$ times a function of 2n times $w^{n - 1}$, n = 1, 2 ..., for w up to 1."""
    terms = 6 if w.dtype == jnp.float32 else len(_SERIES)
    return polynomial(w, [c * factor(2 * n + 2) for n, c in enumerate(_SERIES[:terms])])


def log_growth_mean(t: jax.Array) -> jax.Array:
    r"""$\varphi(t) = \frac{t}{2} + \sum_n \frac{B_{2n}}{2n (2n)!} t^{2n}$ for t up to 1."""
    return t * (0.5 + t * bernoulli_series(t * t, lambda m: 1 / m))


def near_slope(t: jax.Array) -> jax.Array:
    r"""$F(t) = 1 / (1 - e^{-t}) - 1 / t$ for t up to 1."""
    return 0.5 + t * bernoulli_series(t * t, lambda _: 1)


def near_curvature(t: jax.Array) -> jax.Array:
    r"""$F'(t) = \varphi''(t)$ for t up to 1."""
    return bernoulli_series(t * t, lambda m: m - 1)


def slope_of_mean(t: jax.Array) -> jax.Array:
    """F, from 1/2 at 0 to 1 at infinity."""
    near, far = jnp.minimum(t, 1), jnp.maximum(t, 1)
    return jnp.where(t < 1, near_slope(near), 1 - _far_complement(far))


def slope_complement(t: jax.Array) -> jax.Array:
    """$1 - F(t)$, the complement of the slope."""
    near, far = jnp.minimum(t, 1), jnp.maximum(t, 1)
    return jnp.where(t < 1, 0.5 - near * bernoulli_series(near * near, lambda _: 1), _far_complement(far))


def _far_complement(far: jax.Array) -> jax.Array:
    return 1 / far - 1 / expm1(far)


def curvature_of_mean(t: jax.Array) -> jax.Array:
    r"""$F'(t) = \varphi''(t)$, from 1/12 at 0 to 0 at infinity."""
    near, far = jnp.minimum(t, 1), jnp.maximum(t, 1)
    inverse, steep = 1 / far, 1 / expm1(far)
    return jnp.where(t < 1, near_curvature(near), inverse * inverse - steep * (1 + steep))
