import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import REALS, Case, Limit
from tests.compiling import optimized

CASES = [
    Case(
        fn=jaxloss.log_cosh,
        form=jaxloss.LogCosh,
        arrays={"predictions": REALS, "targets": REALS},
        oracle=lambda p, t: mp.log(mp.cosh(p - t)),
        grid=lambda: (cases.reals()[abs(cases.reals()) < 40], 0 * cases.reals()[abs(cases.reals()) < 40]),
        value=Limit(strict=5),
        gradient=Limit(strict=4),
        second=Limit(strict=16),
    )
]


def test_a_large_error_does_not_overflow():
    assert jaxloss.log_cosh(jnp.float32(1e30)) == jnp.float32(1e30)
    assert jaxloss.log_cosh(-jnp.inf) == jnp.inf


def test_the_slope_of_a_tiny_error_is_the_error_where_its_square_underflows():
    errors = jnp.array([1e-37, 1e-30, -1e-22, 1e-12, 1e-4])
    slopes = optimized(jax.grad(lambda e: jaxloss.log_cosh(e).sum()))(errors)
    np.testing.assert_allclose(slopes, errors, rtol=1e-6)
