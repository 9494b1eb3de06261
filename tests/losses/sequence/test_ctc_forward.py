import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxloss
from tests.compiling import quick

FRAMES, CLASSES, BLANK = 4, 3, 2
WORDS = [(), (0,), (0, 0), (0, 1), (1, 0, 1)]


def _inputs(seed=0):
    x = np.random.default_rng(seed).normal(0, 2, (len(WORDS), FRAMES, CLASSES)).astype(np.float32)
    labels, paddings = np.zeros((len(WORDS), 3), np.int32), np.ones((len(WORDS), 3), np.float32)
    for i, word in enumerate(WORDS):
        labels[i, : len(word)], paddings[i, : len(word)] = word, 0
    return x, labels, paddings


def _enumerated(x, word, frames):
    """Sums over every path of the first frames, that end in the blank, and in the last label."""
    p = np.exp(np.float64(x))
    p /= p.sum(-1, keepdims=True)
    blank, label = 0.0, 0.0
    for path in itertools.product(range(CLASSES), repeat=frames):
        merged = tuple(k for k, _ in itertools.groupby(path) if k != BLANK)
        if merged == word:
            probability = np.prod([p[t, k] for t, k in enumerate(path)])
            blank, label = (blank + probability, label) if path[-1] == BLANK else (blank, label + probability)
    return blank, label


def _traced(x, labels, paddings, live=None, **options):
    return jaxloss.ctc_loss_with_forward_probs(x, live, labels, paddings, blank_id=BLANK, **options)


_compute = quick(_traced)


def test_the_forward_probabilities_are_those_of_every_path():
    x, labels, paddings = _inputs()
    _, of_blank, of_label = quick(partial(_traced, log_epsilon=-np.inf))(x, labels, paddings)
    assert [of_blank.shape, of_label.shape] == [(FRAMES, len(WORDS), 4), (FRAMES, len(WORDS), 3)]
    for i, word in enumerate(WORDS):
        for t, n in itertools.product(range(FRAMES), range(4)):
            blank, label = _enumerated(x[i], word[:n], t + 1) if n <= len(word) else (0, 0)
            blank += label if t == FRAMES - 1 else 0
            np.testing.assert_allclose(np.exp(of_blank[t, i, n]), blank, rtol=1e-5, err_msg=f"{word} {t} {n}")
            if n:
                np.testing.assert_allclose(np.exp(of_label[t, i, n - 1]), label, rtol=1e-5, err_msg=f"{word} {t} {n}")


def test_the_loss_is_that_of_ctc_loss_and_the_last_likelihood():
    x, labels, paddings = _inputs(1)
    loss, of_blank, _ = _compute(x, labels, paddings)
    np.testing.assert_array_equal(loss, quick(partial(jaxloss.ctc_loss, blank_id=BLANK))(x, None, labels, paddings))
    lengths = [len(word) for word in WORDS]
    np.testing.assert_allclose(of_blank[-1, np.arange(len(WORDS)), lengths], -loss, rtol=1e-5)


def test_values_and_gradients_are_those_of_optax():
    def run(loss, x, *others):
        total = lambda x: jnp.exp(loss(x, *others)[1]).sum()
        return loss(x, *others), jax.grad(total)(x)

    losses = jaxloss.ctc_loss_with_forward_probs, optax.losses.ctc_loss_with_forward_probs
    runs = [quick(partial(run, loss)) for loss in losses]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, labels = rng.normal(size=(3, 6, 5)).astype(np.float32), rng.integers(1, 5, (3, 2)).astype(np.int32)
        pads, paddings = np.float32(np.arange(6) >= rng.integers(4, 7, (3, 1))), np.zeros((3, 2), np.float32)
        (ours, slope), (theirs, expected) = (run(x, pads, labels, paddings) for run in runs)
        for a, b in zip(ours, theirs, strict=True):
            possible = b > -1e4
            np.testing.assert_allclose(np.where(possible, a, 0), np.where(possible, b, 0), rtol=1e-4, atol=1e-5)
            assert np.all(possible | (a == np.float32(-1e5)))
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-6)


def test_frames_that_do_not_count_are_inert_and_repeat_the_frame_before_them():
    x, labels, paddings = _inputs()
    live = np.float32(np.arange(FRAMES) == 2) * np.ones((len(WORDS), 1), np.float32)
    spoiled = np.where(live[..., None] > 0, np.float32(np.nan), x)
    _, of_blank, of_label = _compute(spoiled, labels, paddings, live)
    np.testing.assert_array_equal(of_blank[2], of_blank[1])
    np.testing.assert_array_equal(of_label[2], of_label[1])
    found = quick(jax.grad(lambda x: sum(a.sum() for a in _traced(x, labels, paddings, live))))(jnp.asarray(spoiled))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(np.any(found != 0, (0, 2)), [True, True, False, True])


def test_a_sequence_outside_the_domain_is_nan_alone_and_has_gradient_zero():
    x, labels, paddings = _inputs()
    labels[1, 0] = CLASSES
    results = _compute(x, labels, paddings)
    for result, axis in zip(results, (0, 1, 1), strict=True):
        others = tuple(i for i in range(result.ndim) if i != axis)
        np.testing.assert_array_equal(np.isnan(result).all(others), np.arange(len(WORDS)) == 1)
        np.testing.assert_array_equal(np.isnan(result).any(others), np.arange(len(WORDS)) == 1)
    slope = quick(jax.grad(lambda x: jnp.nansum(_traced(x, labels, paddings)[1])))(jnp.asarray(x))
    np.testing.assert_array_equal(np.any(slope != 0, (1, 2)), np.arange(len(WORDS)) != 1)
    assert np.isfinite(slope).all()


def test_one_sequence_an_empty_batch_no_frames_and_vmap():
    x, labels, paddings = _inputs()
    batch = _compute(x, labels, paddings)
    each = quick(jax.vmap(_traced))(x, labels, paddings)
    for a, b, axis in zip(batch, each, (0, 1, 1), strict=True):
        np.testing.assert_allclose(np.moveaxis(a, axis, 0), b, rtol=1e-6)
    for shape in ((0, 4), (2, 0)):
        empty = jaxloss.ctc_loss_with_forward_probs(jnp.zeros((*shape, 3)), None, jnp.zeros((shape[0], 2), int), None)
        assert [a.shape for a in empty] == [shape[:1], (shape[1], shape[0], 3), (shape[1], shape[0], 2)]


def test_what_cannot_be_is_refused_by_name():
    x, labels, paddings = _inputs()
    with pytest.raises(ValueError, match=r"ctc_loss_with_forward_probs: labels .* do not fit"):
        jaxloss.ctc_loss_with_forward_probs(x, None, labels[:2], paddings[:2])
    with pytest.raises(ValueError, match="ctc_loss_with_forward_probs: blank_id 3 is out of range"):
        jaxloss.ctc_loss_with_forward_probs(x, None, labels, paddings, blank_id=3)
