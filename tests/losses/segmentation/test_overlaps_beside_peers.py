"""Random inputs beside optax and Keras: values and gradients of the losses of overlap, over shapes and options.

Where ours differ, on purpose, is listed once, in DIFFERENT.
"""

import importlib.util
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxloss
from tests import cases
from tests.random_calls import few, value_and_slopes

SHAPES = [(2, 7, 3), (3, 2, 4, 5), (1, 2, 2, 3, 4)]
WEIGHTS = st.none() | st.just("weights")


def _hard(rng, shape):
    """Logits and one-hot labels of every class."""
    classes = rng.permuted(np.resize(np.arange(shape[-1]), int(np.prod(shape[:-1]))))
    return cases.normal(rng, shape), np.eye(shape[-1], dtype=np.float32)[classes].reshape(shape)


def _bits(rng, shape):
    return cases.normal(rng, shape), cases.bits(rng, shape)


SUMS = {"smooth": st.sampled_from([0.1, 1.0, 2.0])}
RATIO = SUMS | {
    "alpha": st.sampled_from([0.2, 0.5, 1.0]),
    "beta": st.sampled_from([0.3, 0.5, 2.0]),
    "class_weights": WEIGHTS,
    "ignore_background": st.booleans(),
}
OPTAX = [
    (
        "dice_loss",
        _hard,
        RATIO | {"reduction": st.sampled_from(["mean", "sum", "none"]), "axis": st.sampled_from([None, 1, (0, 1)])},
    ),
    ("binary_dice_loss", _bits, SUMS),
    ("multiclass_generalized_dice_loss", _hard, SUMS | {"ignore_background": st.booleans()}),
]


@pytest.mark.parametrize(("name", "draw", "options"), OPTAX, ids=[row[0] for row in OPTAX])
def test_optax(name, draw, options):
    ours, theirs = getattr(jaxloss, name), getattr(optax.losses, name)

    @few
    @given(st.integers(0, 2**31), st.sampled_from(SHAPES), st.fixed_dictionaries(options))
    def check(seed, shape, options):
        rng = np.random.default_rng(seed)
        x, t = draw(rng, shape)
        if options.get("class_weights"):
            options["class_weights"] = cases.positive(rng, shape[-1:])
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            answers = [value_and_slopes(loss, x, t, **options) for loss in (ours, theirs)]
        for got, expected in zip(*answers, strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)

    check()


KERAS = [("dice_loss", "dice", {}), ("tversky_loss", "tversky", {})]


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="keras is not installed")
@pytest.mark.parametrize(("name", "peer", "options"), KERAS, ids=[row[0] for row in KERAS])
def test_keras(name, peer, options):
    """Its losses sum over the classes too, where they are named, and smooth by 1e-7 in the denominator alone."""
    import keras

    ours = getattr(jaxloss, name)

    @few
    @given(st.integers(0, 2**31), st.sampled_from(SHAPES), st.fixed_dictionaries(options))
    def check(seed, shape, options):
        rng = np.random.default_rng(seed)
        _, t = _hard(rng, shape)
        p, space = cases.distribution(rng, shape), tuple(range(1, len(shape) - 1))
        given = {"apply_softmax": False, "smooth": 0.0, "reduction": "none", **options}
        theirs = lambda p, t: getattr(keras.losses, peer)(t, p, axis=space, **options)
        losses = partial(ours, **given), theirs
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            answers = [value_and_slopes(loss, p, t) for loss in losses]
        for got, expected in zip(*answers, strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)

    check()


EMPTY, SOFT = np.zeros((1, 4, 1), np.float32), np.full((1, 4, 1), 0.5, np.float32)
LOGIT = np.float32([[[40.0], [-40.0]]])
PAIR = np.float32([[[1.0], [0.0]]])
DIFFERENT = [
    # What differs: ours, optax's.
    (
        "a region that is neither labelled nor predicted, without smoothing",
        lambda of: float(of.dice_loss(np.full_like(EMPTY, -np.inf), EMPTY, smooth=0.0)[0]),
        0.0,
        np.nan,
    ),
    ("soft labels that are predicted exactly", lambda of: float(of.dice_loss(0 * SOFT, SOFT)[0]), 0.0, 1 / 3),
    (
        "pixels that are certain",
        lambda of: float(of.dice_loss(LOGIT, PAIR, smooth=0.0)[0]),
        float(np.float32(np.exp(-40.0))),
        0.0,
    ),
    ("a label out of range", lambda of: float(of.binary_dice_loss(SOFT, 3 * SOFT)[0]) < 1, False, True),
]


@pytest.mark.parametrize(("what", "answer", "ours", "optaxs"), DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_what_differs_from_optax(what, answer, ours, optaxs):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(answer(jaxloss), ours, rtol=1e-5, atol=0)
        np.testing.assert_allclose(answer(optax.losses), optaxs, rtol=1e-5, atol=0)


def test_probabilities_may_be_compiled_which_those_of_optax_cannot():
    p, t = np.float32([[[0.25, 0.75]]]), jnp.float32([[[0.0, 1.0]]])
    loss = lambda of: jax.jit(lambda p: of.dice_loss(p, t, apply_softmax=False))(p)
    assert loss(jaxloss).shape == (1,)
    with pytest.raises(jax.errors.TracerBoolConversionError):
        loss(optax.losses)
