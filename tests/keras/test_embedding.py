"""Keras' cosine similarity, of vectors without a direction."""

import jax
import numpy as np

import jaxloss.keras as ours
from tests.compiling import jit


def test_the_slope_at_a_zero_vector_is_finite():
    y = np.float32([[3.0, 4.0], [0.0, 0.0]])
    value, slope = jit(jax.value_and_grad(lambda p: ours.cosine_similarity(y, p).sum()))(np.zeros((2, 2), np.float32))
    assert value == 0
    np.testing.assert_allclose(slope, [[-0.6e7, -0.8e7], [0, 0]], rtol=1e-6)


def test_vectors_that_nearly_agree_keep_the_digits_of_their_slope():
    x, y = np.float32([[1.0, 1e-4]]), np.float32([[1.0, 0.0]])
    slope = jit(jax.grad(lambda p: ours.cosine_similarity(y, p).sum()))(x)
    np.testing.assert_allclose(slope, [[-1e-8, 1e-4]], rtol=1e-6)
