import functools
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
from tests.compiling import optimized, quick

FRAMES, CLASSES = 5, 4
compiled = optimized if cases.EVERY else quick  # its recursion takes long to compile


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
            # Without extremes: an alignment of a log-probability below log_epsilon is impossible.
            "logits": replace(LOGITS, hard=lambda rng, shape, sizes: 3 * cases.normal(rng, shape), extremes=()).over(
                "...tc"
            ),
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


SPREADS = 0.5, 1, 5, 30


def grid(spread):
    rng = np.random.default_rng(int(10 * spread))
    return rng.uniform(-spread, spread, (len(SEQUENCES), FRAMES, CLASSES)).astype(np.float32)


def padded(sequences, length=4):
    labels = np.zeros((len(sequences), length), np.int32)
    paddings = np.ones((len(sequences), length), np.float32)
    for i, sequence in enumerate(sequences):
        labels[i, : len(sequence)], paddings[i, : len(sequence)] = sequence, 0
    return labels, paddings


def test_value_gradient_and_curvature_are_those_of_the_enumeration():
    """Whose likelihood is the recursion's of Graves et al., so that this, which is faster, is differentiated."""
    mp.mp.dps = ulp.DIGITS
    sequences = SEQUENCES * len(SPREADS)
    x, (labels, paddings) = np.concatenate([grid(spread) for spread in SPREADS]), padded(sequences)
    direction = np.random.default_rng(1).choice([-1.0, 0.5, 2.0], x[0].size).astype(np.float32)
    v = np.broadcast_to(direction.reshape(x[0].shape), x.shape)

    @quick
    def run(x):
        loss = lambda x: jaxloss.ctc_loss(x, jnp.zeros(x.shape[:2]), labels, paddings)
        return loss(x), *jax.jvp(jax.grad(lambda x: loss(x).sum()), (x,), (v,))

    values, gradients, curvatures = map(np.asarray, run(x))
    worst = {}
    for i, said in enumerate(sequences):
        spread = SPREADS[i // len(SEQUENCES)]
        flat = [ulp.exact(a) for a in x[i].ravel()]
        rows = lambda z: [z[t * CLASSES : (t + 1) * CLASSES] for t in range(FRAMES)]
        f = lambda z, said=said: forward(rows(z), said, FRAMES, len(said))
        truth = f(flat)
        enumerated = oracle(flat, said)
        assert truth == enumerated or abs(truth - enumerated) < mp.mpf(10) ** -80
        record = lambda what, error, limit: worst.update({(i, what): (error, limit)}) if error > limit else None
        record("value", ulp.ulps(values[i], truth), 4)
        along = [ulp.exact(d) for d in direction]
        some = np.random.default_rng(i % len(SEQUENCES)).choice(len(flat), 6, replace=False)
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
    x, sequences = grid(1)[:3], [(0, 1), (0, 0), (2,)]
    labels, paddings = padded(sequences)
    values = quick(lambda x: jaxloss.ctc_loss(x, jnp.zeros(x.shape[:2]), labels, paddings, blank_id=3))(x)
    for i, said in enumerate(sequences):
        np.testing.assert_allclose(values[i], float(oracle([ulp.exact(a) for a in x[i].ravel()], said, 3)), rtol=1e-6)


def _inputs(seed=0, batch=6, frames=30, classes=7, length=8):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, (batch, frames, classes)).astype(np.float32)
    labels = rng.integers(1, classes, (batch, length)).astype(np.int32)
    return x, rng.integers(2 * frames // 3, frames + 1, batch), labels, rng.integers(0, length + 1, batch)


def _loss(x, frames, labels, lengths):
    frames, labels, lengths = map(jnp.asarray, (frames, labels, lengths))
    return jaxloss.CTCLoss(reduction="none")(x, labels, logit_lengths=frames, label_lengths=lengths)


_losses = quick(_loss)


@quick
def _with_slope(x, frames, labels, lengths):
    """The losses and the gradient of their sum."""
    losses, back = jax.vjp(lambda x: _loss(x, frames, labels, lengths), x)
    return losses, back(jnp.ones_like(losses))[0]


def test_sequences_at_special_points():
    """Sequences of three or four frames and classes in one batch; a class that a sequence lacks has logit -inf."""
    inf, rng = np.inf, np.random.default_rng(0)
    x = np.full((8, 4, 4), -inf, np.float32)
    # A confident alignment: blank, 1, blank; and one whose loss is less than the smallest number.
    x[:2, :3, :3] = 0
    x[0, [0, 1, 2], [0, 1, 0]], x[1, [0, 1, 2], [0, 1, 0]] = 30, 300
    # Labels without an alignment: 1, 1 and 1, 2, 1 in two frames, and a label that is impossible in every frame.
    x[2:5, :3, :3] = rng.normal(size=(3, 3, 3))
    x[4, :, 2] = -inf
    # A class of minus infinity that no label needs.
    x[5, :, :3] = rng.normal(size=(4, 3))
    # A label without a chance in the first frame, and a frame without any finite logit.
    x[6:, :3, :3] = 0
    x[6, 0, 1], x[7, 1] = -inf, -inf
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 2, 1], [2, 0, 0], [1, 2, 0], [1, 0, 0], [1, 0, 0]])
    frames, lengths = np.array([3, 3, 2, 2, 3, 4, 3, 3]), np.array([1, 1, 2, 3, 1, 2, 1, 1])
    zeroed = jaxloss.CTCLoss(zero_infinity=True, reduction="none")

    @quick
    def run(x):
        losses = lambda x: _loss(x, frames, labels, lengths)
        gradient = jax.grad(lambda x: losses(x).sum())
        weighed = lambda x: (gradient(x) * jnp.arange(16.0).reshape(1, 4, 4)).sum()
        bent = jax.jvp(gradient, (x,), (jnp.ones_like(x),))[1]
        short = _loss(x[5:6, :, :3], frames[5:6], labels[5:6], lengths[5:6])
        return (
            losses(x),
            gradient(x),
            bent,
            jax.grad(weighed)(x),
            zeroed(x, labels, logit_lengths=frames, label_lengths=lengths),
            short,
        )

    values, slopes, bent, twice, zeros, short = map(np.asarray, run(x))
    # Not all that is not on the path is lost: the other frames may say 1 too.
    others = 2 * np.exp(-30.0)
    assert values[0] > 0
    np.testing.assert_allclose(values[0], 3 * others - 2 * np.exp(-30.0), rtol=1e-5)
    assert np.abs(slopes[0]).max() < 1e-12
    assert values[1] == 0
    impossible = [2, 3, 4, 7]
    assert (values[impossible] == inf).all()
    for zero in (slopes, bent, zeros):
        assert not np.any(zero[impossible])
    np.testing.assert_allclose(values[5], short[0], rtol=1e-6)
    assert np.isfinite(slopes).all()
    assert not np.any(slopes[5, :, 3])
    # Of 2 * 3 * 3 paths three say it.
    np.testing.assert_allclose(values[6], np.log(18 / 3), rtol=1e-6)
    np.testing.assert_allclose(np.sum(slopes, -1), 0, atol=1e-6)
    assert np.isfinite(twice[np.isfinite(values)]).all()


def test_no_frames_at_all():
    x = np.zeros((2, 0, 3), np.float32)
    f = lambda x: jaxloss.ctc_loss(x, np.zeros((2, 0)), np.ones((2, 1), int), np.array([[0], [1]]))
    values, slope = quick(lambda x: (f(x), jax.grad(lambda x: f(x).sum())(x)))(x)
    np.testing.assert_array_equal(values, [np.inf, 0])
    assert slope.shape == x.shape


def test_padded_frames_and_masked_sequences_are_inert():
    x, _, labels, lengths = _inputs(batch=4, frames=12, length=3)
    dead = np.random.default_rng(1).uniform(size=(4, 12)) < 0.3  # anywhere
    where = np.array([True, False, True, True])
    label_paddings = (np.arange(3) >= lengths[:4, None]).astype(np.float32)

    @quick
    def run(x):
        losses = lambda x: jaxloss.ctc_loss(x, dead, labels, label_paddings, where=where)
        gradient = jax.grad(lambda x: losses(x).sum())
        bent = jax.jvp(gradient, (x,), (jnp.ones_like(x),))[1]
        if not cases.EVERY:
            return losses(x), gradient(x), bent
        twice = jax.grad(lambda x: jnp.sum(gradient(x) * jnp.cos(jnp.arange(x.size)).reshape(x.shape)))
        return losses(x), gradient(x), bent, twice(x)

    expected = run(x)
    out = dead | ~where[:, None]
    for planted in (np.nan, np.inf, -np.inf, 7.0):
        got = run(np.where(out[..., None], np.float32(planted), x))
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"{planted}")
            assert np.isfinite(b).all()
    for derivative in expected[1:]:
        assert not np.any(np.asarray(derivative)[out])
    alive = np.argsort(dead, 1, stable=True)  # the frames that count first, and their number
    packed = _losses(np.take_along_axis(x, alive[..., None], 1), (~dead).sum(1), labels, lengths)
    np.testing.assert_allclose(expected[0][where], packed[where], rtol=1e-6)


SHAPES = [((32, 500, 128, 100), 1 / 3), ((16, 200, 32, 40), 0.37), ((8, 1000, 1024, 200), 1 / 3)]


@pytest.mark.parametrize(("shape", "share"), SHAPES if cases.EVERY else SHAPES[:1])
def test_a_third_of_the_memory_of_optax(shape, share):
    """Over few classes a little more: what a nearly certain sequence needs to be exact is held beside the walk."""
    batch, frames, classes, length = shape
    x = jax.ShapeDtypeStruct((batch, frames, classes), jnp.float32)
    labels = jax.ShapeDtypeStruct((batch, length), jnp.int32)
    paddings = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((batch, frames), (batch, length))]

    def temporaries(loss):
        step = optimized(jax.value_and_grad(lambda x, a, y, b: jnp.mean(loss(x, a, y, b))))
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            lowered = step.lower(x, paddings[0], labels, paddings[1])
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert temporaries(jaxloss.ctc_loss) <= share * temporaries(optax.losses.ctc_loss)


def test_the_posteriors_of_a_long_sequence_still_sum_to_one():
    # The sums on the way reach -2000, whose last digit is 1e-4: what each frame emits must not be off by as much.
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(2, 1000, 64)), rng.integers(1, 64, (2, 100))
    frames, length = np.zeros((2, 1000)), np.zeros((2, 100))
    gradient = quick(jax.grad(lambda x: jaxloss.ctc_loss(x, frames, labels, length).sum()))
    slopes = gradient(x.astype(np.float32))
    with jax.enable_x64(True):
        exact = gradient(np.asarray(x.astype(np.float32), np.float64))
    assert exact.dtype == np.float64
    np.testing.assert_allclose(slopes, exact, rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.sum(slopes, -1), 0, atol=5e-6)


def test_the_blank_is_no_label_and_padding_may_hold_any():
    """Labels out of range, which are nan too, are in tests/sweeps/test_errors.py."""
    x, frames, labels, _ = _inputs(batch=3, frames=5, length=2)
    labels, lengths = labels.copy(), np.array([2, 2, 1])
    labels[0, 1], labels[2, 1] = 0, -1  # the last is padding
    left = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])

    @quick
    def run(x, labels):
        slope = jax.grad(lambda x: _loss(x, frames, labels, lengths).sum())(x)
        error, losses = checkify.checkify(jaxloss.checked(_loss))(x, frames, labels, lengths)
        by_paddings = jaxloss.ctc_loss(x, np.zeros((3, 5), bool), np.ones((3, 2), np.int32), left)
        return error, losses, slope, by_paddings

    error, losses, slope, by_paddings = run(x, labels)
    assert "labels must be from 0 to 6 and not the blank, 0" in error.get()
    np.testing.assert_array_equal(np.isnan(losses), [True, False, False])
    np.testing.assert_array_equal(slope[0], 0)
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(np.isnan(by_paddings), [True, False, False])


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (ValueError, ["logits (30,)", "two axes"], {"logits": np.zeros(30, np.float32)}),
        (ValueError, ["labels (8,)"], {"labels": np.ones(8, np.int32)}),
        (TypeError, ["labels", "float32", "integers"], {"labels": np.ones((6, 8), np.float32)}),
        (ValueError, ["logit_paddings (6, 29)", "(6, 30)"], {"logit_paddings": np.zeros((6, 29))}),
        (ValueError, ["label_paddings (6, 7)", "(6, 8)"], {"label_paddings": np.zeros((6, 7))}),
        (ValueError, ["blank_id 7", "7 classes"], {"blank_id": 7}),
    ],
)
def test_bad_input_is_refused(error, words, change):
    x, _, labels, _ = _inputs()
    arguments = {"logits": x, "logit_paddings": np.zeros((6, 30)), "labels": labels, "label_paddings": np.zeros((6, 8))}
    with pytest.raises(error) as raised:
        jax.eval_shape(partial(jaxloss.ctc_loss, **{**arguments, **change}))
    for word in ("ctc_loss", *words):
        assert word in str(raised.value)


def test_function_and_form_take_lengths_or_paddings():
    x, frames, labels, lengths = _inputs()
    loss = jaxloss.CTCLoss()
    paddings = {"logit_paddings": np.arange(30) >= frames[:, None], "label_paddings": np.arange(8) >= lengths[:, None]}
    of_lengths = {"logit_lengths": frames, "label_lengths": lengths}

    @quick
    def run(x):
        each = jaxloss.ctc_loss(x, None, labels, None, **of_lengths), jaxloss.ctc_loss(x, labels=labels, **paddings)
        all_of_them = _loss(x, [30] * 6, labels, [8] * 6)
        reduced = [loss(x, labels, **how) for how in (of_lengths, paddings, {})]
        return each, all_of_them, reduced, loss.total(x, labels, **paddings)

    (each, by_paddings), all_of_them, reduced, (numerator, denominator) = run(x)
    np.testing.assert_allclose(by_paddings, each, rtol=1e-6)
    means = [each.mean(), each.mean(), all_of_them.mean()]
    np.testing.assert_allclose(reduced, means, rtol=1e-6)
    np.testing.assert_allclose(numerator / denominator, means[0], rtol=1e-6)
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

    @compiled
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


def test_any_number_of_sequences_frames_classes_and_labels_is_one_artifact():
    """With the labels, which tests/sweeps/test_export.py leaves as they are; it calls what is exported."""
    step = jax.jit(lambda x, a, y, c: jax.value_and_grad(lambda x: jaxloss.ctc_loss(x, a, y, c).mean())(x))
    scope = jax.export.SymbolicScope()
    shapes = [jax.export.symbolic_shape(shape, scope=scope) for shape in ("b, t, k", "b, t", "b, s", "b, s")]
    dtypes = np.float32, np.float32, np.int32, np.float32
    arguments = [jax.ShapeDtypeStruct(*pair) for pair in zip(shapes, dtypes, strict=True)]
    exported = jax.export.export(step)(*arguments)
    assert [a.shape for a in exported.out_avals] == [(), shapes[0]]
    if cases.EVERY:
        x, _, labels, _ = _inputs(batch=3, frames=9, length=3)
        paddings = np.zeros((3, 9), np.float32), np.zeros((3, 3), np.float32)
        got = exported.call(x, paddings[0], labels, paddings[1])
        for a, e in zip(got, step(x, paddings[0], labels, paddings[1]), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-6, atol=1e-7)
