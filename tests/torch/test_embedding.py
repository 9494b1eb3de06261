"""PyTorch's losses of pairs: kinks, vectors without a length, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.torch.kinks import no_slope_at_a_kink
from tests.torch.refusing import LABELS, X, Y, bad_input_is_refused

ONES = np.ones(1, np.float32)
KINKS = {
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x, -ONES),
    "cosine_embedding_loss": lambda x: F.cosine_embedding_loss(jnp.append(x, 0.0), np.float32([0, 1]), -1),
}


@pytest.mark.parametrize("name", KINKS)
def test_the_slope_at_a_kink_is_zero(name):
    no_slope_at_a_kink(KINKS[name])


def test_vectors_are_compared_however_short():
    """PyTorch adds 1e-12 to the squares of their lengths, and has slopes of 1e6 at a zero vector."""
    short = 1e-9 * np.float32([[3, 4], [4, 3], [0, 0]])
    loss = lambda x: F.cosine_embedding_loss(x, short[[1, 1, 1]], np.ones(3), reduction="none")
    value, slope = jit(lambda x: (loss(x), jax.grad(lambda x: loss(x).sum())(x)))(short)
    np.testing.assert_allclose(value, [0.04, 0, 1], rtol=1e-5, atol=1e-7)
    assert not np.any(slope[2])


ERRORS = [
    (F.hinge_embedding_loss, (X, Y[:, :3]), {}, ValueError, ["do not broadcast", "(3, 3)"]),
    (F.cosine_embedding_loss, (X, X, Y), {}, ValueError, ["target", "(N,)", "(3, 4)"]),
    (F.cosine_embedding_loss, (X, X, LABELS[0]), {}, ValueError, ["(3, 4)", "()"]),
    (F.cosine_embedding_loss, (X, X, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
