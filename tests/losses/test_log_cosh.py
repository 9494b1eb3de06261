import jax.numpy as jnp
import mpmath as mp

import jaxloss
from tests import cases
from tests.cases import Case, Limit

CASES = [
    Case(
        fn=jaxloss.log_cosh,
        form=jaxloss.LogCosh,
        predictions=cases.normal,
        targets=cases.normal,
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
