import jax
import jax.numpy as jnp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import NEAR, Case, Limit


def huber(p, t, delta=1):
    e = abs(p - t)
    return e * e / 2 if e <= delta else delta * (e - delta / 2)


CASES = [
    Case(
        fn=jaxloss.huber_loss,
        form=jaxloss.HuberLoss,
        arrays={"predictions": NEAR, "targets": NEAR},
        oracle=huber,
        options={"delta": 0.75},
        bad_options={"delta": (0.0, -1.0, "wide", np.ones(3, np.float32))},
        grid=lambda: (cases.reals(), np.zeros_like(cases.reals())),
        value=Limit(strict=2),
        gradient=Limit(strict=1),
        second=Limit(strict=0),
    )
]


def test_is_quadratic_to_the_last_bit_in_half_precision():
    e = jnp.array([1e-4, 0.002, 0.01], jnp.bfloat16)
    gradient = jax.grad(lambda x: jaxloss.huber_loss(x).sum())(e)
    np.testing.assert_array_equal(gradient, e)


def test_an_infinite_error_has_the_slope_delta():
    x = jnp.array([jnp.inf, -jnp.inf])
    np.testing.assert_array_equal(jaxloss.huber_loss(x, delta=2.0), [jnp.inf, jnp.inf])
    np.testing.assert_array_equal(jax.grad(lambda x: jaxloss.huber_loss(x, delta=2.0).sum())(x), [2.0, -2.0])


def test_the_slope_in_delta_is_the_excess_of_the_error_over_it():
    slope = jax.grad(lambda delta: jaxloss.huber_loss(jnp.array([3.0, 0.5]), delta=delta).sum())(1.0)
    assert slope == 2.0
