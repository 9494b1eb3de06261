"""`jaxloss.keras` beside the real Keras on the same inputs, and where Keras is wrong, what is right."""

import copy
import doctest
import importlib.util
import inspect
import itertools
import json
import os
import pickle
import re
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.compiling import jit

real = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is not installed")
if importlib.util.find_spec("keras"):
    import keras.losses as theirs

RNG = np.random.default_rng(0)
SHAPE = (4, 3, 5)


def _distribution(rng, shape=SHAPE, axis=-1):
    p = rng.gamma(1.0, 1.0, shape) + 1e-2
    return (p / p.sum(axis, keepdims=True)).astype(np.float32)


def _normal(rng):
    return rng.normal(0, 2, SHAPE).astype(np.float32)


def _bits(rng):
    return rng.integers(0, 2, SHAPE).astype(np.float32)


def _unit(rng):
    return rng.uniform(0.02, 0.98, SHAPE).astype(np.float32)


def _one_hot(rng, axis=-1):
    return np.moveaxis(np.eye(SHAPE[axis], dtype=np.float32)[_indices(rng, axis)], -1, axis)


def _indices(rng, axis=-1):
    return rng.integers(0, SHAPE[axis], np.delete(SHAPE, axis)).astype(np.int32)


def _symbols(rng):
    return rng.integers(0, 4, (6, 3)).astype(np.int32)


def _frames(rng):
    return rng.normal(0, 1, (6, 12, 5)).astype(np.float32)


def _counts(rng):
    return rng.poisson(3.0, SHAPE).astype(np.int32)


BALANCED = {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}
# class, its function, targets, predictions, options
CASES = [
    ("MeanSquaredError", "mean_squared_error", _normal, _normal, {}),
    ("MeanAbsoluteError", "mean_absolute_error", _normal, _normal, {}),
    ("Huber", "huber", _normal, _normal, {"delta": 0.7}),
    ("LogCosh", "log_cosh", _normal, _normal, {}),
    ("Poisson", "poisson", _counts, _unit, {}),
    ("KLDivergence", "kl_divergence", _distribution, _distribution, {}),
    ("BinaryCrossentropy", "binary_crossentropy", _bits, _unit, {}),
    ("BinaryCrossentropy", "binary_crossentropy", _unit, _normal, {"from_logits": True, "label_smoothing": 0.1}),
    ("BinaryCrossentropy", "binary_crossentropy", _bits, _unit, {"label_smoothing": 0.2, "axis": 1}),
    ("BinaryFocalCrossentropy", "binary_focal_crossentropy", _bits, _unit, BALANCED),
    ("BinaryFocalCrossentropy", "binary_focal_crossentropy", _unit, _unit, {"label_smoothing": 0.2, "gamma": 3.0}),
    ("BinaryFocalCrossentropy", "binary_focal_crossentropy", _bits, _normal, {"from_logits": True, **BALANCED}),
    ("CategoricalCrossentropy", "categorical_crossentropy", _one_hot, _unit, {"label_smoothing": 0.1}),
    ("CategoricalCrossentropy", "categorical_crossentropy", _distribution, _normal, {"from_logits": True}),
    ("CategoricalFocalCrossentropy", "categorical_focal_crossentropy", _one_hot, _unit, {"label_smoothing": 0.1}),
    (
        "CategoricalFocalCrossentropy",
        "categorical_focal_crossentropy",
        _one_hot,
        _normal,
        {"from_logits": True, "alpha": [0.1, 0.2, 0.3, 0.4, 0.5], "gamma": 3.0},
    ),
    ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", _indices, _unit, {}),
    ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", _indices, _normal, {"from_logits": True}),
    ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", _indices, _unit, {"ignore_class": 2}),
    ("CTC", "ctc", _symbols, _frames, {}),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}{sorted(case[4])}")
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]


def _draw(case, seed=0):
    rng = np.random.default_rng(seed)
    return case[2](rng), case[3](rng)


def _agree(a, b, what, rtol=2e-5):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape, what
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(initial=1e-30), err_msg=what)


@real
@every_case
@pytest.mark.filterwarnings("ignore")
def test_functions_and_classes_are_keras(case):
    """Values and gradients, under every reduction, with weights of every shape that Keras takes."""
    cls, name, *_, options = case
    t, p = _draw(case)
    of_losses = jax.eval_shape(lambda: getattr(ours, name)(t, p, **options)).shape
    rng = np.random.default_rng(1)
    weights = {"none": None, "scalar": np.float32(1.7), "losses": rng.uniform(0.1, 2, of_losses).astype(np.float32)}
    if len(of_losses) == 1:
        weights["a trailing axis"] = weights["losses"][:, None]

    # How losses are reduced does not depend on what they are: every way for two of them, each reduction for the others.
    ways = list(itertools.product(REDUCTIONS, weights))
    if name != "mean_squared_error" and "ignore_class" not in options:
        ways = list(zip(REDUCTIONS, itertools.cycle(weights)))[-2 if name == "ctc" else 0 :]
    # For a scalar Keras divides by the one weight, not by as many as there are losses.
    ways = [way for way in ways if way != ("mean_with_sample_weight", "scalar")]

    def answers(module, p):
        found = {"function": getattr(module, name)(t, p, **options).sum()}
        for reduction, what in ways:
            loss = getattr(module, cls)(**options, reduction=reduction)
            found[f"{reduction}, weights {what}"] = loss(t, p, sample_weight=weights[what]).sum()
        return found

    def run(module):
        # One gradient of all of them, each with its own factor: the factors tell a fault of one from that of another.
        some = lambda p: sum((0.3 + i) * value for i, value in enumerate(answers(module, p).values()))
        return jit(lambda p: (answers(module, p), jax.grad(some)(p)))(p)

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        expected, expected_slope = run(theirs)
    values, slope = run(ours)
    for what in values:
        _agree(values[what], expected[what], what)
    _agree(slope, expected_slope, "slope", rtol=2e-4)


@real
@every_case
def test_signatures_are_keras(case):
    cls, name, *_ = case
    for attribute in (cls, name):
        mine = inspect.signature(getattr(ours, attribute)).parameters
        other = inspect.signature(getattr(theirs, attribute)).parameters
        assert [(p.name, p.default) for p in mine.values()] == [(p.name, p.default) for p in other.values()]


@real
def test_the_base_class_has_keras_arguments_in_keras_order():
    assert list(inspect.signature(ours.Loss.__init__).parameters) == ["self", "name", "reduction", "dtype"]
    assert list(inspect.signature(theirs.Loss.__init__).parameters) == ["self", "name", "reduction", "dtype"]


LABELS, LOGITS = np.array([[0, 1], [0, 0]]), np.array([[-18.6, 0.51], [2.94, -12.8]])
FLAT = LABELS.ravel()
ONE_HOT, GUESSES = np.array([[0, 1, 0], [0, 0, 1]]), np.array([[0.05, 0.95, 0], [0.1, 0.8, 0.1]])
FROM = {"from_logits": True}


@pytest.mark.parametrize(
    ("loss", "t", "p", "weights", "printed"),
    [
        (ours.BinaryCrossentropy(**FROM), FLAT, LOGITS.ravel(), None, 0.8654),
        (ours.BinaryCrossentropy(**FROM), LABELS, LOGITS, None, 0.8654),
        (ours.BinaryCrossentropy(**FROM), LABELS, LOGITS, [0.8, 0.2], 0.243),
        (ours.BinaryCrossentropy(**FROM, reduction="sum"), LABELS, LOGITS, None, 1.730),
        (ours.BinaryCrossentropy(**FROM, reduction=None), LABELS, LOGITS, None, [0.235, 1.496]),
        (ours.BinaryFocalCrossentropy(gamma=2, **FROM), FLAT, LOGITS.ravel(), None, 0.691),
        (ours.BinaryFocalCrossentropy(True, gamma=2, **FROM), FLAT, LOGITS.ravel(), None, 0.51),
        (ours.BinaryFocalCrossentropy(gamma=3, **FROM), LABELS, LOGITS, None, 0.647),
        (ours.BinaryFocalCrossentropy(True, gamma=3, **FROM), LABELS, LOGITS, None, 0.482),
        (ours.BinaryFocalCrossentropy(gamma=3, **FROM), LABELS, LOGITS, [0.8, 0.2], 0.133),
        (ours.BinaryFocalCrossentropy(True, gamma=3, **FROM), LABELS, LOGITS, [0.8, 0.2], 0.097),
        (ours.BinaryFocalCrossentropy(gamma=4, **FROM, reduction="sum"), LABELS, LOGITS, None, 1.222),
        (ours.BinaryFocalCrossentropy(True, gamma=4, **FROM, reduction="sum"), LABELS, LOGITS, None, 0.914),
        (ours.BinaryFocalCrossentropy(gamma=5, **FROM, reduction=None), LABELS, LOGITS, None, [0.0017, 1.1561]),
        (ours.BinaryFocalCrossentropy(True, gamma=5, **FROM, reduction=None), LABELS, LOGITS, None, [0.0004, 0.8670]),
        (ours.CategoricalCrossentropy(), ONE_HOT, GUESSES, None, 1.177),
        (ours.CategoricalCrossentropy(), ONE_HOT, GUESSES, [0.3, 0.7], 0.814),
        (ours.CategoricalCrossentropy(reduction="sum"), ONE_HOT, GUESSES, None, 2.354),
        (ours.CategoricalCrossentropy(reduction=None), ONE_HOT, GUESSES, None, [0.0513, 2.303]),
        (ours.CategoricalFocalCrossentropy(), ONE_HOT, GUESSES, None, 0.23315276),
        (ours.CategoricalFocalCrossentropy(), ONE_HOT, GUESSES, [0.3, 0.7], 0.1632),
        (ours.CategoricalFocalCrossentropy(reduction="sum"), ONE_HOT, GUESSES, None, 0.46631),
        (ours.CategoricalFocalCrossentropy(reduction=None), ONE_HOT, GUESSES, None, [3.2058331e-05, 4.6627346e-01]),
        (ours.SparseCategoricalCrossentropy(), [1, 2], GUESSES, None, 1.177),
        (ours.SparseCategoricalCrossentropy(), [1, 2], GUESSES, [0.3, 0.7], 0.814),
        (ours.SparseCategoricalCrossentropy(reduction="sum"), [1, 2], GUESSES, None, 2.354),
        (ours.SparseCategoricalCrossentropy(reduction=None), [1, 2], GUESSES, None, [0.0513, 2.303]),
        (ours.binary_crossentropy, LABELS, [[0.6, 0.4], [0.4, 0.6]], None, [0.916, 0.714]),
        (ours.binary_focal_crossentropy, LABELS, [[0.6, 0.4], [0.4, 0.6]], None, [0.330, 0.206]),
        (ours.categorical_crossentropy, ONE_HOT, GUESSES, None, [0.0513, 2.303]),
        (
            ours.categorical_focal_crossentropy,
            ONE_HOT,
            [[0.05, 0.9, 0.05], [0.1, 0.85, 0.05]],
            None,
            [2.63401289e-04, 6.75912094e-01],
        ),
        (ours.sparse_categorical_crossentropy, [1, 2], GUESSES, None, [0.0513, 2.303]),
        (ours.huber, LABELS, [[0.6, 0.4], [0.4, 0.6]], None, [0.18, 0.13]),  # printed: their mean, 0.155
        (
            ours.log_cosh,
            [[0.0, 1.0], [0.0, 0.0]],
            [[1.0, 1.0], [0.0, 0.0]],
            None,
            [0.2168904, 0.0],
        ),  # 0.108
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, ours.Loss) else getattr(x, "__name__", ""),
)
def test_what_keras_documentation_prints_comes_out(loss, t, p, weights, printed):
    arrays = [np.asarray(t), np.asarray(p, np.float32), *([] if weights is None else [np.asarray(weights)])]
    value = jit(lambda *arrays: loss(*arrays))(*arrays)
    digits = [len(str(x).split("e")[0].partition(".")[2]) for x in np.ravel(printed)]
    # The documentation cuts digits off as often as it rounds.
    powers = [int(str(x).partition("e")[2] or 0) for x in np.ravel(printed)]
    units = np.maximum(10.0 ** (np.array(powers) - np.array(digits)), 1e-6 * np.abs(printed))
    assert np.all(np.abs(np.ravel(value) - np.ravel(printed)) <= units), (value, printed)


# ------------------------------------------------------------------------------------------------- weights and masks

SQUARES = np.array([[1, 4, 9], [16, 25, 36]], np.float32)


def _weighed(reduction="sum_over_batch_size", weights=None, squares=SQUARES, **more):
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
        np.testing.assert_allclose(_weighed(name, weights), over_size, rtol=1e-6)
    np.testing.assert_allclose(_weighed("mean_with_sample_weight", weights), over_weights, rtol=1e-6)
    np.testing.assert_allclose(_weighed(ours.Reduction.SUM, weights), total, rtol=1e-6)
    np.testing.assert_allclose(_weighed(ours.Reduction.NONE, weights).sum(), total, rtol=1e-6)
    np.testing.assert_allclose(_weighed(None, weights).sum(), total, rtol=1e-6)


def test_a_weight_of_a_square_batch_weighs_its_rows():
    squares = np.arange(9, dtype=np.float32).reshape(3, 3)
    np.testing.assert_allclose(_weighed("sum", [1, 0, 0], squares), 0 + 1 + 2, rtol=1e-6)


@pytest.mark.parametrize("weights", [[1, 2, 3], np.ones((3, 2)), np.ones((2, 3, 2)), np.ones((1, 2, 3, 1))])
def test_a_weight_that_fits_neither_is_refused(weights):
    with pytest.raises(ValueError, match="MeanSquaredError: sample_weight"):
        _weighed("sum", weights)


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


def test_an_ignored_class_does_not_count():
    t, logits = np.array([0, 1, 2, 255]), RNG.normal(size=(4, 3)).astype(np.float32)
    logits[3] = np.nan
    loss = ours.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    value, slope = jit(jax.value_and_grad(lambda p: loss(t, p)))(logits)
    of_the_others = jit(ours.SparseCategoricalCrossentropy(from_logits=True))(t[:3], logits[:3])
    np.testing.assert_allclose(value, of_the_others, rtol=1e-6)
    assert not np.any(slope[3])
    assert jit(loss)(np.full(4, 255), logits) == 0


# -------------------------------------------------------------------------------------------- where Keras is wrong


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
    logits, p = _normal(rng), _distribution(rng, axis=1)
    indices, hot = _indices(rng, 1), _one_hot(np.random.default_rng(4), 1)
    last = lambda x: np.moveaxis(x, 1, -1)
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
    value, slope = jax.jit(jax.value_and_grad(lambda p: ours.ctc(np.array([[1, 1, 0]]), p).sum()))(logits)
    assert value == np.inf
    assert not np.any(slope)


def test_half_precision_in_half_precision_out():
    rng = np.random.default_rng(0)
    p = _unit(rng).astype(jnp.bfloat16)
    for loss, dtype in (
        (ours.binary_crossentropy, jnp.bfloat16),
        (ours.BinaryCrossentropy(), jnp.float32),
        (ours.BinaryCrossentropy(dtype="float16"), jnp.float16),
    ):
        assert jax.eval_shape(loss, _bits(rng), p).dtype == dtype


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_half_precision_is_rounded_once(name, dtype):
    """Probabilities of a half are divided by their sum, clipped and taken the logarithm of in float32."""
    p = jnp.asarray([[0.7, 0.2, 0.15], [1.0, 0.0, 0.0], [0.999, 0.3, 0.001]], dtype)
    t = np.array([0, 1, 0]) if name.startswith("sparse") else np.eye(3, dtype=np.float32)[[0, 1, 0]]
    loss = partial(getattr(ours, name), t)
    half = jit(loss)(p)
    assert half.dtype == dtype
    np.testing.assert_array_equal(half, jit(loss)(p.astype(jnp.float32)).astype(dtype))


@pytest.mark.parametrize(("t", "p"), [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3, 1), (4, 3)), ((4, 3), (4, 3, 1))])
@real
def test_shapes_that_differ_by_an_axis_of_one_are_keras(t, p):
    t, p = RNG.normal(size=t).astype(np.float32), RNG.normal(size=p).astype(np.float32)
    for reduction in ("sum", "sum_over_batch_size"):
        a = ours.MeanSquaredError(reduction=reduction)(t, p)
        _agree(a, theirs.MeanSquaredError(reduction=reduction)(t, p), reduction)


# --------------------------------------------------------------------------------------------- objects and their use


@every_case
def test_instances_are_values(case):
    cls, *_, options = case
    loss = getattr(ours, cls)(**options, reduction="sum", name="mine", dtype="float16")
    for same in (
        getattr(ours, cls)(**options, reduction="sum", name="mine", dtype="float16"),
        pickle.loads(pickle.dumps(loss)),
        copy.deepcopy(loss),
        type(loss).from_config(json.loads(json.dumps(loss.get_config()))),
        ours.deserialize(json.loads(json.dumps(ours.serialize(loss)))),
        jax.tree.map(lambda leaf: leaf, loss),
    ):
        assert same == loss
        assert hash(same) == hash(loss)
    assert loss != getattr(ours, cls)(**options, name="mine")
    assert cls in repr(loss)


@every_case
def test_jit_takes_them_as_static_arguments_and_as_pytrees_and_traces_once(case):
    cls, name, *_, options = case
    t, p = _draw(case)
    expected, traces = jit(getattr(ours, cls)(**options))(t, p), []

    def run(loss, t, p):
        traces.append(loss)
        return loss(t, p)

    for compiled in (jit(run, static_argnums=0), jit(run)):
        for _ in range(3):
            np.testing.assert_allclose(compiled(getattr(ours, cls)(**options), t, p), expected, rtol=1e-6)
    assert len(traces) == 2
    if name == "ctc":
        return  # it takes batches only, as Keras' does
    function = lambda t, p: getattr(ours, name)(t, p, **{**options, **({"axis": -1} if "axis" in options else {})})
    mapped, batched = jit(lambda t, p: (jax.vmap(function)(t, p), function(t, p)))(t, p)
    np.testing.assert_allclose(mapped, batched, rtol=1e-6)


@pytest.mark.parametrize("name", ["mean_squared_error", "huber", "log_cosh", "poisson", "binary_crossentropy"])
def test_vmap_over_single_numbers(name):
    t, p, loss = _bits(RNG)[0, 0], _unit(RNG)[0, 0], getattr(ours, name)
    elements, row = jit(lambda t, p: (jax.vmap(loss)(t, p), loss(t, p)))(t, p)
    np.testing.assert_allclose(elements.mean(), row, rtol=1e-6)


class MeanPower(ours.Loss):
    def __init__(self, power=4.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        return jnp.mean(jnp.abs(y_pred - y_true) ** self.power, axis=-1)

    def get_config(self):
        return {**super().get_config(), "power": self.power}


def test_a_loss_of_ones_own():
    t, p = np.zeros((2, 3), np.float32), np.full((2, 3), 2.0, np.float32)
    loss = MeanPower()
    assert (loss.name, loss.reduction, loss.dtype) == ("mean_power", "sum_over_batch_size", "float32")
    assert float(loss(t, p, sample_weight=[1.0, 0.5])) == 12.0
    assert loss == MeanPower(4.0) != MeanPower(3.0)
    assert hash(loss) == hash(MeanPower(4.0))
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert MeanPower.from_config(loss.get_config()) == loss
    assert ours.deserialize(ours.serialize(loss), custom_objects={"MeanPower": MeanPower}) == loss
    with pytest.raises(NotImplementedError, match="define call"):
        ours.Loss()(t, p)
    with pytest.raises(ValueError, match="no loss of name 'MeanPower'"):
        ours.deserialize(ours.serialize(loss))


def test_losses_by_name():
    for name in ("mse", "MSE", "mean_squared_error"):
        assert ours.get(name) is ours.mean_squared_error
    assert ours.get("kullback_leibler_divergence") is ours.get("kld") is ours.kl_divergence
    assert ours.get("CategoricalCrossentropy") == ours.CategoricalCrossentropy()
    assert ours.get({"class_name": "Huber", "config": {"delta": 2.0}}) == ours.Huber(2.0)
    assert ours.get(ours.Poisson) == ours.Poisson()
    assert ours.get(None) is None
    assert ours.get(ours.ctc) is ours.ctc
    assert ours.deserialize(ours.serialize(ours.poisson)) is ours.poisson
    for wrong in ("nothing", 3):
        with pytest.raises(ValueError, match=r"get|deserialize"):
            ours.get(wrong)
    with pytest.raises(ValueError, match="serialize"):
        ours.serialize("mse")


@real
def test_what_keras_has_serialized_is_read():
    for loss in (theirs.CategoricalFocalCrossentropy(gamma=3.0, from_logits=True), theirs.KLDivergence()):
        found = ours.deserialize(theirs.serialize(loss))
        assert found.get_config() == loss.get_config()
    assert ours.deserialize(theirs.serialize(theirs.poisson)) is ours.poisson


@pytest.mark.parametrize(
    ("error", "words", "make"),
    [
        (ValueError, ["MeanSquaredError", "reduction", "'median'"], lambda: ours.MeanSquaredError(reduction="median")),
        (ValueError, ["Huber", "dtype", "int32"], lambda: ours.Huber(dtype="int32")),
        (ValueError, ["Reduction", "'mean'"], lambda: ours.Reduction.validate("mean")),
        (ValueError, ["categorical_crossentropy", "(2, 3)", "(2, 4)"], lambda: _call("categorical_crossentropy", 3, 4)),
        (ValueError, ["binary_crossentropy", "(2, 3)", "(2, 4)"], lambda: _call("binary_crossentropy", 3, 4)),
        (ValueError, ["mean_squared_error", "broadcast"], lambda: _call("mean_squared_error", 3, 4)),
        (ValueError, ["axis 2"], lambda: _call("categorical_crossentropy", 3, 3, axis=2)),
        (ValueError, ["alpha", "(3,)"], lambda: _call("categorical_focal_crossentropy", 3, 3, alpha=[1.0, 2.0])),
        (ValueError, ["label_smoothing"], lambda: _call("binary_crossentropy", 3, 3, label_smoothing=1.5)),
        (ValueError, ["ctc", "[batch, length]"], lambda: _call("ctc", 3, 3)),
        (ValueError, ["alpha", "at least 0"], lambda: _call("categorical_focal_crossentropy", 3, 3, alpha=-1.0)),
        (TypeError, ["ignore_class", "1.5"], lambda: _labelled(ignore_class=1.5)),
        (ValueError, ["y_true (2,)", "y_pred (2, 3, 3)"], lambda: _labelled(predictions=(2, 3, 3))),
        (ValueError, ["y_true (2,)", "y_pred (3, 3)"], lambda: _labelled(predictions=(3, 3))),
        (ValueError, ["y_pred (2, 0)", "no class"], lambda: _labelled(predictions=(2, 0))),
        (ValueError, ["CTC: mask (2, 5)", "frames (2, 6)"], lambda: _frames(2, 5)),
        (ValueError, ["CTC: mask (2, 6, 4)", "frames (2, 6)"], lambda: _frames(2, 6, 4)),
        (ValueError, ["mask"], lambda: _weighed(mask=np.ones((3, 2), bool))),
        (TypeError, ["mask", "boolean"], lambda: _weighed(mask=np.ones((2, 3)))),
        (TypeError, ["y_pred", "complex64"], lambda: ours.mean_squared_error([1.0], jnp.ones(1, "complex64"))),
    ],
)
def test_bad_input_is_refused(error, words, make):
    with pytest.raises(error) as raised:
        make()
    for word in words:
        assert word in str(raised.value)


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


def _labelled(predictions=(2, 3), **options):
    return ours.sparse_categorical_crossentropy(np.ones(2, np.int32), np.full(predictions, 0.5, np.float32), **options)


def _frames(*shape):
    return ours.CTC()(np.ones((2, 3), np.int32), np.zeros((2, 6, 4), np.float32), mask=np.ones(shape, bool))


def _call(name, targets, predictions, **options):
    t, p = np.full((2, targets), 0.5, np.float32), np.full((2, predictions), 0.5, np.float32)
    return getattr(ours, name)(t, p, **options)


@real
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["class", "function", "one's own"])
def test_a_keras_model_trains_with_them(kind, tmp_path):
    """On the JAX backend, with sample weights, to the very curve of Keras' own loss."""
    import keras

    assert keras.backend.backend() == "jax"
    pairs = {
        "class": (ours.BinaryCrossentropy(from_logits=True), theirs.BinaryCrossentropy(from_logits=True)),
        "function": (ours.mean_squared_error, theirs.mean_squared_error),
        "one's own": (MeanPower(2.0), theirs.MeanSquaredError()),
    }
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype(np.float32)
    y, weights = (x[:, :1] > 0).astype(np.float32), np.linspace(0, 2, 64)
    curves = []
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for loss in pairs[kind]:
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
            model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
            curves.append(model.fit(x, y, sample_weight=weights, epochs=3, batch_size=16, verbose=0).history["loss"])
            if loss is pairs["class"][0]:
                model.save(tmp_path / "model.keras")
                known = {"BinaryCrossentropy": ours.BinaryCrossentropy}
                assert keras.models.load_model(tmp_path / "model.keras", custom_objects=known).loss == loss
    assert curves[0][-1] < curves[0][0]
    np.testing.assert_allclose(*curves, rtol=1e-5)


# ------------------------------------------------------------------------------------- what Keras' documentation shows

DOCUMENTED = [name for name in ours.__all__ if importlib.util.find_spec("keras") and hasattr(theirs, name)]


def _shown(examples, losses):
    """What each example that the documentation shows a number for gives; None for what cannot be run."""
    import keras

    names = {"keras": SimpleNamespace(losses=losses, ops=keras.ops), "losses": losses, "np": np, "ops": keras.ops}
    for example in examples:
        source, value = example.source.strip(), None
        try:
            exec(source, names)
            found = source.partition(" = ")[0] if " = " in source.partition("(")[0] else source
            value = np.asarray(eval(found, names)) if example.want and "type" not in source else None
        except (NameError, AttributeError, AssertionError):  # one that begins in the middle, or that Keras does not run
            pass
        if example.want:
            yield value


@real
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_example_of_keras_documentation_comes_out(name):
    """As printed; where Keras itself prints something else, as Keras does."""
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(getattr(theirs, name)) or "")
    prints = [example.want.partition("dtype")[0] for example in examples if example.want]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        answers = zip(prints, _shown(examples, ours), _shown(examples, theirs), strict=True)
        for text, mine, keras_own in answers:
            printed = re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)
            digits = [len(x.partition("e")[0].partition(".")[2]) - int(x.partition("e")[2] or 0) for x in printed]
            off = lambda x: np.abs(np.ravel(x) - np.array(printed, float)) * 10.0 ** np.array(digits)
            as_printed = lambda x: np.size(x) == len(printed) and np.all(off(x) <= 1)
            if mine is None or mine.dtype == object:
                assert keras_own is None or keras_own.dtype == object
            elif keras_own is None:
                assert as_printed(mine)
            else:
                np.testing.assert_allclose(mine, keras_own, rtol=2e-6, atol=1e-7)
                assert as_printed(mine) == as_printed(keras_own)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}{sorted(case[4])}")
def test_lists_are_taken_as_arrays_are(case):
    cls, name, *_, options = case
    t, p = _draw(case)
    for loss in (getattr(ours, cls)(**options), partial(getattr(ours, name), **options)):
        np.testing.assert_array_equal(loss(t.tolist(), p.tolist()), loss(t, p))
    weights = list(np.linspace(0.5, 2, len(t)))
    loss = getattr(ours, cls)(**options)
    np.testing.assert_array_equal(loss(t, p, sample_weight=weights), loss(t, p, sample_weight=np.array(weights)))


def test_a_loss_of_ones_own_may_take_a_tree_of_arrays():
    class OfTwo(ours.Loss):
        def call(self, y_true, y_pred):
            return jnp.abs(y_true[0] - y_pred["a"]) + jnp.abs(y_true[1] - y_pred["b"])

    one, two = np.ones(3), np.full(3, 2.0)
    assert float(OfTwo()([one, one], {"a": two, "b": two})) == 2.0
    assert float(MeanPower(2.0)([[1.0, 2.0]], [[3.0, 2.0]])) == 2.0


# ------------------------------------------------------------------------------------------ masks, where Keras has them


def test_a_mask_of_frames_is_their_number_to_ctc():
    rng = np.random.default_rng(0)
    t, p = np.array([[1, 2, 1], [2, 0, 0]]), rng.normal(size=(2, 6, 4)).astype(np.float32)
    frames = np.arange(6) < np.array([[4], [6]])
    planted = np.where(frames[..., None], p, np.nan)
    run = lambda p: ours.CTC(reduction="sum")(t, p, mask=frames)
    value, slope = jit(jax.value_and_grad(run))(planted)
    expected = [float(ours.ctc(t[:1], p[:1, :4])[0]), float(ours.ctc(t[1:], p[1:])[0])]
    np.testing.assert_allclose(value, sum(expected), rtol=1e-6)
    assert np.isfinite(slope).all()
    assert (slope[0, 4:] == 0).all()
    # A mask of as many frames as there are labels is not one of the labels.
    same = np.array([[1, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]])
    short = jit(lambda p: ours.CTC(reduction=None)(same, p, mask=frames))(p)
    np.testing.assert_allclose(short[0], ours.ctc(same[:1], p[:1, :4])[0], rtol=1e-6)
    # With an axis of length 1 behind it, as masks of steps often have, it is the same mask.
    behind = jit(lambda p: ours.CTC(reduction="sum")(t, p, mask=frames[..., None]))(planted)
    np.testing.assert_allclose(behind, value, rtol=1e-6)
    # A sequence of no frame does not count.
    none = jit(lambda p: ours.CTC()(t, p, mask=frames & np.array([[True], [False]])))(p)
    np.testing.assert_allclose(none, expected[0], rtol=1e-6)


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
    run = lambda x: ours.ctc(labels, x).sum()
    # A sequence is as long as it has labels above 0: three here.
    value, slope = jit(jax.value_and_grad(run))(logits)
    np.testing.assert_allclose(value, -np.log(total), rtol=1e-5)
    step = 1e-2 * np.eye(15, dtype=np.float32).reshape(15, 1, 5, 3)
    differences = jit(jax.vmap(lambda d: (run(logits + d) - run(logits - d)) / 0.02))(step)
    np.testing.assert_allclose(slope.ravel(), differences, atol=2e-4)
    assert np.isnan(ours.ctc([[1, 3]], logits)).all()


# --------------------------------------------------------------------------------------------------- models of Keras


@real
@pytest.mark.filterwarnings("ignore")
def test_a_saved_model_finds_its_loss(tmp_path):
    import keras

    @keras.saving.register_keras_serializable("mine")
    class Registered(MeanPower):
        """A loss of one's own."""

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    ready = [getattr(ours, name)() for name in ours.__all__ if name[0].isupper() and hasattr(getattr(ours, name), "fn")]
    for loss in (*ready, ours.Huber(0.5), ours.poisson, ours.mse, Registered(3.0)):
        model.compile(loss=loss)
        model.save(tmp_path / "model.keras")
        found = keras.models.load_model(tmp_path / "model.keras").loss
        assert found == loss
        assert type(found) is type(loss)
    assert ours.deserialize(theirs.serialize(ours.Huber(0.5))) == ours.Huber(0.5)
    assert ours.deserialize(theirs.serialize(ours.mse)) is ours.mse


@real
def test_losses_are_keras_own_whichever_is_imported_first():
    code = """
import sys, jaxloss.keras as ours
early = ours.Huber()
assert "keras" not in sys.modules
import keras
late = ours.MeanSquaredError()
assert isinstance(early, keras.losses.Loss) and isinstance(late, keras.losses.Loss)
assert keras.saving.get_registered_object("jaxloss.keras>Huber") is ours.Huber
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env={**os.environ, "KERAS_BACKEND": "jax"})


@real
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["CTC", "SparseCategoricalCrossentropy", "one's own, per sample"])
def test_a_model_with_masks_and_weights_trains(name):
    import keras

    class PerSample(ours.Loss):
        def call(self, y_true, y_pred):
            return jnp.mean(ours.sparse_categorical_crossentropy(y_true, y_pred, True), -1)

    loss = PerSample() if "own" in name else getattr(ours, name)(**({} if name == "CTC" else {"from_logits": True}))
    x = np.array([[1, 2, 3, 4, 0, 0], [3, 5, 6, 0, 0, 0], [0] * 6])
    y = np.array([[1, 2, 0], [2, 0, 0], [1, 2, 1]]) if name == "CTC" else np.minimum(x, 3)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(7, 8, mask_zero=True), keras.layers.Dense(4)]
    model = keras.Sequential([keras.layers.Input((6,)), *layers])
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss)
        first, *_, last = model.fit(x, y, epochs=8, verbose=0).history["loss"]
        weighed = model.evaluate(x, y, sample_weight=np.array([1.0, 0.0, 5.0]), verbose=0)
        alone = model.evaluate(x[:1], y[:1], verbose=0)
    assert last < first
    # The third sample is all masked, and the weight of the second is 0; the mean is over all that count.
    counted = 7 / 4 if name == "SparseCategoricalCrossentropy" else 2
    np.testing.assert_allclose(weighed, alone / counted, rtol=1e-5)
