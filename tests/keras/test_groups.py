"""Keras' circle loss: what counts, masks, references."""

import jax
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.compiling import jit
from tests.keras.rows import unit

GROUPS = np.array([0, 0, 1, 1, 2])


def _embeddings():
    return unit(np.random.default_rng(0), (5, 4), {})


def test_the_mean_is_over_those_with_a_positive_and_a_negative():
    """Keras' is over those above 0, of which there are none here but for rounding."""
    x = np.float32(np.eye(4)[[0, 0, 1, 1, 2]])
    losses = jit(ours.Circle(reduction="none"))(GROUPS, x)
    np.testing.assert_array_equal(losses[4], 0)
    np.testing.assert_allclose(jit(ours.Circle())(GROUPS, x), losses[:4].mean(), rtol=1e-6)


def test_masked_embeddings_are_compared_with_none():
    x, kept = _embeddings(), np.array([True, True, True, False, True])
    spoiled, loss = np.where(kept[:, None], x, np.nan), ours.Circle(reduction="none")
    value, slope = jit(lambda x: (loss(GROUPS, x, mask=kept), jax.grad(lambda x: loss(GROUPS, x, mask=kept).sum())(x)))(
        spoiled
    )
    np.testing.assert_allclose(value[kept], loss(GROUPS[kept], x[kept]), rtol=2e-5)
    assert value[3] == 0
    assert not np.any(slope[3])
    with pytest.raises(ValueError, match="Circle: remove_diagonal=False takes no mask"):
        ours.Circle(remove_diagonal=False)(GROUPS, x, mask=kept)


def test_references_are_others():
    x = _embeddings()
    with pytest.raises(ValueError, match=r"circle: remove_diagonal .* give remove_diagonal=False"):
        ours.circle(GROUPS, x, ref_embeddings=x)
    itself = jit(lambda x: ours.circle(GROUPS, x, ref_labels=GROUPS, ref_embeddings=x, remove_diagonal=False))(x)
    np.testing.assert_allclose(itself, ours.circle(GROUPS, x, remove_diagonal=False), rtol=2e-5)
