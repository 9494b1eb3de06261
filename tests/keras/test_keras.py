"""What is special in `jaxloss.keras`: where Keras is wrong, what is right."""

import inspect
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.cases import distribution, normal
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.keras.rows import KerasRow, one_hot

real = pytest.mark.skipif(missing("keras"), reason="Keras is not installed")
REDUCTIONS, FROM = KerasRow.reductions, {"from_logits": True}
RNG = np.random.default_rng(0)


def test_labels_are_never_cast():
    logits = np.zeros((1, 400), np.float32)
    logits[0, 257] = 3
    exact = jit(ours.SparseCategoricalCrossentropy(from_logits=True))(np.array([257]), logits)
    for dtype in ("bfloat16", "float16"):
        half = jit(ours.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype))(np.array([257]), logits)
        assert half.dtype == jnp.dtype(dtype)
        np.testing.assert_allclose(np.float32(half), exact, rtol=1e-2)


def test_focal_losses_learn_from_confident_mistakes():
    slope = jit(jax.grad(lambda x: ours.binary_focal_crossentropy([1.0], x, from_logits=True).sum()))
    np.testing.assert_allclose(slope(np.array([-40.0], np.float32)), [-1.0], rtol=1e-6)
    loss = lambda x: ours.categorical_focal_crossentropy([[1.0, 0.0]], x, from_logits=True).sum()
    value, slope = jit(jax.value_and_grad(loss))(np.array([[0.0, 20.0]], np.float32))
    np.testing.assert_allclose((value, slope[0, 1]), (5.0, 0.25), rtol=1e-6)


def test_labels_out_of_range_are_nan_and_impossible_classes_are_harmless():
    p = np.full((3, 4), 0.25, np.float32)
    for labels in (np.array([4, -1, 1]), np.array([1.5, np.nan, 1.0], np.float32)):
        unknown = np.isnan(jit(ours.sparse_categorical_crossentropy)(labels, p))
        np.testing.assert_array_equal(unknown, [True, True, False])
    sequences = np.array([[1, 2], [1.5, 2], [1, np.nan], [4, 0]], np.float32)
    unaligned = np.isnan(jit(ours.ctc)(sequences, np.zeros((4, 5, 4), np.float32)))
    np.testing.assert_array_equal(unaligned, [False, True, True, True])
    logits = np.array([[0.0, 0.0, -np.inf]], np.float32)
    for loss, t in ((ours.sparse_categorical_crossentropy, [1]), (ours.categorical_crossentropy, [[0, 1, 0]])):
        value = jit(partial(loss, from_logits=True))(np.array(t), logits)
        np.testing.assert_allclose(value, np.log(2), rtol=1e-6)


def test_any_axis_of_classes_with_smoothing():
    rng = np.random.default_rng(3)
    last, second = (lambda x: np.moveaxis(x, 1, -1)), (lambda x: np.moveaxis(x, -1, 1))
    logits, p, hot = (second(draw(rng, (4, 5, 3), {"c": 3})) for draw in (normal, distribution, one_hot))
    indices = last(hot).argmax(-1)
    for predictions, more in ((logits, FROM), (p, {})):
        for loss, t in (
            (lambda t, p, **o: ours.categorical_crossentropy(t, p, label_smoothing=0.3, **o), hot),
            (lambda t, p, **o: ours.categorical_focal_crossentropy(t, p, label_smoothing=0.3, **o), hot),
            (ours.sparse_categorical_crossentropy, indices),
        ):
            expected = jit(lambda t, p: loss(t, p, **more))(t if t is indices else last(t), last(predictions))
            got = jit(lambda t, p: loss(t, p, axis=1, **more))(t, predictions)
            np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_ctc_is_infinite_where_nothing_aligns_and_never_negative():
    logits = RNG.normal(size=(1, 2, 4)).astype(np.float32)
    value, slope = jit(jax.value_and_grad(lambda p: ours.ctc(np.array([[1, 1, 0]]), p).sum()))(logits)
    assert value == np.inf
    assert not np.any(slope)


def test_half_precision_in_half_precision_out():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, (4, 5)).astype(jnp.bfloat16)
    for loss, dtype in (
        (ours.binary_crossentropy, jnp.bfloat16),
        (ours.BinaryCrossentropy(), jnp.float32),
        (ours.BinaryCrossentropy(dtype="float16"), jnp.float16),
    ):
        assert jax.eval_shape(loss, np.ones((4, 5), np.float32), p).dtype == dtype


@pytest.mark.parametrize(("t", "p"), [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3, 1), (4, 3)), ((4, 3), (4, 3, 1))])
@real
def test_shapes_that_differ_by_an_axis_of_one_are_keras(t, p):
    import keras.losses as theirs

    t, p = RNG.normal(size=t).astype(np.float32), RNG.normal(size=p).astype(np.float32)
    for reduction in ("sum", "sum_over_batch_size"):
        a = ours.MeanSquaredError(reduction=reduction)(t, p)
        np.testing.assert_allclose(a, theirs.MeanSquaredError(reduction=reduction)(t, p), rtol=2e-5)


def test_a_blank_among_the_labels_of_ctc_is_a_symbol():
    """As in Keras: all alignments of [1, 0, 2], by counting them."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(1, 5, 3)).astype(np.float32)
    p = np.exp(logits[0].astype(np.float64))
    p /= p.sum(-1, keepdims=True)
    symbols = [0, 1, 0, 0, 0, 2, 0]  # blanks around 1, 0, 2
    total = 0.0
    for path in itertools.product(range(7), repeat=5):
        steps = np.diff(path)
        skips = [a for a, step in zip(path, steps, strict=False) if step == 2]
        fits = path[0] in (0, 1) and path[-1] in (5, 6) and set(steps) <= {0, 1, 2} and all(a % 2 for a in skips)
        total += fits * np.prod([p[i, symbols[s]] for i, s in enumerate(path)])
    labels = np.array([[1, 0, 2, 0, 1]])
    step = 1e-2 * np.eye(15, dtype=np.float32).reshape(15, 1, 5, 3)

    @jit
    def answers(x):
        run = lambda x: ours.ctc(labels, x).sum()
        differences = jax.vmap(lambda d: run(x + d) - run(x - d))(step)
        return jax.value_and_grad(run)(x), differences / 0.02, ours.ctc([[1, 3]], x)

    # A sequence is as long as it has labels above 0: three here.
    (value, slope), differences, beyond = answers(logits)
    np.testing.assert_allclose(value, -np.log(total), rtol=1e-5)
    np.testing.assert_allclose(slope.ravel(), differences, atol=2e-4)
    assert np.isnan(beyond).all()


ALONG_AN_AXIS = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy",
)


@pytest.mark.parametrize("name", ALONG_AN_AXIS)
@pytest.mark.parametrize("from_logits", [False, True])
def test_an_option_that_cannot_be_is_refused_by_its_name(name, from_logits):
    """Of probabilities as of logits, and not by what is called with it."""
    bad = {
        "axis": [(3, ValueError), ("classes", TypeError), (0.5, TypeError)],
        "gamma": [(-1.0, ValueError), ("two", TypeError), ([1.0, 2.0, 3.0], ValueError)],
        "label_smoothing": [(1.5, ValueError), ("much", TypeError)],
    }
    loss, p = getattr(ours, name), np.full((2, 3), 0.5, np.float32)
    t = np.ones(2, np.int32) if name.startswith("sparse") else np.ones((2, 3), np.float32)
    for option in bad.keys() & inspect.signature(loss).parameters.keys():
        for value, error in bad[option]:
            options = {option: value, "from_logits": from_logits}
            with pytest.raises(error, match=f"{name}: {option} "):
                jax.eval_shape(lambda p, options=options: loss(t, p, **options), p)


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


@pytest.mark.parametrize("shape", [(2, 5), (2, 6, 4)])
def test_a_mask_of_frames_that_does_not_fit_says_so(shape):
    with pytest.raises(ValueError, match=r"CTC: mask .*frames \(2, 6\)"):
        ours.CTC()(np.ones((2, 3), np.int32), np.zeros((2, 6, 4), np.float32), mask=np.ones(shape, bool))
