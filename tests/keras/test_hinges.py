"""Keras' hinge losses: their labels."""

import jax
import numpy as np
import pytest
from jax.experimental import checkify

import jaxloss
import jaxloss.keras as ours
from tests.compiling import jit

SCORES = np.float32([[0.5, -2.0, 3.0], [0.5, -2.0, 3.0]])
LOSSES = [(ours.hinge, ours.Hinge), (ours.squared_hinge, ours.SquaredHinge)]


@pytest.mark.parametrize("loss", [function for function, _ in LOSSES])
def test_a_label_of_0_is_one_of_minus_1_whatever_the_others_are(loss):
    """Keras looks at all labels of a batch: one of -1 among them, and those of 0 are taken as they are."""
    labels = np.float32([[0, 1, -1], [1, 0, 0]])
    run = jit(lambda t, p: (loss(t, p), jax.vmap(loss)(t, p)))
    (mixed, alone), (signs, _) = run(labels, SCORES), run(np.where(labels == 0, -1, labels), SCORES)
    np.testing.assert_array_equal(mixed, signs)
    np.testing.assert_array_equal(mixed, alone)


@pytest.mark.parametrize("loss", [function for function, _ in LOSSES])
def test_other_labels_are_nan(loss):
    labels = np.float32([[0, 1, 0.5], [1, 0, 0]])
    value, slope = jit(lambda p: (loss(labels, p), jax.grad(lambda p: loss(labels, p).sum())(p)))(SCORES)
    np.testing.assert_array_equal(np.isnan(value), [True, False])
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("form", [form for _, form in LOSSES])
def test_masked_labels_are_no_error_under_checked(form):
    """A masked label is replaced by one that the loss can have: one half, which others get, is outside its domain."""
    labels, mask = np.float32([[7, np.nan, 0], [1, 0, 0]]), np.array([False, True])
    checked = jit(checkify.checkify(jaxloss.checked(lambda p: form()(labels, p, mask=mask))))
    error, value = checked(SCORES)
    assert error.get() is None
    np.testing.assert_allclose(value, form()(labels[1:], SCORES[1:]), rtol=1e-6)


def test_labels_of_the_categorical_hinge_may_be_signs():
    """Keras says so; the formula has a value for them."""
    labels, scores = np.float32([[-1, 1, -1]]), np.float32([[0.5, 2.0, 1.5]])
    assert ours.categorical_hinge(labels, scores) == max(0, 1 + 2 * 1.5 - (-0.5 + 2.0 - 1.5))
