"""Keras' CTC: alignments, labels, masks of frames."""

import itertools

import jax
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.compiling import quick


def test_sequences_with_labels_out_of_range_are_nan():
    sequences = np.array([[1, 2], [1.5, 2], [1, np.nan], [4, 0]], np.float32)
    unaligned = np.isnan(quick(ours.ctc)(sequences, np.zeros((4, 5, 4), np.float32)))
    np.testing.assert_array_equal(unaligned, [False, True, True, True])


def test_ctc_is_infinite_where_nothing_aligns_and_never_negative():
    logits = np.random.default_rng(0).normal(size=(1, 2, 4)).astype(np.float32)
    value, slope = quick(jax.value_and_grad(lambda p: ours.ctc(np.array([[1, 1, 0]]), p).sum()))(logits)
    assert value == np.inf
    assert not np.any(slope)


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

    @quick
    def answers(x):
        run = lambda x: ours.ctc(labels, x).sum()
        differences = jax.vmap(lambda d: run(x + d) - run(x - d))(step)
        return jax.value_and_grad(run)(x), differences / 0.02, ours.ctc([[1, 3]], x)

    # A sequence is as long as it has labels above 0: three here.
    (value, slope), differences, beyond = answers(logits)
    np.testing.assert_allclose(value, -np.log(total), rtol=1e-5)
    np.testing.assert_allclose(slope.ravel(), differences, atol=2e-4)
    assert np.isnan(beyond).all()


def test_a_mask_of_frames_is_their_number_to_ctc():
    rng = np.random.default_rng(0)
    t, p = np.array([[1, 2, 1], [2, 0, 0]]), rng.normal(size=(2, 6, 4)).astype(np.float32)
    frames = np.arange(6) < np.array([[4], [6]])
    planted = np.where(frames[..., None], p, np.nan)
    # A mask of as many frames as there are labels is not one of the labels.
    same = np.array([[1, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]])

    @quick
    def answers(planted, p):
        return {
            "masked": jax.value_and_grad(lambda p: ours.CTC(reduction="sum")(t, p, mask=frames))(planted),
            "cut": [ours.ctc(t[:1], p[:1, :4])[0], ours.ctc(t[1:], p[1:])[0]],
            "same": (ours.CTC(reduction=None)(same, p, mask=frames)[0], ours.ctc(same[:1], p[:1, :4])[0]),
            "no frame": ours.CTC()(t, p, mask=frames & np.array([[True], [False]])),
        }

    got = answers(planted, p)
    value, slope = got["masked"]
    np.testing.assert_allclose(value, sum(got["cut"]), rtol=1e-6)
    assert np.isfinite(slope).all()
    assert (slope[0, 4:] == 0).all()
    np.testing.assert_allclose(*got["same"], rtol=1e-6)
    # A sequence of no frame does not count.
    np.testing.assert_allclose(got["no frame"], got["cut"][0], rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 5), (2, 6, 4)])
def test_a_mask_of_frames_that_does_not_fit_says_so(shape):
    with pytest.raises(ValueError, match=r"CTC: mask .*frames \(2, 6\)"):
        ours.CTC()(np.ones((2, 3), np.int32), np.zeros((2, 6, 4), np.float32), mask=np.ones(shape, bool))
