r"""$x \log y$ and its relatives: the terms of every cross-entropy, exact where a probability is 0."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import divide, times


@jax.custom_jvp
def xlogy(x: jax.Array, y: jax.Array) -> jax.Array:
    r"""$x \log y$ for $y \ge 0$, with $0 \log 0 = 0$."""
    return times(x, jnp.log(y))


@rule(xlogy)
def _xlogy_jvp(primals, tangents):
    x, y = primals
    value = xlogy(x, y)
    return value, tangent(value, (lambda: log_if_any(x, y), tangents[0]), (lambda: divide(x, y), tangents[1]))


def log_if_any(x: jax.Array, y: jax.Array) -> jax.Array:
    r"""$\log y$ as the slope of $x \log y$ in x: 0 where x and y are both 0.

    Every slope from minus infinity to 0 is a limit along some path there. With 0 an absent outcome stays absent.
    """
    absent = (x == 0) & (y == 0)
    return jnp.log(jnp.where(absent, jnp.ones_like(y), y))


@jax.custom_jvp
def xlog1py(x: jax.Array, y: jax.Array) -> jax.Array:
    r"""$x \log(1 + y)$ for $y \ge -1$, with 0 at (0, -1)."""
    return times(x, log1p(y))


@rule(xlog1py)
def _xlog1py_jvp(primals, tangents):
    x, y = primals
    value = xlog1py(x, y)
    return value, tangent(
        value,
        (lambda: _log1p_if_any(x, y), tangents[0]),
        (lambda: divide(x, 1 + y), tangents[1]),
    )


def _log1p_if_any(x: jax.Array, y: jax.Array) -> jax.Array:
    absent = (x == 0) & (y == -1)
    return log1p(jnp.where(absent, jnp.zeros_like(y), y))


@jax.custom_jvp
def xlogx(x: jax.Array) -> jax.Array:
    r"""$x \log x$ for $x \ge 0$, with $0 \log 0 = 0$ and its true slope at 0, minus infinity."""
    return times(x, jnp.log(x))


@rule(xlogx)
def _xlogx_jvp(primals, tangents):
    (x,) = primals
    return xlogx(x), (jnp.log(x) + 1) * tangents[0]
