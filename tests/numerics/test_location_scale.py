"""The continuous ranked probability score of laws of a location and a scale."""

import math

import jax
import numpy as np
import pytest

from jaxloss.numerics.location_scale import crps_gaussian, crps_laplace, crps_logistic
from tests.compiling import quick
from tests.numerics.primitives import End

ROOT_PI = math.sqrt(math.pi)
LEAST = {crps_gaussian: (math.sqrt(2) - 1) / ROOT_PI, crps_logistic: 2 * math.log(2) - 1, crps_laplace: 0.25}
FAR = {crps_gaussian: 1 / ROOT_PI, crps_logistic: 1, crps_laplace: 0.75}
ENDS = [End(f, (0.0, 2.0), 2 * least, (0, least)) for f, least in LEAST.items()]
ENDS += [End(f, (-np.inf, 2.0), np.inf, (-1, -c)) for f, c in FAR.items()]
ENDS += [End(f, (1e30, 1e-10), 1e30, (1, -c)) for f, c in FAR.items()]


@pytest.mark.parametrize("function", LEAST)
def test_the_third_derivative_is_that_of_the_formula(function):
    second = jax.grad(jax.grad(function))
    for e in (-2.3, -0.6, 0.8, 3.0):
        h = np.float32(1e-2)
        numeric = (second(e + h, 1.5) - second(e - h, 1.5)) / (2 * h)
        np.testing.assert_allclose(quick(jax.grad(second))(e, 1.5), numeric, rtol=2e-3)
