"""Failures before a success."""

import jax
import numpy as np

from jaxloss.numerics.geometric import failures_nll
from tests.compiling import quick
from tests.numerics.primitives import End

ENDS = [
    End(failures_nll, (np.inf, 0.0), 0, (0, 0)),
    End(failures_nll, (np.inf, 2.0), np.inf, (2, np.inf)),
    End(failures_nll, (-np.inf, 2.0), np.inf, (-1, 0)),
]


def test_the_curvature_is_a_float_where_the_exponential_is_none():
    curve = quick(jax.grad(jax.grad(failures_nll)))(np.float32(-90), np.float32(1e8))
    np.testing.assert_allclose(curve, 1e8 * np.exp(-90.0), rtol=1e-6)
