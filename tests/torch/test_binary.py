"""PyTorch's binary cross-entropies: what is refused."""

import pytest

from jaxloss.torch import functional as F
from tests.torch.refusing import LABELS, X, Y, bad_input_is_refused

ERRORS = [
    (F.binary_cross_entropy, (X, Y[0]), {}, ValueError, ["target", "(4,)", "(3, 4)"]),
    (F.binary_cross_entropy, (X, Y), {"weight": LABELS}, ValueError, ["weight", "(3,)"]),
    (F.binary_cross_entropy_with_logits, (X, Y[:2]), {}, ValueError, ["target", "(2, 4)"]),
    (F.binary_cross_entropy_with_logits, (X, Y), {"pos_weight": LABELS}, ValueError, ["pos_weight", "(3,)"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
