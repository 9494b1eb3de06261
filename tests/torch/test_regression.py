"""PyTorch's regression losses: weights that add up to 0, a beta of 0, what is refused."""

import jax
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.cases import normal
from tests.compiling import jit
from tests.torch.refusing import X, Y, bad_input_is_refused


def test_the_mean_over_no_weight_is_zero():
    x = np.ones((3, 4), np.float32)
    assert not np.any(jit(lambda x: [loss(x, 2 * x, weight=0 * x) for loss in (F.mse_loss, F.l1_loss)])(x))


def test_a_traced_beta_of_zero_is_the_absolute_error():
    x, y = normal(np.random.default_rng(0), (2, 5))
    y[0] = x[0]
    run = jit(jax.value_and_grad(lambda x, beta: F.smooth_l1_loss(x, y, beta=beta)))
    value, slope = run(x, 0.0)
    expected, of_slope = jit(jax.value_and_grad(lambda x: F.l1_loss(x, y)))(x)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(slope, of_slope, rtol=1e-6)


ERRORS = [
    *((loss, (X, Y[:, :3]), {}, ValueError, ["do not broadcast", "(3, 3)"]) for loss in (F.mse_loss, F.l1_loss)),
    *((loss, (X, Y), {"weight": Y[0]}, ValueError, ["weight", "(4,)"]) for loss in (F.mse_loss, F.huber_loss)),
    (F.mse_loss, (X.astype(int), Y), {}, TypeError, ["input", "int"]),
    (F.mse_loss, (X, "targets"), {}, TypeError, ["target", "str"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
