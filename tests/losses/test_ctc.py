import functools
import importlib.util
import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import optax
import pytest
from jax.experimental import checkify

import jaxloss
from tests import cases, ulp
from tests.cases import FRAME_COUNTS, LOGITS, SYMBOL_COUNTS, SYMBOLS, Case
from tests.compiling import jit

FRAMES, CLASSES = 5, 4


def forward(x, labels, frames, length, blank_id=0, zero_infinity=False, log_epsilon=None):
    """The recursion of Graves et al. over the labels with blanks around them."""
    length, frames = int(length), int(frames)
    word = [blank_id] + [k for label in labels[:length] for k in (int(label), blank_id)]
    alpha = [mp.mpf(1)] + [mp.mpf(0)] * (len(word) - 1)  # before the first frame: in front of the word
    first = True
    for row in x[:frames]:
        total = mp.fsum(mp.exp(v) for v in row)
        new = []
        for s, k in enumerate(word):
            if first:
                ways = mp.mpf(int(s < 2))
            else:
                skips = s > 1 and k != blank_id and word[s - 2] != k
                ways = alpha[s] + (alpha[s - 1] if s else 0) + (alpha[s - 2] if skips else 0)
            new.append(ways * mp.exp(row[k]) / total)
        alpha, first = new, False
    likelihood = mp.fsum(alpha[-2:])
    return -mp.log(likelihood) if likelihood else (mp.mpf(0) if zero_infinity else mp.inf)


def formula(x, labels, frames, lengths, blank_id=0, zero_infinity=False, log_epsilon=None):
    """The same for a batch in float64."""
    p = jax.nn.softmax(x)
    word = jnp.full((len(labels), 2 * labels.shape[1] + 1), blank_id).at[:, 1::2].set(labels)
    at = jnp.arange(word.shape[1])
    skips = jnp.pad((word[:, 2:] != blank_id) & (word[:, 2:] != word[:, :-2]), ((0, 0), (2, 0)))
    shifted = lambda a, n: jnp.pad(a, ((0, 0), (n, 0)))[:, : a.shape[1]]
    alpha = jnp.where(at < 2, 1.0, 0.0) * jnp.take_along_axis(p[:, 0], word, 1)
    for t in range(1, x.shape[1]):
        ways = alpha + shifted(alpha, 1) + jnp.where(skips, shifted(alpha, 2), 0)
        alpha = jnp.where(t < frames[:, None], ways * jnp.take_along_axis(p[:, t], word, 1), alpha)
    ends = (at == 2 * lengths[:, None]) | (at == 2 * lengths[:, None] - 1)
    return -jnp.log(jnp.sum(jnp.where(ends, alpha, 0), 1))


CASES = [
    Case(
        fn=jaxloss.ctc_loss,
        form=jaxloss.CTCLoss,
        arrays={
            # No offsets of hundreds: in them second derivatives that are taken twice in reverse lose their digits.
            "logits": replace(LOGITS, hard=lambda rng, shape, sizes: 3 * cases.normal(rng, shape)).over("...tc"),
            "labels": SYMBOLS,
            "logit_lengths": FRAME_COUNTS,
            "label_lengths": SYMBOL_COUNTS,
        },
        oracle=forward,
        formula=formula,
        least_classes=2,
        call={"logit_paddings": None, "label_paddings": None},
        options=options,
        bad_options={
            "blank_id": (-1, 0.5, "none"),
            "zero_infinity": ("no", 1, None),
            "log_epsilon": ("small",),
        },
    )
    for options in ({}, {"zero_infinity": True, "log_epsilon": -1e4})
]
# Any class may be the blank.
FIRST_FOUR = replace(SYMBOLS, draw=lambda rng, shape, sizes: rng.integers(0, 4, shape).astype(np.int32))
CASES += [replace(CASES[0], arrays={**CASES[0].arrays, "labels": FIRST_FOUR}, options={"blank_id": 4}, least_classes=5)]
SEQUENCES = [(), (1,), (3,), (1, 2), (2, 2), (1, 2, 1), (3, 3, 1), (1, 1, 1), (2, 1, 3, 1)]


@functools.cache
def alignments(labels, blank):
    """Every path of frames that says the labels, by enumeration."""
    paths = []
    for path in itertools.product(range(CLASSES), repeat=FRAMES):
        merged = [k for k, _ in itertools.groupby(path)]
        if tuple(k for k in merged if k != blank) == labels:
            paths.append(path)
    return paths


def oracle(x, labels, blank=0):
    """From the definition: the probability of every alignment, added up."""
    rows = [x[t * CLASSES : (t + 1) * CLASSES] for t in range(FRAMES)]
    p = [[mp.exp(v) for v in row] for row in rows]
    p = [[v / mp.fsum(row) for v in row] for row in p]
    likelihood = mp.fsum(mp.fprod(p[t][k] for t, k in enumerate(path)) for path in alignments(labels, blank))
    return -mp.log(likelihood) if likelihood else mp.inf


def grid(spread):
    rng = np.random.default_rng(int(10 * spread))
    return rng.uniform(-spread, spread, (len(SEQUENCES), FRAMES, CLASSES)).astype(np.float32)


def padded(sequences, length=4):
    labels = np.zeros((len(sequences), length), np.int32)
    paddings = np.ones((len(sequences), length), np.float32)
    for i, sequence in enumerate(sequences):
        labels[i, : len(sequence)], paddings[i, : len(sequence)] = sequence, 0
    return labels, paddings


def answers(x, sequences, direction, blank=0):
    labels, paddings = padded(sequences)

    @jax.jit
    def run(x):
        loss = lambda x: jaxloss.ctc_loss(x, jnp.zeros(x.shape[:2]), labels, paddings, blank_id=blank)
        gradient, curvature = jax.jvp(jax.grad(lambda x: loss(x).sum()), (x,), (direction,))
        return loss(x), gradient, curvature

    return map(np.asarray, run(x))


@pytest.mark.parametrize("spread", [0.5, 1, 5, 30])
def test_value_gradient_and_curvature_are_those_of_the_enumeration(spread):
    mp.mp.dps = ulp.DIGITS
    x = grid(spread)
    direction = np.random.default_rng(1).choice([-1.0, 0.5, 2.0], x[0].size).astype(np.float32)
    v = np.broadcast_to(direction.reshape(x[0].shape), x.shape)
    values, gradients, curvatures = answers(x, SEQUENCES, v)
    worst = {}
    for i, labels in enumerate(SEQUENCES):
        flat = [ulp.exact(a) for a in x[i].ravel()]
        f = lambda z, labels=labels: oracle(z, labels)
        record = lambda what, error, limit: worst.update({(labels, what): (error, limit)}) if error > limit else None
        record("value", ulp.ulps(values[i], f(flat)), 4)
        along = [ulp.exact(d) for d in direction]
        some = np.random.default_rng(i).choice(len(flat), 6, replace=False)
        for j in some:
            truth = ulp.first(f, flat, j)
            # The gradient is a softmax minus a posterior: the larger is its unit. That of the curvature is the same
            # times what the direction can change the logarithm of either by.
            p = mp.exp(flat[j]) / mp.fsum(mp.exp(a) for a in flat[j - j % CLASSES : j - j % CLASSES + CLASSES])
            unit = max(p, p - truth)
            limit = 8 if spread <= 1 else 512
            record(("gradient", j), ulp.ulps(gradients[i].ravel()[j], truth, unit), limit)
            truth = ulp.second(f, flat, j, along)
            unit *= mp.fsum(ulp.exact(d) for d in np.abs(v[0]).max(-1))
            record(("second", j), ulp.ulps(curvatures[i].ravel()[j], truth, unit), 16)
    assert not worst


def test_any_class_may_be_the_blank():
    mp.mp.dps = 30
    x = grid(1)[:3]
    values, _, _ = answers(x, [(0, 1), (0, 0), (2,)], x, blank=3)
    for i, labels in enumerate([(0, 1), (0, 0), (2,)]):
        np.testing.assert_allclose(values[i], float(oracle([ulp.exact(a) for a in x[i].ravel()], labels, 3)), rtol=1e-6)


def _inputs(seed=0, batch=6, frames=30, classes=7, length=8):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, (batch, frames, classes)).astype(np.float32)
    labels = rng.integers(1, classes, (batch, length)).astype(np.int32)
    return x, rng.integers(2 * frames // 3, frames + 1, batch), labels, rng.integers(0, length + 1, batch)


def _loss(x, frames, labels, lengths):
    frames, labels, lengths = map(jnp.asarray, (frames, labels, lengths))
    return jaxloss.CTCLoss(reduction="none")(x, labels, logit_lengths=frames, label_lengths=lengths)


_losses = jit(_loss)


@jit
def _with_slope(x, frames, labels, lengths):
    """The losses and the gradient of their sum."""
    losses, back = jax.vjp(lambda x: _loss(x, frames, labels, lengths), x)
    return losses, back(jnp.ones_like(losses))[0]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_values_and_gradients_are_torchs():
    import torch

    x, frames, labels, lengths = _inputs()
    theirs = torch.from_numpy(x).requires_grad_()
    arguments = (torch.from_numpy(a.astype(np.int64)) for a in (labels, frames, lengths))
    losses = torch.nn.functional.ctc_loss(theirs.log_softmax(-1).transpose(0, 1), *arguments, reduction="none")
    losses.sum().backward()
    values, slope = _with_slope(x, frames, labels, lengths)
    np.testing.assert_allclose(values, losses.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(slope, theirs.grad.numpy(), atol=3e-5)


def test_a_confident_alignment_costs_next_to_nothing_and_never_less():
    x = np.zeros((1, 3, 3), np.float32)
    x[0, [0, 1, 2], [0, 1, 0]] = 30  # blank, 1, blank
    (value,), slope = _with_slope(x, [3], [[1]], [1])
    others = 2 * np.exp(-30.0)
    assert value > 0
    # Not all that is not on the path is lost: the other frames may say 1 too.
    np.testing.assert_allclose(value, 3 * others - 2 * np.exp(-30.0), rtol=1e-5)
    assert np.abs(slope).max() < 1e-12
    far = np.where(x == 30, np.float32(300), x)
    assert _with_slope(far, [3], [[1]], [1])[0] == 0


def test_what_cannot_be_aligned_is_infinite_with_no_slope():
    x = np.random.default_rng(0).normal(size=(3, 3, 3)).astype(np.float32)
    x[2, :, 2] = -np.inf
    labels = np.array([[1, 1, 0], [1, 2, 1], [2, 0, 0]])
    frames, lengths = [2, 2, 3], [2, 3, 1]
    zeroed = jaxloss.CTCLoss(zero_infinity=True, reduction="none")

    @jit
    def run(x):
        losses = lambda x: _loss(x, frames, labels, lengths)
        derivatives = jax.jvp(jax.grad(lambda x: losses(x).sum()), (x,), (jnp.ones_like(x),))
        zeros = zeroed(x, labels, logit_lengths=np.array(frames), label_lengths=np.array(lengths))
        return losses(x), (*derivatives, zeros)

    losses, zeros = run(x)
    assert (losses == np.inf).all()
    for zero in zeros:
        assert not np.any(zero)


def test_a_logit_of_minus_infinity_that_no_label_needs_is_harmless():
    x = np.random.default_rng(0).normal(size=(1, 4, 4)).astype(np.float32)
    masked = x.copy()
    masked[..., 3] = -np.inf
    value, slope = _with_slope(masked, [4], [[1, 2]], [2])
    np.testing.assert_allclose(value, _losses(x[..., :3], [4], [[1, 2]], [2]), rtol=1e-6)
    assert np.isfinite(slope).all()
    assert not np.any(slope[..., 3])


def test_a_label_without_a_chance_in_the_first_frame_may_come_later():
    x = jnp.zeros((2, 3, 3)).at[0, 0, 1].set(-jnp.inf).at[1, 1].set(-jnp.inf)
    f = lambda x: jaxloss.ctc_loss(x, np.zeros((2, 3)), np.array([[1], [1]]), np.zeros((2, 1)))
    values, gradient = jit(lambda x: (f(x), jax.grad(lambda x: f(x).sum())(x)))(x)
    # Of 2 * 3 * 3 paths three say it; the second sequence has a frame without any finite logit.
    np.testing.assert_allclose(values, [np.log(18 / 3), np.inf], rtol=1e-6)
    np.testing.assert_allclose(np.sum(gradient, -1), 0, atol=1e-6)
    np.testing.assert_array_equal(gradient[1], 0)
    slope = lambda x: (jax.grad(lambda x: f(x)[0])(x) * jnp.arange(18.0).reshape(2, 3, 3)).sum()
    assert np.isfinite(jit(jax.grad(slope))(x)[0]).all()


def test_no_frames_at_all():
    x = np.zeros((2, 0, 3), np.float32)
    f = lambda x: jaxloss.ctc_loss(x, np.zeros((2, 0)), np.ones((2, 1), int), np.array([[0], [1]]))
    values, slope = jit(lambda x: (f(x), jax.grad(lambda x: f(x).sum())(x)))(x)
    np.testing.assert_array_equal(values, [np.inf, 0])
    assert slope.shape == x.shape


@pytest.mark.parametrize("planted", [np.nan, np.inf, -np.inf, 7.0])
def test_padded_frames_and_masked_sequences_are_inert(planted):
    x, _, labels, lengths = _inputs(batch=4, frames=12, length=3)
    dead = np.random.default_rng(1).uniform(size=(4, 12)) < 0.3  # anywhere
    where = np.array([True, False, True, True])
    label_paddings = (np.arange(3) >= lengths[:4, None]).astype(np.float32)

    @jit
    def run(x):
        losses = lambda x: jaxloss.ctc_loss(x, dead, labels, label_paddings, where=where)
        gradient = jax.grad(lambda x: losses(x).sum())
        twice = jax.grad(lambda x: jnp.sum(gradient(x) * jnp.cos(jnp.arange(x.size)).reshape(x.shape)))
        return losses(x), gradient(x), jax.jvp(gradient, (x,), (jnp.ones_like(x),))[1], twice(x)

    expected = run(x)
    out = dead | ~where[:, None]
    got = run(np.where(out[..., None], np.float32(planted), x))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(b).all()
    for derivative in expected[1:]:
        assert not np.any(np.asarray(derivative)[out])
    alive = np.argsort(dead, 1, stable=True)  # the frames that count first, and their number
    packed = _losses(np.take_along_axis(x, alive[..., None], 1), (~dead).sum(1), labels, lengths)
    np.testing.assert_allclose(expected[0][where], packed[where], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "share"), [((16, 200, 32, 40), 0.37), ((32, 500, 128, 100), 1 / 3), ((8, 1000, 1024, 200), 1 / 3)]
)
def test_a_third_of_the_memory_of_optax(shape, share):
    """Over few classes a little more: what a nearly certain sequence needs to be exact is held beside the walk."""
    batch, frames, classes, length = shape
    x = jax.ShapeDtypeStruct((batch, frames, classes), jnp.float32)
    labels = jax.ShapeDtypeStruct((batch, length), jnp.int32)
    paddings = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((batch, frames), (batch, length))]

    def temporaries(loss):
        step = jax.jit(jax.value_and_grad(lambda x, a, y, b: jnp.mean(loss(x, a, y, b))))
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            lowered = step.lower(x, paddings[0], labels, paddings[1])
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert temporaries(jaxloss.ctc_loss) <= share * temporaries(optax.losses.ctc_loss)


def test_the_posteriors_of_a_long_sequence_still_sum_to_one():
    # The sums on the way reach -2000, whose last digit is 1e-4: what each frame emits must not be off by as much.
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(2, 1000, 64)), rng.integers(1, 64, (2, 100))
    frames, length = np.zeros((2, 1000)), np.zeros((2, 100))
    gradient = jit(jax.grad(lambda x: jaxloss.ctc_loss(x, frames, labels, length).sum()))
    slopes = gradient(x.astype(np.float32))
    with jax.enable_x64(True):
        exact = gradient(np.asarray(x.astype(np.float32), np.float64))
    assert exact.dtype == np.float64
    np.testing.assert_allclose(slopes, exact, rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.sum(slopes, -1), 0, atol=5e-6)


def test_half_precision_is_computed_in_float32():
    x, frames, labels, lengths = _inputs()
    for kind in ("bfloat16", "float16"):
        half = x.astype(kind)
        losses, gradient = _with_slope(half, frames, labels, lengths)
        assert (losses.dtype, gradient.dtype) == (np.float32, half.dtype)
        np.testing.assert_allclose(losses, _losses(half.astype(np.float32), frames, labels, lengths), rtol=1e-6)


def test_labels_out_of_range_are_nan_and_an_error_under_checked():
    x, frames, labels, lengths = _inputs(batch=3, length=2)
    labels, lengths, paddings = labels.copy(), np.array([2, 2, 1]), np.zeros((3, 30), bool)
    labels[0, 1], labels[2, 1] = 7, -1  # the last is padding
    losses, slope = _with_slope(x, frames, labels, lengths)
    np.testing.assert_array_equal(np.isnan(losses), [True, False, False])
    np.testing.assert_array_equal(slope[0], 0)
    assert np.isfinite(slope).all()
    labels[0, 1] = 0
    assert np.isnan(_losses(x, frames, labels, lengths)[0]), "the blank is no label"
    error, _ = jit(checkify.checkify(jaxloss.checked(_loss)))(x, frames, labels, lengths)
    assert "labels must be from 0 to 6 and not the blank, 0" in error.get()
    left = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    ones = np.ones_like(labels)
    np.testing.assert_array_equal(np.isnan(jit(jaxloss.ctc_loss)(x, paddings, ones, left)), [True, False, False])


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (ValueError, ["logits (30,)", "two axes"], {"logits": np.zeros(30, np.float32)}),
        (ValueError, ["labels (5, 8)", "logits (6, 30, 7)"], {"labels": np.ones((5, 8), np.int32)}),
        (ValueError, ["labels (8,)"], {"labels": np.ones(8, np.int32)}),
        (TypeError, ["labels", "float32", "integers"], {"labels": np.ones((6, 8), np.float32)}),
        (TypeError, ["logits", "int32"], {"logits": np.zeros((6, 30, 7), np.int32)}),
        (ValueError, ["logit_paddings (6, 29)", "(6, 30)"], {"logit_paddings": np.zeros((6, 29))}),
        (ValueError, ["label_paddings (6, 7)", "(6, 8)"], {"label_paddings": np.zeros((6, 7))}),
        (ValueError, ["blank_id 7", "7 classes"], {"blank_id": 7}),
        (ValueError, ["blank_id", "-1"], {"blank_id": -1}),
        (TypeError, ["blank_id", "0.5"], {"blank_id": 0.5}),
        (ValueError, ["where (5,)"], {"where": np.ones(5, bool)}),
    ],
)
def test_bad_input_is_refused(error, words, change):
    x, _, labels, _ = _inputs()
    arguments = {"logits": x, "logit_paddings": np.zeros((6, 30)), "labels": labels, "label_paddings": np.zeros((6, 8))}
    with pytest.raises(error) as raised:
        jax.eval_shape(partial(jaxloss.ctc_loss, **{**arguments, **change}))
    for word in ("ctc_loss", *words):
        assert word in str(raised.value)


def test_the_class_form_takes_lengths_or_paddings():
    x, frames, labels, lengths = _inputs()
    loss = jaxloss.CTCLoss()
    paddings = {"logit_paddings": np.arange(30) >= frames[:, None], "label_paddings": np.arange(8) >= lengths[:, None]}

    @jit
    def run(x):
        by_lengths = loss(x, labels, logit_lengths=frames, label_lengths=lengths)
        return by_lengths, loss(x, labels, **paddings), loss(x, labels), loss.total(x, labels, **paddings)

    by_lengths, by_paddings, of_all, (numerator, denominator) = run(x)
    np.testing.assert_allclose(by_lengths, _losses(x, frames, labels, lengths).mean(), rtol=1e-6)
    np.testing.assert_allclose(by_paddings, by_lengths, rtol=1e-6)
    np.testing.assert_allclose(of_all, _losses(x, [30] * 6, labels, [8] * 6).mean(), rtol=1e-6)
    np.testing.assert_allclose(numerator / denominator, by_lengths, rtol=1e-6)
    for error, wrong in (
        (ValueError, {"logit_lengths": frames, **paddings}),
        (ValueError, {"label_lengths": lengths[:5]}),
        (TypeError, {"label_lengths": 1.0 * lengths}),
    ):
        with pytest.raises(error, match="ctc_loss"):
            loss(x, labels, **wrong)


def _likelihood(x, labels):
    """The probability of each label sequence, and that of it and each class in each frame, at 80 digits."""
    frames, classes = len(x), len(x[0])
    p = [[mp.exp(v) for v in row] for row in x]
    p = [[v / mp.fsum(row) for v in row] for row in p]
    joint = [[mp.mpf(0)] * classes for _ in range(frames)]
    for path in itertools.product(range(classes), repeat=frames):
        if tuple(k for k, _ in itertools.groupby(path) if k) == labels:
            term = mp.fprod(p[t][k] for t, k in enumerate(path))
            for t, k in enumerate(path):
                joint[t][k] += term
    total = mp.fsum(joint[0])
    return total, [[a - b / total for a, b in zip(*rows, strict=True)] for rows in zip(p, joint, strict=True)]


def _said(path):
    return tuple(k for k, _ in itertools.groupby(path) if k)


def test_a_label_sequence_that_is_nearly_certain_keeps_every_digit():
    """Value, gradient and curvature, where each frame is certain, and where one of them may be of two classes."""
    mp.mp.dps = 80
    rng = np.random.default_rng(7)
    rows = []
    for frames, classes, gap in itertools.product(range(1, 6), (2, 3, 4), (1, 4, 9, 17, 30, 60)):
        path = rng.integers(0, classes, frames)
        x = rng.uniform(-1, 1, (frames, classes))
        x[np.arange(frames), path] += gap
        doubtful = rng.integers(0, frames)  # a frame that may say what the one before or after it says, or not
        x[doubtful, path[doubtful - 1]] += gap * rng.integers(0, 2) * (path[doubtful - 1] != path[doubtful])
        rows.append((x.astype(np.float32), _said(path)))
    longest = max(len(labels) for _, labels in rows)
    logits = np.zeros((len(rows), 5, 4), np.float32)
    logits[..., 1:] = -np.inf  # of classes that a row has not
    labels, direction = np.zeros((len(rows), longest), np.int32), rng.choice([-1, 0.5, 2], logits.shape)
    for i, (x, said) in enumerate(rows):
        logits[i, : len(x), : x.shape[1]], labels[i, : len(said)] = x, said
    lengths = np.array([len(x) for x, _ in rows]), np.array([len(said) for _, said in rows])

    @jax.jit
    def run(x):
        loss = lambda x: _loss(x, lengths[0], labels, lengths[1])
        gradient, curvature = jax.jvp(jax.grad(lambda x: loss(x).sum()), (x,), (jnp.float32(direction),))
        return loss(x), jax.value_and_grad(lambda x: loss(x).sum())(x)[1], gradient, curvature

    values, of_values, gradients, curvatures = map(np.asarray, run(logits))
    h = mp.mpf(10) ** -30
    for i, (x, said) in enumerate(rows):
        exact = [[ulp.exact(v) for v in row] for row in x]
        d = [[ulp.exact(v) for v in row[: x.shape[1]]] for row in direction[i, : len(x)]]
        moved = [[a + h * b for a, b in zip(*pair, strict=True)] for pair in zip(exact, d, strict=True)]
        (total, slope), (_, further) = _likelihood(exact, said), _likelihood(moved, said)
        value = -mp.log(total)
        what = f"{x.shape} {said} {float(value)}"
        if value < 1e-30:
            continue  # products of such probabilities are not all numbers of float32
        # The difference of two logits 60 apart is rounded to 2e-6, 32 units in its exponential, twice that in products.
        assert ulp.ulps(values[i], value) < 64, what
        first = np.array([[float(v) for v in row] for row in slope])
        second = np.array(
            [[float((b - a) / h) for a, b in zip(*pair, strict=True)] for pair in zip(slope, further, strict=True)]
        )
        place = (i, slice(len(x)), slice(x.shape[1]))
        for got in (gradients, of_values):
            np.testing.assert_allclose(got[place], first, rtol=0, atol=8e-6 * np.abs(first).max(), err_msg=what)
        np.testing.assert_allclose(
            curvatures[place], second, rtol=0, atol=8e-6 * max(np.abs(first).max(), np.abs(second).max()), err_msg=what
        )


def test_a_length_that_cannot_be_is_nan_without_a_slope_and_an_error_under_checked():
    x, _, labels, _ = _inputs(batch=6, frames=5, length=3)
    frames, lengths = np.array([5, 6, -1, 5, 5, 0]), np.array([3, 3, 3, 4, -3, 0])
    where = np.array([True, False] * 3)

    @jit
    def run(x, frames, lengths, where):
        loss = lambda x, **o: jaxloss.ctc_loss(x, None, labels, None, logit_lengths=frames, label_lengths=lengths, **o)
        after = lambda x: 1024 * jnp.where(jnp.isnan(loss(x)), 0, loss(x)).sum()
        error, masked = checkify.checkify(jaxloss.checked(loss))(x, where=where)
        return loss(x), jax.grad(after)(x), masked, error

    losses, slope, masked, error = run(x, frames, lengths, where)
    np.testing.assert_array_equal(np.isnan(losses), [False, True, True, True, True, False])
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(np.any(slope, (1, 2)), [True, False, False, False, False, False])
    np.testing.assert_array_equal(np.isnan(masked), [False, False, True, False, True, False])
    assert "ctc_loss: logit_lengths must be from 0 to 5" in error.get()
    *_, error = run(x, np.maximum(frames, 0), lengths, where)
    assert "ctc_loss: label_lengths must be from 0 to 3" in error.get()
    *_, error = run(x, np.maximum(frames, 0), lengths, lengths == 3)
    assert "logit_lengths" in error.get()
    *_, error = run(x, frames, lengths, frames == 5)
    assert "label_lengths" in error.get()
    *_, error = run(x, frames, lengths, np.array([True, False, False, False, False, True]))
    assert error.get() is None


def test_lengths_are_paddings_by_another_name_and_structure_is_checked():
    x, frames, labels, lengths = _inputs()
    padded = np.arange(30) >= frames[:, None], np.arange(8) >= lengths[:, None]
    by_paddings = jit(lambda x: jaxloss.ctc_loss(x, padded[0], labels, padded[1]))(x)
    by_lengths = jaxloss.ctc_loss(x, None, labels, None, logit_lengths=frames, label_lengths=lengths)
    np.testing.assert_allclose(by_lengths, by_paddings, rtol=1e-6)
    with pytest.raises(ValueError, match="zero_infinity must be one of False, True, got 'no'"):
        jaxloss.ctc_loss(x, None, labels, None, zero_infinity="no")


def test_a_second_eager_call_compiles_nothing():
    from tests.fused.test_programs import compilations

    x, frames, labels, lengths = _inputs(batch=2, frames=6, length=2)
    f = lambda x: _loss(x, np.minimum(frames, 6), labels, np.minimum(lengths, 2)).sum()
    x = jnp.asarray(x)
    for call in (lambda: f(x), lambda: jax.value_and_grad(f)(x), lambda: jax.jvp(f, (x,), (x,))):
        call()
        assert not compilations(call)


def test_any_number_of_sequences_frames_classes_and_labels_is_one_artifact():
    x, _, labels, _ = _inputs(batch=3, frames=9, length=3)
    paddings = np.zeros((3, 9), np.float32), np.zeros((3, 3), np.float32)
    step = jax.jit(lambda x, a, y, c: jax.value_and_grad(lambda x: jaxloss.ctc_loss(x, a, y, c).mean())(x))
    scope = jax.export.SymbolicScope()
    shapes = [jax.export.symbolic_shape(shape, scope=scope) for shape in ("b, t, k", "b, t", "b, s", "b, s")]
    dtypes = np.float32, np.float32, np.int32, np.float32
    arguments = [jax.ShapeDtypeStruct(*pair) for pair in zip(shapes, dtypes, strict=True)]
    got = jax.export.export(step)(*arguments).call(x, paddings[0], labels, paddings[1])
    for a, e in zip(got, step(x, paddings[0], labels, paddings[1]), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6, atol=1e-7)


def test_valid_input_makes_no_nan_on_the_way():
    x, frames, labels, lengths = _inputs(batch=3, frames=9, length=3)
    x[0, -1], x[1, 2, 6], x[2, 3] = np.nan, -np.inf, 80 * (np.arange(7) == 0)
    frames, lengths = np.array([8, 9, 9]), np.array([0, 3, 2])
    step = jax.value_and_grad(lambda x: _loss(x, frames, np.maximum(labels % 6, 1), lengths).sum())
    x = jnp.asarray(x)
    with jax.debug_nans(True):
        for run in (step, jit(step)):
            assert all(np.isfinite(leaf).all() for leaf in run(x))
