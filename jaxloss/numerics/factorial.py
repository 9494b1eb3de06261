"""The logarithms of the factorial and of the gamma function, and the error of Stirling's formula for them."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import atanh_tail, log1p, minus_log, polynomial
from jaxloss.numerics.guarded import nan_unless
from jaxloss.numerics.log_products import xlogx
from jaxloss.numerics.polygamma import digamma

HALF_LOG_2PI = 0.9189385332046727
_ONE_MINUS_EULER = 0.42278433509846714
# (-1)^n (zeta(n) - 1) / n for n = 2, 3 ..., with Riemann's zeta function.
_ZETA = [
    0.3224670334241132, -0.06735230105319809, 0.020580808427784546, -0.007385551028673986, 0.0028905103307415234,
    -0.001192753911703261, 0.0005096695247430425, -0.00022315475845357939, 9.945751278180853e-05,
    -4.492623673813314e-05, 2.050721277567069e-05, -9.439488275268397e-06, 4.374866789907488e-06,
    -2.039215753801366e-06, 9.55141213040742e-07, -4.492469198764566e-07, 2.1207184805554667e-07,
    -1.00432248239681e-07, 4.7698101693639804e-08, -2.2711094608943164e-08, 1.0838659214896955e-08,
    -5.183475041970047e-09, 2.4836745438024785e-09, -1.1921401405860912e-09, 5.731367241678862e-10,
]  # fmt: skip


def stirling_error(k: jax.Array) -> jax.Array:
    r"""$\log k! - (k + \tfrac12) \log k + k - \tfrac12 \log 2 \pi$ for $k > 0$ (Loader, 2000); near $1 / 12 k$ from 1.

    With $\delta(k)$ for this error, $\delta(k) - \delta(k + 1) = (k + \tfrac12) \log(1 + 1 / k) - 1$ is a series of
    positive terms. A few such steps lead to a k for which the asymptotic series is exact. The derivative is that of
    these expressions.
    """
    steps, terms = (4, 5) if k.dtype == jnp.float32 else (15, 8)
    total = jnp.where(k < 1, _stirling_step(jnp.minimum(k, 1)), jnp.zeros_like(k))
    k = jnp.where(k < 1, k + 1, k)
    for i in range(steps):
        w = 1 / jnp.square(2 * (k + i) + 1)
        total = total + w * atanh_tail(w, 1 / 9)
    inverse = 1 / (k + steps)
    return total + inverse * polynomial(inverse * inverse, _ASYMPTOTIC[:terms])


def _stirling_step(k: jax.Array) -> jax.Array:
    r"""$(k + \tfrac12) \log(1 + 1 / k) - 1$ for k from 0 to 1: by the series from 3/8, where the terms cancel."""
    near = jnp.maximum(k, 3 / 8)
    w = 1 / jnp.square(2 * near + 1)
    return jnp.where(k < 3 / 8, (k + 0.5) * log1p(1 / k) - 1, w * atanh_tail(w, 1 / 3))


# B_2n / (2 n (2 n - 1)) with Bernoulli's numbers B.
_ASYMPTOTIC = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400]


@jax.custom_jvp
def log_factorial(k: jax.Array) -> jax.Array:
    r"""$\log k! = \log \Gamma(k + 1)$ for $k \ge 0$, exactly 0 at 0 and 1."""
    return nan_unless(~(k < 0), _log_factorial(k))


@rule(log_factorial)
def _log_factorial_jvp(primals, tangents):
    (k,) = primals
    return log_factorial(k), digamma(k + 1) * tangents[0]


@jax.custom_jvp
def log_gamma(x: jax.Array) -> jax.Array:
    r"""$\log \Gamma(x)$ for $x > 0$, exactly 0 at 1 and 2."""
    below = x < 0.5
    factorial = _log_factorial(jnp.where(below, x, x - 1))
    return jnp.where(below, factorial - jnp.log(x), factorial)


@rule(log_gamma)
def _log_gamma_jvp(primals, tangents):
    (x,) = primals
    return log_gamma(x), digamma(x) * tangents[0]


def _log_factorial(k: jax.Array) -> jax.Array:
    """The logarithm of the factorial from -1/2."""
    # log Gamma(2 + j) for j from -1/2 to 1/2 by its Taylor series, and by the recurrence to either side of that.
    j = jnp.where(k < 0.5, k, jnp.where(k < 1.5, k - 1, jnp.where(k < 2.5, k - 2, jnp.zeros_like(k))))
    terms = 14 if k.dtype == jnp.float32 else len(_ZETA)
    middle = j * (_ONE_MINUS_EULER + j * polynomial(j, _ZETA[:terms]))
    small = jnp.where(k < 0.5, middle - log1p(j), jnp.where(k < 1.5, middle, middle + jnp.log(k)))
    large = jnp.where(k < 1, jnp.ones_like(k), k)
    stirling = xlogx(large) - large + (0.5 * jnp.log(large) + HALF_LOG_2PI + stirling_error(large))
    return jnp.where(k < 2.5, small, stirling)


def log_peak(k: jax.Array) -> jax.Array:
    r"""$\log k! - k \log k + k$ for $k \ge 0$: minus the log of the largest probability of k under a Poisson law.

    For $k \ge 1$ it is $\tfrac12 \log 2 \pi k$ plus the error of Stirling's formula, and nothing cancels. For
    values, not for slopes: the losses that use it have rules for their slopes in k.
    """
    if k.dtype != jnp.float32:
        large = jnp.where(k < 1, jnp.ones_like(k), k)
        saddle = 0.5 * jnp.log(large) + HALF_LOG_2PI + stirling_error(large)
        return jnp.where(k < 1, log_factorial(k) - xlogx(k) + k, saddle)
    # The logarithm is that of the deviance, which is added to this: XLA computes it once.
    log = -minus_log(jnp.zeros_like(k), jnp.where(k > 0, k, jnp.ones_like(k)))
    inverse = as_minimum(1 / jnp.maximum(k, 1), 2)
    saddle = 0.5 * log + (HALF_LOG_2PI + inverse * polynomial(inverse, _FROM_ONE))
    return jnp.where(k < 1, k * ((1 - log) + polynomial(k, _TO_ONE)), saddle)


# The polynomials through the Chebyshev points from 0 to 1 of log k! / k, and of the error of Stirling's formula times k
# as a function of 1 / k. They are exact to 6e-9 and 5e-9.
_TO_ONE = [
    -0.577215659546, 0.822465957466, -0.400649324664, 0.270095906895, -0.20401113628, 0.155559029878, -0.106559668016,
    0.0567723874485, -0.0196479771725, 0.00319048682654,
]  # fmt: skip
_FROM_ONE = [
    0.083333336717, -3.49734534447e-7, -0.00277068811337, -6.09097330866e-5, 0.0010635330934, -0.000645669862827,
    0.000142218940672,
]  # fmt: skip
