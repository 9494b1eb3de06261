"""PyTorch's losses of a margin: kinks, ends where PyTorch's own overflow, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.torch.refusing import LABELS, X, Y, bad_input_is_refused

ONES, NONE = np.ones(1, np.float32), np.zeros(1, np.float32)
KINKS = {
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x, -ONES),
    "margin_ranking_loss": lambda x: F.margin_ranking_loss(x, NONE, ONES, margin=1.0),
    "multi_margin_loss": lambda x: F.multi_margin_loss(jnp.append(x, 0.0), 0),
    "multilabel_margin_loss": lambda x: F.multilabel_margin_loss(jnp.append(x, 0.0), np.array([0, -1])),
    "cosine_embedding_loss": lambda x: F.cosine_embedding_loss(jnp.append(x, 0.0), np.float32([0, 1]), -1),
}


@pytest.mark.parametrize("name", KINKS)
def test_the_slope_at_a_kink_is_zero(name):
    value, slope = jit(jax.value_and_grad(KINKS[name]))(ONES)
    assert value == 0
    assert not np.any(slope)


def test_a_soft_margin_does_not_overflow():
    value, slope = jit(jax.value_and_grad(lambda x: F.soft_margin_loss(x, ONES)))(-100 * ONES)
    assert (value, slope[0]) == (100, -1)


def test_vectors_are_compared_however_short():
    """PyTorch adds 1e-12 to the squares of their lengths, and has slopes of 1e6 at a zero vector."""
    short = 1e-9 * np.float32([[3, 4], [4, 3], [0, 0]])
    loss = lambda x: F.cosine_embedding_loss(x, short[[1, 1, 1]], np.ones(3), reduction="none")
    value, slope = jit(lambda x: (loss(x), jax.grad(lambda x: loss(x).sum())(x)))(short)
    np.testing.assert_allclose(value, [0.04, 0, 1], rtol=1e-5, atol=1e-7)
    assert not np.any(slope[2])


def test_whatever_follows_the_end_of_a_row_is_ignored():
    x, labels = np.float32([0.1, 0.2, 0.4, 0.8]), np.array([3, 0, -1, 1])
    values = jit(lambda: [F.multilabel_margin_loss(x, np.append(labels[:3], last)) for last in (1, 99, -7)])()
    np.testing.assert_allclose(values, 0.85, rtol=1e-6)


ERRORS = [
    (F.soft_margin_loss, (X[:, :1], Y), {}, ValueError, ["target", "(3, 1)", "(3, 4)"]),
    (F.hinge_embedding_loss, (X, Y[:, :3]), {}, ValueError, ["do not broadcast", "(3, 3)"]),
    (F.margin_ranking_loss, (X, X, Y[0]), {}, ValueError, ["target (4,)", "axes"]),
    (F.margin_ranking_loss, (X, X[:2], Y), {}, ValueError, ["input2 (2, 4)", "broadcast"]),
    (F.multi_margin_loss, (X, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
    (F.multi_margin_loss, (X[None], np.zeros((1, 4), int)), {}, ValueError, ["input", "(N, C)", "(1, 3, 4)"]),
    (F.multi_margin_loss, (X, Y[:, 0]), {}, TypeError, ["target", "integers"]),
    (F.multi_margin_loss, (X, LABELS), {"weight": np.ones(3)}, ValueError, ["weight", "(4,)"]),
    (F.multilabel_margin_loss, (X, LABELS), {}, ValueError, ["target", "(3, 4)", "(3,)"]),
    (F.multilabel_margin_loss, (X, Y), {}, TypeError, ["target", "integers"]),
    (F.multilabel_margin_loss, (X[None], Y[None].astype(int)), {}, ValueError, ["input", "(N, C)"]),
    (F.multilabel_soft_margin_loss, (X, Y[:2]), {}, ValueError, ["target", "(3, 4)", "(2, 4)"]),
    (F.multilabel_soft_margin_loss, (np.float32(1), np.float32(1)), {}, ValueError, ["input", "classes"]),
    (F.cosine_embedding_loss, (X, X, Y), {}, ValueError, ["target", "(N,)", "(3, 4)"]),
    (F.cosine_embedding_loss, (X, X, LABELS[0]), {}, ValueError, ["(3, 4)", "()"]),
    (F.cosine_embedding_loss, (X, X, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
