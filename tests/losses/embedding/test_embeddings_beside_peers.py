"""Random inputs beside optax and PyTorch: values and gradients of the losses of embeddings, over shapes and options.

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

SHAPES = [(6,), (4, 3), (2, 3, 5)]


def _triplets(rng, shape):
    return tuple(cases.normal(rng, (3, *shape)))


def _groups(rng, shape):
    return cases.normal(rng, (9, 4)), rng.integers(0, 3, 9).astype(np.int32)


MARGINS = st.sampled_from([0.0, 0.5, 3.0])
OPTAX = [
    (
        "triplet_margin_loss",
        _triplets,
        {
            "axis": st.sampled_from([0, -1]),
            "norm_degree": st.sampled_from([2, 4]),
            "margin": MARGINS,
            "eps": st.sampled_from([1e-6, 0.1]),
        },
    ),
    ("ntxent", _groups, {"temperature": st.sampled_from([0.25, 0.5, 2.0])}),
]


@pytest.mark.parametrize(("name", "draw", "options"), OPTAX, ids=[row[0] for row in OPTAX])
def test_optax(name, draw, options):
    ours, theirs = getattr(jaxloss, name), getattr(optax.losses, name)

    @few
    @given(st.integers(0, 2**31), st.sampled_from(SHAPES), st.fixed_dictionaries(options))
    def check(seed, shape, options):
        arrays = draw(np.random.default_rng(seed), shape)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            answers = [value_and_slopes(loss, *arrays, **options) for loss in (ours, theirs)]
        for got, expected in zip(*answers, strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=4e-6)

    check()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_torch():
    """With an eps of 0: PyTorch adds its own to each difference, optax and we to the sum below the root."""
    import torch

    options = {
        "norm_degree": st.sampled_from([1.0, 1.5, 2.0, 3.0]),
        "margin": st.sampled_from([0.25, 3.0]),
        "swap": st.booleans(),
    }

    @few
    @given(st.integers(0, 2**31), st.sampled_from([(6,), (4, 3)]), st.fixed_dictionaries(options))
    def check(seed, shape, options):
        arrays = _triplets(np.random.default_rng(seed), shape)
        theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
        degree, others = options["norm_degree"], {k: v for k, v in options.items() if k != "norm_degree"}
        losses = torch.nn.functional.triplet_margin_loss(*theirs, eps=0, reduction="none", p=degree, **others)
        losses.sum().backward()
        ours, slopes = value_and_slopes(jaxloss.triplet_margin_loss, *arrays, wrt=(0, 1, 2), eps=0.0, **options)
        np.testing.assert_allclose(ours, losses.detach().numpy(), rtol=2e-5, atol=4e-6)
        for slope, their in zip(slopes, theirs, strict=True):
            np.testing.assert_allclose(slope, their.grad.numpy(), rtol=2e-5, atol=4e-6)

    check()


ANCHOR, POSITIVE, NEGATIVE = np.float32([[[0, 0]], [[-1, 0]], [[0, 3]]])


def _triplet(of, size=1.0, **options):
    given = (np.float32(size) * x for x in (ANCHOR, POSITIVE, NEGATIVE))
    return float(of.triplet_margin_loss(*given, **options)[0])


def _unseen(of):
    """The distance of a vector whose every feature is masked."""
    return lambda x: of.cosine_distance(x, x, where=np.zeros(2, bool))


DIFFERENT = [
    # What differs: ours, optax's.
    ("a batch without a positive pair", lambda of: float(of.ntxent(jnp.eye(3), jnp.arange(3))), 0.0, np.nan),
    ("a degree of 1", lambda of: _triplet(of, norm_degree=1, margin=2.5, eps=0.0), 0.5, 6.5),
    ("an odd degree", lambda of: _triplet(of, norm_degree=3, margin=2.5, eps=0.0), 0.5, np.nan),
    ("differences whose squares overflow", lambda of: _triplet(of, 1e25, margin=4e25), 2e25, np.nan),
    (
        "the slope of two equal vectors",
        lambda of: jax.grad(lambda x: of.triplet_margin_loss(x, x, 0 * x, eps=0.0).sum())(jnp.zeros((1, 1))).item(),
        0.0,
        np.nan,
    ),
    (
        "an epsilon of vectors that are shorter",
        lambda of: float(of.cosine_similarity(jnp.full(1, 0.3), jnp.full(1, 0.3), epsilon=0.5)),
        0.36,
        0.18,  # their square is clipped, which is no length
    ),
    ("the distance of no feature", lambda of: float(_unseen(of)(jnp.ones(2))), 0.0, 1.0),
    ("and its slope", lambda of: float(jax.grad(_unseen(of))(jnp.ones(2))[0]), 0.0, np.nan),
]


@pytest.mark.parametrize(("what", "answer", "ours", "optaxs"), DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_what_differs_from_optax(what, answer, ours, optaxs):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(answer(jaxloss), ours, rtol=1e-6)
        np.testing.assert_allclose(answer(optax.losses), optaxs, rtol=1e-6)
