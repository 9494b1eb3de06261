"""PyTorch's losses of a margin: kinks, ends where PyTorch's own overflow, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.torch.kinks import no_slope_at_a_kink
from tests.torch.refusing import LABELS, X, Y, bad_input_is_refused

ONES, NONE = np.ones(1, np.float32), np.zeros(1, np.float32)
KINKS = {
    "margin_ranking_loss": lambda x: F.margin_ranking_loss(x, NONE, ONES, margin=1.0),
    "multi_margin_loss": lambda x: F.multi_margin_loss(jnp.append(x, 0.0), 0),
}


@pytest.mark.parametrize("name", KINKS)
def test_the_slope_at_a_kink_is_zero(name):
    no_slope_at_a_kink(KINKS[name])


def test_a_soft_margin_does_not_overflow():
    value, slope = jit(jax.value_and_grad(lambda x: F.soft_margin_loss(x, ONES)))(-100 * ONES)
    assert (value, slope[0]) == (100, -1)


ERRORS = [
    (F.soft_margin_loss, (X[:, :1], Y), {}, ValueError, ["target", "(3, 1)", "(3, 4)"]),
    (F.margin_ranking_loss, (X, X, Y[0]), {}, ValueError, ["target (4,)", "axes"]),
    (F.margin_ranking_loss, (X, X[:2], Y), {}, ValueError, ["input2 (2, 4)", "broadcast"]),
    (F.multi_margin_loss, (X, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
    (F.multi_margin_loss, (X[None], np.zeros((1, 4), int)), {}, ValueError, ["input", "(N, C)", "(1, 3, 4)"]),
    (F.multi_margin_loss, (X, Y[:, 0]), {}, TypeError, ["target", "integers"]),
    (F.multi_margin_loss, (X, LABELS), {"weight": np.ones(3)}, ValueError, ["weight", "(4,)"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
