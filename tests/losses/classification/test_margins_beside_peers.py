"""Random inputs beside optax and PyTorch: values and gradients of the losses of margins, over shapes and options.

Where ours differ, on purpose, is listed once, in DIFFERENT.
"""

import importlib.util

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

SHAPES = [(4,), (2, 3), (1, 2, 2)]


def _signs(rng, shape):
    return 2 * rng.integers(0, 2, shape).astype(rng.choice([np.float32, np.int32])) - 1


def _binary(rng, shape):
    return cases.normal(rng, shape), _signs(rng, shape)


def _bits(rng, shape):
    return cases.normal(rng, shape), rng.integers(0, 2, shape).astype(rng.choice([np.float32, np.int32]))


def _labelled(rng, shape):
    shape = (*shape, 5)
    return cases.normal(rng, shape), rng.integers(0, 5, shape[:-1]).astype(np.int32)


def _distributed(rng, shape):
    shape = (*shape, 5)
    return cases.normal(rng, shape), cases.distribution(rng, shape)


OPTAX = [
    ("hinge_loss", _binary, {}),
    ("perceptron_loss", _binary, {}),
    ("multiclass_hinge_loss", _labelled, {}),
    ("multiclass_perceptron_loss", _labelled, {}),
    ("sparsemax_loss", _bits, {}),
    ("multiclass_sparsemax_loss", _labelled, {}),
    ("poly_loss_cross_entropy", _distributed, {"epsilon": [-1.0, 0.0, 2.0, 3.5]}),
    ("safe_softmax_cross_entropy", _distributed, {}),
]


@pytest.mark.parametrize(("name", "draw", "options"), OPTAX, ids=[row[0] for row in OPTAX])
def test_optax(name, draw, options):
    # Their multiclass sparsemax takes a batch of rows alone.
    shapes = [(4,), (7,)] if name == "multiclass_sparsemax_loss" else SHAPES
    ours, theirs = getattr(jaxloss, name), getattr(optax.losses, name)

    @few
    @given(st.integers(0, 2**31), st.sampled_from(shapes), st.fixed_dictionaries(options_of(options)))
    def check(seed, shape, options):
        x, y = map(jnp.asarray, draw(np.random.default_rng(seed), shape))
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            answers = [value_and_slopes(loss, x, y, **options) for loss in (ours, theirs)]
        for got, expected in zip(*answers, strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=4e-6)

    check()


def options_of(options):
    return {name: st.sampled_from(values) for name, values in options.items()}


def _pairs(rng, shape):
    return cases.normal(rng, shape), cases.normal(rng, shape), _signs(rng, shape).astype(np.float32)


def _lists(rng, shape):
    x = cases.normal(rng, (4, 5))
    lists = np.array([rng.permutation(5) for _ in range(4)])
    lists[np.arange(4), rng.integers(0, 5, 4)] = -1
    return x, lists.astype(np.int32)


def _many_bits(rng, shape):
    return cases.normal(rng, (4, 5)), cases.bits(rng, (4, 5))


def _rows(rng, shape):
    return cases.normal(rng, (4, 5)), rng.integers(0, 5, 4).astype(np.int32)


def _errors(rng, shape):
    return cases.normal(rng, shape), cases.normal(rng, shape)


WEIGHTS = np.float32([0.5, 1.0, 2.0, 0.25, 3.0])
NAMES = {"class_weights": "weight"}
TORCH = [
    ("soft_margin_loss", _binary, {}),
    ("hinge_embedding_loss", _binary, {"margin": [0.5, 1.0, 2.0]}),
    ("margin_ranking_loss", _pairs, {"margin": [0.0, 0.5, 2.0]}),
    ("multi_margin_loss", _rows, {"p": [1, 2], "margin": [0.5, 1.0], "class_weights": [None, WEIGHTS]}),
    ("multilabel_margin_loss", _lists, {}),
    ("multilabel_soft_margin_loss", _many_bits, {"class_weights": [None, WEIGHTS]}),
    ("smooth_l1_loss", _errors, {"beta": [0.0, 0.5, 2.0]}),
]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(("name", "draw", "options"), TORCH, ids=[row[0] for row in TORCH])
def test_torch(name, draw, options):
    import torch

    fn, peer = getattr(jaxloss, name), getattr(torch.nn.functional, name)

    def tensor(x):
        x = np.asarray(x)
        return torch.tensor(x.astype(np.int64) if x.dtype == np.int32 else x)

    @few
    @given(st.integers(0, 2**31), st.sampled_from(SHAPES), st.fixed_dictionaries(options_of(options)))
    def check(seed, shape, options):
        x, *others = draw(np.random.default_rng(seed), shape)
        theirs = {
            NAMES.get(k, k): tensor(v) if k == "class_weights" and v is not None else v for k, v in options.items()
        }
        leaf = torch.tensor(x, requires_grad=True)
        expected = peer(leaf, *map(tensor, others), reduction="none", **theirs)
        expected.sum().backward()
        last = {"order": others[-1]} if name == "margin_ranking_loss" else {}
        losses, slope = value_and_slopes(fn, x, *others[: len(others) - len(last)], **last, **options)
        np.testing.assert_allclose(losses, expected.detach().numpy(), rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(slope, leaf.grad.numpy(), rtol=2e-5, atol=2e-6)

    check()


def _slope(f, x, *others):
    return jax.grad(lambda x: f(x, *others).sum())(jnp.asarray(x, jnp.float32)).tolist()


TIE, FIRST = np.float32([[1, 1, 0]]), np.array([0])
DIFFERENT = [
    # What differs: ours, optax's.
    ("the slope at the kink is 0", lambda of: _slope(of.hinge_loss, [1.0], jnp.ones(1)), [0.0], [-0.5]),
    ("as it is of the perceptron", lambda of: _slope(of.perceptron_loss, [0.0], jnp.ones(1)), [0.0], [-0.5]),
    (
        "and where the label is among the highest",
        lambda of: _slope(of.multiclass_perceptron_loss, TIE, FIRST),
        [[0.0, 0.0, 0.0]],
        [[-0.5, 0.5, 0.0]],
    ),
    ("a target that is no sign", lambda of: float(of.hinge_loss(jnp.ones(1), jnp.zeros(1))[0]), np.nan, 1.0),
    ("a label out of range", lambda of: float(of.multiclass_hinge_loss(TIE, np.array([-1]))[0]), np.nan, 2.0),
    (
        "a label that is a probability",
        lambda of: float(of.sparsemax_loss(jnp.zeros(1), jnp.full(1, 0.25))[0]),
        0.0625,
        0.25,
    ),
    (
        "the slope in the labels beside an impossible logit",
        lambda of: _slope(lambda y, x: of.safe_softmax_cross_entropy(x, y), [[1.0, 0.0]], jnp.array([[0.0, -jnp.inf]])),
        [[0.0, 0.0]],
        [[0.0, np.inf]],
    ),
]


@pytest.mark.parametrize(("what", "answer", "ours", "optaxs"), DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_what_differs_from_optax(what, answer, ours, optaxs):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        np.testing.assert_array_equal(answer(jaxloss), ours)
        np.testing.assert_array_equal(answer(optax.losses), optaxs)
