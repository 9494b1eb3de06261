r"""The logarithm of the modified Bessel function of order 0, scaled, and its derivatives, without cancellation.

The versine $v = 1 - \cos \theta$ of an angle that follows the law of von Mises of concentration k, whose density is
$e^{-k v}$ up to a factor, has as its cumulants the derivatives of $\log e^{-k} I_0(k)$: minus its mean
$1 - I_1(k) / I_0(k)$, its variance, and so on.

In float32 each function is a factor that is right at both ends, corrected between them by a Chebyshev series in
$z = (k - 3) / (k + 3)$, which goes from -1 to 1. In float64 all are sums over points of the integral over $\theta$.
"""

import math

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule
from jaxloss.numerics.chebyshev import half_line_series
from jaxloss.numerics.elementary import expm1, log1p


@jax.custom_jvp
def log_scaled_i0(k: jax.Array) -> jax.Array:
    r"""$\log(e^{-k} I_0(k))$ for $k \ge 0$; near $-\tfrac12 \log 2 \pi k$ for large k."""
    if k.dtype != jnp.float32:
        return _Points(k).log_total()
    # -log(1 + 2 k) / 2 has the same slope at 0 and the same leading term at infinity. The remainder is negative too, so
    # that the sum does not cancel.
    share = k * (1 / (k + 3))
    return share * share * half_line_series(k, 3, _OF_LOG) - 0.5 * log1p(2 * k)


@rule(log_scaled_i0)
def _log_scaled_i0_jvp(primals, tangents):
    (k,) = primals
    return log_scaled_i0(k), -mean_versine(k) * tangents[0]


@jax.custom_jvp
def mean_versine(k: jax.Array) -> jax.Array:
    r"""$1 - I_1(k) / I_0(k)$ for $k \ge 0$; near $1 / 2 k$ for large k."""
    if k.dtype != jnp.float32:
        return _Points(k).mean()
    return (1 + _share(k) * half_line_series(k, 3, _OF_MEAN)) / (1 + 2 * k)


@rule(mean_versine)
def _mean_versine_jvp(primals, tangents):
    (k,) = primals
    return mean_versine(k), -versine_variance(k) * tangents[0]


def versine_variance(k: jax.Array) -> jax.Array:
    r"""$1 - A^2 - A / k$ with $A = I_1(k) / I_0(k)$, for $k \ge 0$; near $1 / 2 k^2$ for large k."""
    if k.dtype != jnp.float32:
        return _Points(k).variance()
    inverse = 1 / (1 + k)
    return ((1 + _share(k) * half_line_series(k, 3, _OF_VARIANCE)) * inverse) * (0.5 * inverse)


def _share(k: jax.Array) -> jax.Array:
    """$3 k / (k + 3)^2$, which is 0 at both ends."""
    inverse = 1 / (k + 3)
    return (k * inverse) * (3 * inverse)


_VERSINES = [2 * math.sin(math.pi * i / 64) ** 2 for i in range(33)]
_ENDS = [(0.5 if i in (0, 32) else 1.0) / 32 for i in range(33)]
_HEIGHTS = [0.4 * i for i in range(19)]
_FAR_ENDS = [(1.0 if height else 0.5) * math.exp(-(height**2)) * (0.8 / math.pi) for height in _HEIGHTS]


class _Points:
    r"""Points $\theta$ with their weights under the law, by the trapezoidal rule, whose error is exponentially small.

    Up to a concentration of 30 the points are equidistant in $\theta$, beyond it in $\sqrt{2 k} \sin(\theta / 2)$.
    """

    def __init__(self, k: jax.Array):
        self.k, self.few = k, k <= 30
        near, far = (jnp.expand_dims(x, -1) for x in (jnp.minimum(k, 30), jnp.maximum(k, 30)))
        along = lambda numbers: jnp.asarray(numbers, k.dtype).reshape((1,) * k.ndim + (-1,))  # noqa: E731
        self.near, self.versines, self.ends = near, along(_VERSINES), along(_ENDS)
        self.weights = self.ends * jnp.exp(-near * self.versines)
        self.far_versines = along([height**2 for height in _HEIGHTS]) / far
        root = jnp.sqrt(0.5 / far) / jnp.sqrt(1 - 0.5 * self.far_versines)
        self.far_weights = along(_FAR_ENDS) * root

    def log_total(self) -> jax.Array:
        small = log1p(jnp.sum(self.ends * expm1(-self.near * self.versines), -1))
        total = jnp.where(self.few, jnp.sum(self.weights, -1), jnp.sum(self.far_weights, -1))
        return jnp.where(self.k < 1, small, jnp.log(total))

    def _averaged(self, near: jax.Array, far: jax.Array) -> jax.Array:
        means = (jnp.sum(w * x, -1) / jnp.sum(w, -1) for w, x in ((self.weights, near), (self.far_weights, far)))
        return jnp.where(self.few, *means)

    def mean(self) -> jax.Array:
        return self._averaged(self.versines, self.far_versines)

    def variance(self) -> jax.Array:
        mean = jnp.expand_dims(self.mean(), -1)
        return self._averaged(jnp.square(self.versines - mean), jnp.square(self.far_versines - mean))


# The Chebyshev coefficients, exact to 1e-7 and less, of the corrections.
_OF_LOG = [
    -2.6604625342, 2.8481414435, -0.9268211312, 0.19793167673, -0.052752606987, 0.036493252527, -0.019811188131,
    0.0054989536672, -0.00083240334032, 0.00058691090775, -0.00047312760288, 0.00014786456491, -1.7402921415e-05,
    1.3781349915e-05, -1.1057908757e-05, 3.0424926415e-06, -8.3033036811e-07, 5.2831084325e-07, -1.2603358442e-07,
    6.3971854494e-08,
]  # fmt: skip
_OF_MEAN = [
    2.0715231801, -2.4142705207, 0.47116435293, 0.30549332188, -0.21148995199, -0.011214656696, 0.053515268893,
    -0.0073518497167, -0.011777323661, 0.0029573940009, 0.0025058900238, -0.00072398128005, -0.00053390121257,
    0.00011797650879, 0.00010874766534, -3.9708708037e-06, -1.7354920985e-05, -5.4967862818e-06, 3.3879627649e-07,
    2.0869238148e-06, 1.1574594219e-06, -2.3394064888e-07, -4.9747618528e-07, -1.3064219793e-07, 9.0788267237e-08,
    7.7674807929e-08,
]  # fmt: skip
_OF_VARIANCE = [
    4.7681586181, -4.0161163554, -1.2513996298, 1.8597189727, -0.24444660326, -0.52678103906, 0.20430164223,
    0.12086155976, -0.078329131034, -0.025611712754, 0.023011120491, 0.0057717956214, -0.0055463700726,
    -0.0015037076475, 0.0010173065749, 0.00040235100853, -8.0988866994e-05, -8.0934902932e-05, -3.3327072871e-05,
    2.0170560433e-07, 1.7218672416e-05, 8.8488997004e-06, -2.849921373e-06, -4.174196963e-06, -8.4874404982e-07,
    8.5230374894e-07, 6.6214966903e-07, 1.0259707711e-07, -1.4672641392e-07, -1.2249156311e-07,
]  # fmt: skip
