"""The focal loss of an example whose cross-entropy is known."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

from jaxloss.numerics.focal import focal_nll
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

ENDS = [
    End(focal_nll, (0.0, 2.0), 0, (0, 0)),
    End(focal_nll, (0.0, 0.0), 0, (1, 0)),
    End(focal_nll, (np.inf, 2.0), np.inf, (1, 0)),
]


def test_second_derivatives_near_certainty_keep_their_digits():
    """In float64 at c from 1e-4 to 3, on both sides of the point where the series ends."""
    mp.mp.dps = ulp.DIGITS
    truth = lambda x: (1 - mp.exp(-x[0])) ** x[1] * x[0]
    with jax.enable_x64(True):
        c = jnp.asarray([1e-4, 0.01, 0.0999, 0.1001, 0.7, 3.0], jnp.float64)
        second = optimized(jax.vmap(jax.grad(jax.grad(focal_nll)), (0, None)))(c, jnp.float64(2.0))
        for got, v in zip(map(float, second), map(ulp.exact, c), strict=True):
            expected = ulp.second(truth, [v, mp.mpf(2)], 0, [1, 0])
            assert abs(got / expected - 1) < 2e-13, f"{float(v)}: {float(got / expected - 1)}"
