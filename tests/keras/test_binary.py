"""Keras' binary losses: what is special in them."""

import jax
import numpy as np

import jaxloss.keras as ours
from tests.compiling import jit


def test_the_focal_loss_learns_from_confident_mistakes():
    slope = jit(jax.grad(lambda x: ours.binary_focal_crossentropy([1.0], x, from_logits=True).sum()))
    np.testing.assert_allclose(slope(np.array([-40.0], np.float32)), [-1.0], rtol=1e-6)
