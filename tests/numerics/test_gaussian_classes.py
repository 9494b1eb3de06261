"""Probabilities of the Gaussian law between two numbers."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

from jaxloss.numerics.gaussian_classes import gaussian_between, gaussian_density
from tests import ulp
from tests.compiling import optimized
from tests.numerics.pairs import of_a_number
from tests.numerics.primitives import End, Row

POINTS = np.float32([-12, -3, -1, -0.1, 0, 0.3, 1, 2.5, 7, 12.9])
TRUTHS = [Row(of_a_number(gaussian_density), lambda z: mp.npdf(z), POINTS, 4, 4)]
ENDS = [
    End(of_a_number(gaussian_density), (np.inf,), 0, (0,)),
    End(of_a_number(gaussian_density), (-np.inf,), 0, (0,)),
]
STARTS = np.float32([-11, -5, -1.5, -0.4, -0.8, -0.3, -0.1, 0, 0, 3, 20, -7])
ENDINGS = np.float32([1.01, 11, 4, 0.41, 0.01, 0.3, 0.2, 1, 1e-3, 3.0001, 25, -6.9])


def test_the_probability_between_two_numbers_and_its_slopes():
    mp.mp.dps = ulp.DIGITS
    zero = jnp.zeros(len(STARTS))

    def between(z, a):
        return gaussian_between((z, zero), (a, zero), z - a)

    slopes = optimized(jax.grad(lambda z, a: between(z, a).sum(), (0, 1)))(ENDINGS, STARTS)
    values = optimized(between)(ENDINGS, STARTS)
    for got, in_z, in_a, z, a in zip(values, *slopes, map(ulp.exact, ENDINGS), map(ulp.exact, STARTS), strict=True):
        p = (mp.erfc(a / mp.sqrt(2)) - mp.erfc(z / mp.sqrt(2))) / 2
        assert ulp.ulps(got, -mp.log(p)) <= 6
        assert ulp.ulps(in_z, -mp.npdf(z) / p) <= 6
        assert ulp.ulps(in_a, mp.npdf(a) / p) <= 6
