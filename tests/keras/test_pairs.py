"""Targets and predictions in Keras' shapes, and what is refused of them."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.cases import bits, probability
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.refusing import refused

real = pytest.mark.skipif(missing("keras"), reason="Keras is not installed")


@pytest.mark.parametrize(("t", "p"), [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3, 1), (4, 3)), ((4, 3), (4, 3, 1))])
@real
def test_shapes_that_differ_by_an_axis_of_one_are_keras(t, p):
    import keras.losses as theirs

    rng = np.random.default_rng(0)
    t, p = rng.normal(size=t).astype(np.float32), rng.normal(size=p).astype(np.float32)
    for reduction in ("sum", "sum_over_batch_size"):
        a = ours.MeanSquaredError(reduction=reduction)(t, p)
        np.testing.assert_allclose(a, theirs.MeanSquaredError(reduction=reduction)(t, p), rtol=2e-5)


@pytest.mark.parametrize("name", ["mean_squared_error", "huber", "log_cosh", "poisson", "binary_crossentropy"])
def test_vmap_over_single_numbers(name):
    rng, loss = np.random.default_rng(0), getattr(ours, name)
    t, p = bits(rng, 5), probability(rng, 5)
    elements, row = jit(lambda t, p: (jax.vmap(loss)(t, p), loss(t, p)))(t, p)
    np.testing.assert_allclose(elements.mean(), row, rtol=1e-6)


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
    ("error", "words", "make"),
    [
        (ValueError, ["categorical_crossentropy", "(2, 3)", "(2, 4)"], lambda: _call("categorical_crossentropy", 3, 4)),
        (ValueError, ["binary_crossentropy", "(2, 3)", "(2, 4)"], lambda: _call("binary_crossentropy", 3, 4)),
        (ValueError, ["mean_squared_error", "broadcast"], lambda: _call("mean_squared_error", 3, 4)),
        (ValueError, ["axis 2"], lambda: _call("categorical_crossentropy", 3, 3, axis=2)),
        (ValueError, ["alpha", "(3,)"], lambda: _call("categorical_focal_crossentropy", 3, 3, alpha=[1.0, 2.0])),
        (ValueError, ["label_smoothing"], lambda: _call("binary_crossentropy", 3, 3, label_smoothing=1.5)),
        (ValueError, ["ctc", "[batch, length]"], lambda: _call("ctc", 3, 3)),
        (TypeError, ["y_pred", "complex64"], lambda: ours.mean_squared_error([1.0], jnp.ones(1, "complex64"))),
    ],
)
def test_pairs_that_do_not_fit_are_refused(error, words, make):
    refused(make, *words, error=error)


def _call(name, targets, predictions, **options):
    t, p = np.full((2, targets), 0.5, np.float32), np.full((2, predictions), 0.5, np.float32)
    return getattr(ours, name)(t, p, **options)
