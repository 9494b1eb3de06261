"""PyTorch's losses of rows of labels: the kink, what follows the end of a row, what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.torch.kinks import no_slope_at_a_kink
from tests.torch.refusing import LABELS, X, Y, bad_input_is_refused


def test_the_slope_at_a_kink_is_zero():
    no_slope_at_a_kink(lambda x: F.multilabel_margin_loss(jnp.append(x, 0.0), np.array([0, -1])))


def test_whatever_follows_the_end_of_a_row_is_ignored():
    x, labels = np.float32([0.1, 0.2, 0.4, 0.8]), np.array([3, 0, -1, 1])
    values = jit(lambda: [F.multilabel_margin_loss(x, np.append(labels[:3], last)) for last in (1, 99, -7)])()
    np.testing.assert_allclose(values, 0.85, rtol=1e-6)


ERRORS = [
    (F.multilabel_margin_loss, (X, LABELS), {}, ValueError, ["target", "(3, 4)", "(3,)"]),
    (F.multilabel_margin_loss, (X, Y), {}, TypeError, ["target", "integers"]),
    (F.multilabel_margin_loss, (X[None], Y[None].astype(int)), {}, ValueError, ["input", "(N, C)"]),
    (F.multilabel_soft_margin_loss, (X, Y[:2]), {}, ValueError, ["target", "(3, 4)", "(2, 4)"]),
    (F.multilabel_soft_margin_loss, (np.float32(1), np.float32(1)), {}, ValueError, ["input", "classes"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
