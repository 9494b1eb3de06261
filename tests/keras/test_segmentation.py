"""Keras' losses of regions: empty ones, soft labels, masks of pixels and of samples, what a weight may weigh."""

import jax
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.cases import bits, probability
from tests.compiling import jit


def _drawn():
    rng = np.random.default_rng(0)
    return bits(rng, (4, 3, 2)), probability(rng, (4, 3, 2)), bits(rng, (4, 3, 2)).astype(bool)


T, P, PIXELS = _drawn()
LOSSES = [ours.Dice, ours.Tversky]


@pytest.mark.parametrize("form", LOSSES)
def test_an_empty_region_without_a_prediction_has_no_loss(form):
    """Keras divides nothing by its epsilon, and finds that all is wrong."""
    empty = np.zeros((2, 3), np.float32)
    value, slope = jit(jax.value_and_grad(lambda p: form(axis=-1, reduction="sum")(empty, p)))(empty)
    assert value == 0
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("form", LOSSES)
def test_soft_labels_that_are_predicted_have_no_loss(form):
    value, slope = jit(jax.value_and_grad(lambda p: form()(P, p)))(P)
    assert value == 0
    assert not np.any(slope)


@pytest.mark.parametrize("form", LOSSES)
@pytest.mark.parametrize("axis", [None, (1, 2), (0, 1), -1])
def test_masked_elements_are_no_part_of_a_region(form, axis):
    samples = np.array([True, False, True, True])
    loss, mean = form(axis=axis, reduction="none"), jit(form(axis=(1, 2)))

    @jit
    def run(t, p, mask):
        return loss(t, p, mask=mask), jax.grad(lambda p: loss(t, p, mask=mask).sum())(p)

    for mask, where in ((samples, samples[:, None, None] & np.ones_like(PIXELS)), (PIXELS, PIXELS)):
        value, slope = run(np.where(where, T, np.nan), np.where(where, P, np.nan), mask)
        expected = jit(loss)(np.where(where, T, 0), np.where(where, P, 0))
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        assert not np.any(slope[~where])
    np.testing.assert_allclose(mean(T, P, mask=samples), mean(T[samples], P[samples]), rtol=1e-6)


@pytest.mark.parametrize("form", LOSSES)
def test_a_loss_of_the_whole_batch_has_no_samples_to_weigh(form):
    """Keras multiplies it by the mean weight."""
    with pytest.raises(ValueError, match=rf"{form.__name__}: sample_weight \(4,\) .* whole batch"):
        form()(T, P, sample_weight=np.ones(4))
    loss, weights = form(axis=(1, 2), reduction="none"), np.arange(4, dtype=np.float32)
    np.testing.assert_allclose(loss(T, P, sample_weight=weights), loss(T, P) * weights, rtol=1e-6)


def test_alpha_weighs_false_positives():
    """As the documentation of Keras says, and as it is since 3.16."""
    wrong = lambda t, p: float(ours.tversky([1.0, t], [1.0, p], alpha=0.9, beta=0.1))
    np.testing.assert_allclose((wrong(0.0, 1.0), wrong(1.0, 0.0)), (0.9 / 1.9, 0.1 / 1.1), rtol=1e-6)
