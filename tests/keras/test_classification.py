"""Keras' losses over classes: labels, the class axis, special values."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.cases import distribution, normal, one_hot
from tests.compiling import jit


def test_labels_are_never_cast():
    logits = np.zeros((1, 400), np.float32)
    logits[0, 257] = 3
    exact = jit(ours.SparseCategoricalCrossentropy(from_logits=True))(np.array([257]), logits)
    for dtype in ("bfloat16", "float16"):
        half = jit(ours.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype))(np.array([257]), logits)
        assert half.dtype == jnp.dtype(dtype)
        np.testing.assert_allclose(np.float32(half), exact, rtol=1e-2)


def test_the_focal_loss_learns_from_confident_mistakes():
    loss = lambda x: ours.categorical_focal_crossentropy([[1.0, 0.0]], x, from_logits=True).sum()
    value, slope = jit(jax.value_and_grad(loss))(np.array([[0.0, 20.0]], np.float32))
    np.testing.assert_allclose((value, slope[0, 1]), (5.0, 0.25), rtol=1e-6)


def test_labels_out_of_range_are_nan():
    p = np.full((3, 4), 0.25, np.float32)
    for labels in (np.array([4, -1, 1]), np.array([1.5, np.nan, 1.0], np.float32)):
        unknown = np.isnan(jit(ours.sparse_categorical_crossentropy)(labels, p))
        np.testing.assert_array_equal(unknown, [True, True, False])


def test_a_logit_of_minus_infinity_that_no_label_needs_is_harmless():
    logits = np.array([[0.0, 0.0, -np.inf]], np.float32)
    for loss, t in ((ours.sparse_categorical_crossentropy, [1]), (ours.categorical_crossentropy, [[0, 1, 0]])):
        value = jit(partial(loss, from_logits=True))(np.array(t), logits)
        np.testing.assert_allclose(value, np.log(2), rtol=1e-6)


def test_any_axis_of_classes_with_smoothing():
    rng = np.random.default_rng(3)
    last, second = (lambda x: np.moveaxis(x, 1, -1)), (lambda x: np.moveaxis(x, -1, 1))
    logits, p, hot = (second(draw(rng, (4, 5, 3), {"c": 3})) for draw in (normal, distribution, one_hot))
    indices = last(hot).argmax(-1)
    for predictions, more in ((logits, {"from_logits": True}), (p, {})):
        for loss, t in (
            (lambda t, p, **o: ours.categorical_crossentropy(t, p, label_smoothing=0.3, **o), hot),
            (lambda t, p, **o: ours.categorical_focal_crossentropy(t, p, label_smoothing=0.3, **o), hot),
            (ours.sparse_categorical_crossentropy, indices),
        ):
            expected = jit(lambda t, p: loss(t, p, **more))(t if t is indices else last(t), last(predictions))
            got = jit(lambda t, p: loss(t, p, axis=1, **more))(t, predictions)
            np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "labels", "shape"),
    [
        (["y_true (2,)", "y_pred (2, 3, 3)"], (2,), (2, 3, 3)),
        (["y_true (2,)", "y_pred (3, 3)"], (2,), (3, 3)),
        (["y_pred (2, 0)", "no class"], (2,), (2, 0)),
    ],
)
def test_labels_that_do_not_fit_say_so(words, labels, shape):
    with pytest.raises(ValueError, match="sparse_categorical_crossentropy: ") as raised:
        ours.sparse_categorical_crossentropy(np.zeros(labels, np.int32), np.full(shape, 0.5, np.float32))
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("from_logits", [False, True])
def test_smoothed_indices_are_smoothed_distributions_and_ignored_ones_do_not_count(from_logits):
    rng = np.random.default_rng(0)
    p = rng.normal(size=(2, 3, 4)).astype(np.float32) if from_logits else rng.dirichlet(np.ones(4), (2, 3))
    p, labels = p.astype(np.float32), np.array([[0, 3, 255], [255, 1, 2]])
    form = ours.SparseCategoricalCrossentropy(from_logits, 255, label_smoothing=0.3)
    assert ours.SparseCategoricalCrossentropy.from_config(form.get_config()).label_smoothing == 0.3
    hot = np.eye(5)[np.minimum(labels, 4), :4]
    dense = ours.CategoricalCrossentropy(from_logits, label_smoothing=0.3, reduction=None)(hot, p)
    expected = np.asarray(dense)[labels < 255].mean()
    np.testing.assert_allclose(form(labels, p), expected, rtol=1e-6)
    np.testing.assert_allclose(form(labels, p, sample_weight=2.0), 2 * expected, rtol=1e-6)
