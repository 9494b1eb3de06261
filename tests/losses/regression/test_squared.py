from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import REALS, Case, Limit


def _case(fn, form, oracle, numbers=REALS):
    exact = Limit(strict=1)
    return Case(
        fn=fn,
        form=form,
        arrays={"predictions": numbers, "targets": numbers},
        oracle=oracle,
        grid=lambda: (cases.reals() + np.float32(0.37), 0 * cases.reals()),
        value=Limit(strict=1),
        gradient=exact,
        second=Limit(strict=0),
    )


CASES = [
    _case(jaxloss.squared_error, jaxloss.SquaredError, lambda p, t: (p - t) ** 2),
    # Without extremes: half a square that overflows is infinite, as in huber_loss, which is the model of a simple loss.
    _case(jaxloss.l2_loss, jaxloss.L2Loss, lambda p, t: (p - t) ** 2 / 2, replace(REALS, extremes=())),
    _case(jaxloss.absolute_error, jaxloss.AbsoluteError, lambda p, t: abs(p - t)),
]


def test_targets_default_to_zero():
    x = jnp.array([1.0, -2.0])
    for fn in (jaxloss.squared_error, jaxloss.l2_loss, jaxloss.absolute_error, jaxloss.huber_loss, jaxloss.log_cosh):
        assert jnp.array_equal(fn(x), fn(x, jnp.zeros(2)))


def test_the_absolute_error_has_no_slope_where_there_is_no_error():
    assert jax.grad(lambda x: jaxloss.absolute_error(x, 1.0))(1.0) == 0
