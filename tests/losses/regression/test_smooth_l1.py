import jax
import jax.numpy as jnp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import REALS, Case, Limit


def smooth_l1(p, t, beta=1):
    e = abs(p - t)
    return e * e / (2 * beta) if e < beta else e - beta / 2


CASES = [
    Case(
        fn=jaxloss.smooth_l1_loss,
        form=jaxloss.SmoothL1Loss,
        arrays={"predictions": REALS, "targets": REALS},
        oracle=smooth_l1,
        options={"beta": 0.75},
        bad_options={"beta": (-1.0, "wide", np.ones(3, np.float32))},
        grid=lambda: (cases.reals(), np.zeros_like(cases.reals())),
        value=Limit(strict=2),
        gradient=Limit(strict=1),
        second=Limit(strict=1),
    )
]


def test_without_a_distance_it_is_the_absolute_error():
    x = jnp.array([0.0, 1e-30, -3.0, jnp.inf])
    losses, slopes = jax.vjp(lambda x, beta: jaxloss.smooth_l1_loss(x, beta=beta), x, 0.0)
    in_x, in_beta = slopes(jnp.ones(4))
    np.testing.assert_array_equal(losses, jnp.abs(x))
    np.testing.assert_array_equal(in_x, [0, 1, -1, 1])
    assert in_beta == -1.5
    curvatures = jax.hessian(lambda x, beta: jaxloss.smooth_l1_loss(x, beta=beta), (0, 1))(-3.0, 0.0)
    assert not np.any(curvatures)


def test_it_is_the_huber_loss_over_its_distance():
    x = cases.reals()
    losses = jaxloss.smooth_l1_loss(x, beta=0.25)
    np.testing.assert_allclose(losses, jaxloss.huber_loss(x, delta=0.25) / 0.25, rtol=1e-6)
