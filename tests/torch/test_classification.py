"""PyTorch's cross-entropies over classes: impossible classes, what is refused."""

import jax
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.torch.refusing import LABELS, X, Y, bad_input_is_refused


def test_a_logit_of_minus_infinity_without_mass_costs_nothing():
    x, none = np.float32([[0, -np.inf]]), np.float32([[1, 0]])
    value, slope = jit(jax.value_and_grad(lambda x: F.cross_entropy(x, none)))(x)
    assert value == 0
    assert np.isfinite(slope).all()


ERRORS = [
    (F.cross_entropy, (X, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
    (F.cross_entropy, (X, Y[:, 0]), {}, TypeError, ["target", "integers", "float32"]),
    (F.cross_entropy, (X, Y.astype(int)), {}, TypeError, ["target", "distributions", "int"]),
    (F.cross_entropy, (X, Y), {"ignore_index": 1}, ValueError, ["ignore_index", "distributions"]),
    (F.cross_entropy, (X, LABELS), {"weight": np.ones(3)}, ValueError, ["weight", "(4,)", "(3,)"]),
    (F.cross_entropy, (np.float32(1), np.float32(1)), {}, ValueError, ["input", "classes"]),
    (F.nll_loss, (X, Y), {}, TypeError, ["target", "integers"]),
    (F.nll_loss, (X, LABELS), {"weight": "heavy"}, TypeError, ["weight"]),
    (F.cross_entropy, (X, [[1.0], [1.0, 2.0]]), {}, TypeError, ["target", "list"]),
    (F.cross_entropy, (X[:, :0], LABELS), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.cross_entropy, (X[:, :0], Y[:, :0]), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.nll_loss, (X[:, :0], LABELS), {}, ValueError, ["input (3, 0)", "no class"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
