"""Products of rates and exposures."""

import jax
import numpy as np

from jaxloss.numerics.exposure import exposed, poisson_exact_exposed_rate, poisson_exposed_rate
from tests.compiling import quick
from tests.numerics.primitives import End

ENDS = [
    End(exposed, (0.0, 2.0), 0, (np.exp(2.0), 0)),
    End(exposed, (3.0, -np.inf), 0, (0, 0)),
    End(poisson_exposed_rate, (0.0, 2.0, 0.0), 0, (np.exp(2.0), 0, 0)),
    End(poisson_exact_exposed_rate, (3.0, -np.inf, 0.0), 0, (0, 0, -0.57721566)),
    End(poisson_exact_exposed_rate, (3.0, 0.0, 1.0), 3 - np.log(3.0), (2 / 3, 2, 0.42278434 - np.log(3.0))),
]


def test_a_product_is_a_float_where_the_exposure_is_none():
    np.testing.assert_allclose(quick(exposed)(np.float32(1e-30), np.float32(100)), np.exp(100) * 1e-30, rtol=1e-5)
    np.testing.assert_allclose(quick(exposed)(np.float32(1e30), np.float32(-100)), np.exp(-100) * 1e30, rtol=1e-5)


def test_no_second_derivative_overflows_where_the_product_is_ordinary():
    hessian = quick(jax.hessian(poisson_exposed_rate, (0, 1, 2)))(np.float32(1e15), np.float32(-34), np.float32(2))
    (rr, ro, rk), (_, oo, ok), _ = hessian
    np.testing.assert_allclose(rr, 2e-30, rtol=1e-6)
    np.testing.assert_allclose(rk, -1e-15, rtol=1e-6)
    np.testing.assert_allclose([ro, oo, ok], [np.exp(-34), 1e15 * np.exp(-34), -1], rtol=1e-5)
