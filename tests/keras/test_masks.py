"""Weights and masks in Keras' shapes: of steps and of losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.keras.rows import KerasRow

real = pytest.mark.skipif(missing("keras"), reason="Keras is not installed")
REDUCTIONS = KerasRow.reductions
SQUARES = np.array([[1, 4, 9], [16, 25, 36]], np.float32)


def _weighted(reduction="sum_over_batch_size", weights=None, squares=SQUARES, **more):
    """The squared error of a feature axis of length 1, so that the losses are the squares themselves."""
    p = np.sqrt(squares)[..., None]
    return ours.MeanSquaredError(reduction=reduction)(np.zeros_like(p), p, sample_weight=weights, **more)


@pytest.mark.parametrize(
    ("weights", "over_size", "over_weights", "total"),
    [
        (None, 91 / 6, 91 / 6, 91),
        (2.0, 182 / 6, 91 / 6, 182),
        ([1, 0], 14 / 6, 14 / 3, 14),
        ([[1], [0]], 14 / 6, 14 / 3, 14),
        ([[1, 0, 0]], 17 / 6, 17 / 2, 17),
        ([[1, 1, 0], [1, 0, 0]], 21 / 6, 7, 21),
        ([[[1], [1], [0]], [[1], [0], [0]]], 21 / 6, 7, 21),
    ],
)
def test_weights_of_samples_and_of_losses(weights, over_size, over_weights, total):
    for name in ("sum_over_batch_size", "mean", ours.Reduction.AUTO, ours.Reduction.SUM_OVER_BATCH_SIZE):
        np.testing.assert_allclose(_weighted(name, weights), over_size, rtol=1e-6)
    np.testing.assert_allclose(_weighted("mean_with_sample_weight", weights), over_weights, rtol=1e-6)
    np.testing.assert_allclose(_weighted(ours.Reduction.SUM, weights), total, rtol=1e-6)
    np.testing.assert_allclose(_weighted(ours.Reduction.NONE, weights).sum(), total, rtol=1e-6)
    np.testing.assert_allclose(_weighted(None, weights).sum(), total, rtol=1e-6)


def test_a_weight_of_a_square_batch_weighs_its_rows():
    squares = np.arange(9, dtype=np.float32).reshape(3, 3)
    np.testing.assert_allclose(_weighted("sum", [1, 0, 0], squares), 0 + 1 + 2, rtol=1e-6)


@pytest.mark.parametrize("weights", [[1, 2, 3], np.ones((3, 2)), np.ones((2, 3, 2)), np.ones((1, 2, 3, 1))])
def test_a_weight_that_fits_neither_is_refused(weights):
    with pytest.raises(ValueError, match="MeanSquaredError: sample_weight"):
        _weighted("sum", weights)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weights", [None, [[1.0], [3.0]]])
def test_masks_count_as_in_keras_and_let_no_nan_through(reduction, weights):
    mask = np.array([[True, True, False], [True, False, False]])
    w = np.broadcast_to(1.0 if weights is None else np.array(weights), (2, 3))
    total = (w * SQUARES)[mask].sum()
    denominator = {"sum": 1, "none": 1, None: 1, "mean_with_sample_weight": w[mask].sum()}.get(reduction, mask.sum())
    planted = np.where(mask, SQUARES, np.nan)

    def value(root):
        loss = ours.MeanSquaredError(reduction=reduction)
        return loss(jnp.where(jnp.isnan(root), root, 0.0), root, sample_weight=weights, mask=mask).sum()

    value, slope = jit(jax.value_and_grad(value))(np.sqrt(planted)[..., None])
    np.testing.assert_allclose(value, total / denominator, rtol=1e-6)
    np.testing.assert_allclose(slope[..., 0], np.where(mask, 2 * w * np.sqrt(SQUARES) / denominator, 0), rtol=1e-6)


@real
def test_a_mask_that_keras_keeps_is_seen_under_jit_too():
    from keras.src.backend import set_keras_mask

    mask = np.array([[True, True, False], [True, False, False]])

    def value(root):
        set_keras_mask(root, jnp.asarray(mask))
        return ours.MeanSquaredError()(jnp.zeros_like(root), root)

    root = np.sqrt(np.where(mask, SQUARES, np.nan))[..., None]
    np.testing.assert_allclose(jax.jit(value)(root), 7.0, rtol=1e-6)
    assert np.isfinite(jax.jit(jax.grad(value))(root)).all()


def test_a_mask_of_steps_says_which_samples_count_where_a_loss_is_of_a_sample():
    class PerSample(ours.Loss):
        def call(self, y_true, y_pred):
            return jnp.mean(jnp.abs(y_pred - y_true), (1, 2))

    steps = np.array([[True, False, False], [False, False, False], [True, True, True]])
    y = np.ones((3, 3, 2), np.float32) * np.array([1.0, 2.0, 4.0], np.float32)[:, None, None]
    filled = np.where(steps[..., None], y, 0)  # what is masked is equal on both sides
    value = PerSample()(0 * y, y, mask=steps)
    np.testing.assert_allclose(value, filled.mean((1, 2))[[0, 2]].mean(), rtol=1e-6)
    with pytest.raises(ValueError, match="PerSample: mask"):
        PerSample()(0 * y, y, mask=np.ones((2, 3), bool))


def test_a_mask_of_losses_lets_no_nan_through_whichever_axis_they_lack():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 5, 3)).astype(np.float32), rng.integers(0, 5, (4, 3))
    hot = np.moveaxis(np.eye(5, dtype=np.float32)[labels], -1, 1)
    mask = np.arange(12).reshape(4, 3) % 3 != 1
    planted = np.where(mask[:, None], logits, np.nan)
    dense = (ours.CategoricalCrossentropy, ours.CategoricalFocalCrossentropy, ours.BinaryCrossentropy)

    @jit
    def run(p):
        def losses(p, **more):
            forms = [(form, hot) for form in dense] + [(ours.SparseCategoricalCrossentropy, labels)]
            return [form(from_logits=True, axis=1, reduction=None)(t, p, **more) for form, t in forms]

        return losses(p, mask=mask), losses(logits), jax.grad(lambda p: sum(x.sum() for x in losses(p, mask=mask)))(p)

    masked, whole, slope = run(planted)
    np.testing.assert_allclose(masked, np.where(mask, whole, 0), rtol=1e-6)
    assert np.isfinite(slope).all()
    assert not np.any(np.moveaxis(slope, 1, -1)[~mask])
