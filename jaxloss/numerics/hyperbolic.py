"""The logarithm of cosh, its slope tanh, and the slope of that, the squared hyperbolic secant."""

import math

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import by_platform, form
from jaxloss.numerics._rule import rule
from jaxloss.numerics.elementary import expm1, log1p_near, polynomial


@jax.custom_jvp
def log_cosh(x: jax.Array) -> jax.Array:
    r"""$\log \cosh x$, without the cancellation at 0 and the overflow of cosh."""
    a = jnp.abs(x)
    # Up to 1 from cosh a - 1 = a^2 / 2! + a^4 / 4! + ..., beyond it as a - log 2 + log(1 + e^(-2 a)).
    q = jnp.square(jnp.minimum(a, 1))
    near = q * polynomial(q, [1 / math.factorial(2 * i + 2) for i in range(6 if x.dtype == jnp.float32 else 10)])
    log = log1p_near(jnp.where(a <= 1, near, jnp.exp(-2 * a)))
    return jnp.where(a <= 1, log, a + (log - math.log(2)))


@rule(log_cosh)
def _log_cosh_jvp(primals, tangents):
    (x,) = primals
    value = log_cosh(x)
    return value, _tanh_of(x, value) * tangents[0]


@jax.custom_jvp
def tanh(x: jax.Array) -> jax.Array:
    r"""$\tanh x$ to one unit in the last place; XLA's is off by four."""
    # (1 - e^(-2 |x|)) / (1 + e^(-2 |x|)), from u = 1 - e^(-2 |x|).
    u = -expm1(-2 * jnp.abs(x))
    return jnp.sign(x) * (u / (2 - u))


@rule(tanh)
def _tanh_jvp(primals, tangents):
    (x,) = primals
    return tanh(x), _squared_secant(x) * tangents[0]


def _tanh(x: jax.Array, value: jax.Array) -> jax.Array:
    del value
    return tanh(x)


@form(_tanh)
def _tanh_of(x: jax.Array, value: jax.Array) -> jax.Array:
    r"""$\tanh x$ from $\log \cosh x$: its square is $1 - e^{-2 \log \cosh x}$.

    XLA on CPU then reuses the buffer of the value for the slope; it would store an exponential that both share.
    Measured: jaxlib 0.10.2, gradient of log_cosh 16M, the twin takes 1.5 times the CPU time and stores 67 MB, the form
    nothing.
    """
    return by_platform(x, value, cpu=_tanh_of_log_cosh, default=_tanh)


@jax.custom_jvp
def _tanh_of_log_cosh(x: jax.Array, value: jax.Array) -> jax.Array:
    square = -expm1(-2 * value)
    small = square < float(jnp.finfo(x.dtype).eps) / 4  # where tanh x is x, and the value may underflow
    return jnp.sign(x) * jnp.where(small, jnp.abs(x), jnp.sqrt(square))


@rule(_tanh_of_log_cosh)
def _tanh_of_log_cosh_jvp(primals, tangents):
    x, value = primals
    # The value is a function of x, whose whole slope is in x.
    return _tanh_of_log_cosh(x, value), _squared_secant(x) * tangents[0]


def _squared_secant(x: jax.Array) -> jax.Array:
    r"""$1 / \cosh^2 x$."""
    e = jnp.exp(-2 * jnp.abs(x))
    return 4 * e / jnp.square(1 + e)
