"""Keras' generalized cross-entropy: its labels, and a probability of 0."""

import jax
import numpy as np

import jaxloss.keras as ours
from tests.compiling import jit

P = np.float32([[0.25, 0.75], [0.0, 1.0], [0.36, 0.64]])


def test_labels_may_have_an_axis_of_one():
    """As Keras' documentation says, and its function makes of it every row with every label."""
    labels, loss = np.array([0, 1, 1]), ours.CategoricalGeneralizedCrossEntropy(reduction="none")
    rows, column = jit(lambda: (loss(labels, P), loss(labels[:, None], P)))()
    np.testing.assert_allclose(rows, [1, 0, 0.4], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(rows, column)


def test_labels_that_there_are_not_are_nan():
    for labels in (np.array([0, 2, -1]), np.float32([0, 0.5, np.nan])):
        unknown = np.isnan(jit(lambda t: ours.categorical_generalized_cross_entropy(t, P, 0.5))(labels))
        np.testing.assert_array_equal(unknown, [False, True, True])


def test_the_slope_at_a_probability_of_0_is_finite():
    value, slope = jit(
        jax.value_and_grad(lambda p: ours.categorical_generalized_cross_entropy([1, 0, 1], p, 0.5).sum())
    )(P)
    np.testing.assert_allclose(value, (1 - 0.75**0.5) / 0.5 + 2 + 0.4, rtol=1e-6)
    assert np.isfinite(slope).all()
    assert slope[1, 0] < -1e18
