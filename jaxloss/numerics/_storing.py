"""Forms that decide which results XLA stores.

On CPU it stores a result that is costly to repeat, a quotient, a logarithm or an exponential, where two expressions use
it, or one expression twice. It computes again, in each use, the sums, products, minima and selects between such
results. On TPUs it stores what two kernels share.

Figures are given in floors where a program is bound by memory traffic. A floor is the number of bytes that it must
move: every input read once, and the result written once.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import by_platform, form
from jaxloss.numerics._rule import pushed, rule


def _first(x: jax.Array, other: jax.Array | float) -> jax.Array:
    del other
    return x


@form(_first)
def as_minimum(x: jax.Array, bound: float | int) -> jax.Array:
    """`x`, as the minimum of x and a bound that a finite x does not reach; an infinite x becomes the bound.

    XLA on CPU stores a quotient, a logarithm or an exponential that is used twice, but not a minimum of one, and
    computes a function of a minimum beside the same function of x. Measured: jaxlib 0.10.2, value and gradient of
    negative_binomial_nll 16M, the twin takes 2.8 times the CPU time and stores 738 MB, the form 67 MB.
    """
    return jnp.minimum(x, bound)


def _same(x: jax.Array) -> jax.Array:
    return x


@form(_same)
def stored(x: jax.Array) -> jax.Array:
    """`x`, computed once for all its uses on CPUs, as a quotient by 1, which XLA does not see to be 1.

    XLA on CPU would compute a product again in each use, and store each quotient and exponential that it needs for
    that. Measured: jaxlib 0.10.2, gradient of js_divergence_from_logits 8192x1000, the twin takes 1.3 times the CPU
    time and stores 66 MB, the form 33 MB.
    """

    def quotient(x: jax.Array) -> jax.Array:
        one = jnp.ones_like(x)
        return x / jnp.where(x == x, one, 2 * one)

    return by_platform(x, cpu=quotient, default=_same)


def _selected(x: jax.Array, other: jax.Array) -> jax.Array:
    return jnp.where(other == other, x, jnp.ones_like(x))


@form(_first)
def again(x: jax.Array, other: jax.Array) -> jax.Array:
    """`x`, on TPUs in an expression that XLA does not see to be x, so that it computes again what is made of x.

    In bfloat16 XLA on TPUs stores as float32 what value and slope share, between a kernel for each; of value and slope
    that share nothing it makes one kernel. Where `other`, which they need too, is nan, this is 1. Measured: libtpu of
    jax 0.12, value and gradient of gamma_nll in bfloat16 on v5e, the twin moves 3.0 floors, the form 1.0.
    """
    return by_platform(x, other, cpu=_first, gpu=_first, default=_selected)


def apart(f: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """`f(x, t, ...)`, whose slopes are made from t `again`: they share nothing that is made of t with the value.

    Measured: libtpu of jax 0.12, value and gradient of weibull_nll on v5p, f itself moves 4.0 floors in bfloat16 and
    2.3 in float32, this 1.0 in both.
    """

    @jax.custom_jvp
    def value(*arrays: jax.Array) -> jax.Array:
        return f(*arrays)

    @rule(value)
    def _value_jvp(primals, tangents):
        x, t, *others = primals
        return value(*primals), pushed(f, (x, again(t, x), *others), tuple(tangents))

    return value
