"""Classes and tokens that do not count in the fused last layer: padding, ignored labels, weights of 0."""

from functools import partial

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxloss
from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests import cases
from tests.compiling import quick
from tests.fused.layers import ASKED

MODES = {"dense": None, "fast": 4, "low_memory": 5}
TOKENS, WIDTH, CLASSES, LIVE = 12, 4, 16, 11


def _inputs():
    rng = np.random.default_rng(0)
    layer = [rng.normal(size=shape) for shape in ((TOKENS, WIDTH), (WIDTH, CLASSES), (CLASSES,))]
    weights = [rng.uniform(0.5, 2, n) for n in (CLASSES, TOKENS)]
    return *map(np.float32, layer + weights), rng.integers(0, LIVE, TOKENS).astype(np.int32)


HIDDEN, KERNEL, BIAS, CLASS_WEIGHTS, WEIGHTS, LABELS = _inputs()
OPTIONS = {"label_smoothing": 0.1, "z_loss": 1e-2, "logit_cap": 3.0}
LAYER = HIDDEN, KERNEL, BIAS, CLASS_WEIGHTS
PADDED = np.arange(CLASSES) >= LIVE
LIVE_CLASSES = np.roll(~PADDED, 2)  # in the middle of the kernel, so that either end is padding
PLACES = np.flatnonzero(LIVE_CLASSES)


def loss(x, w, b, class_weights, t=LABELS, **options):
    return linear_softmax_cross_entropy(x, w, t, bias=b, class_weights=class_weights, **OPTIONS, **options)


def spread(array, fill, axis=-1):
    """The values of the live classes, at their places among all classes."""
    shape = list(array.shape)
    shape[axis] = CLASSES
    out = np.full(shape, fill, array.dtype)
    out[(..., PLACES)] = array
    return out


@pytest.mark.parametrize("mode", MODES if cases.EVERY else ASKED)
def test_a_padded_vocabulary_is_the_vocabulary_without_its_padding(mode):
    """Values and slopes, whatever stands in the padding; and a token whose label is padding does not count."""
    own = [HIDDEN, *(a[..., :LIVE] for a in LAYER[1:])]
    how = {"mode": mode, "chunk_size": MODES[mode]}
    counts = np.arange(TOKENS) % 5 > 0
    labels = np.where(counts, PLACES[LABELS], 0)  # class 0 is padding
    assert not LIVE_CLASSES[0]

    def of_all(x, w, b, c):
        return loss(x, w, b, c, labels, class_mask=LIVE_CLASSES, **how)

    def of_live(x, w, b, c):
        return loss(x, w, b, c, LABELS, where=counts, **how)

    program = quick(jax.value_and_grad(of_all, (0, 1, 2, 3)))
    expected, slopes = quick(jax.value_and_grad(of_live, (0, 1, 2, 3)))(*own)
    for planted in (0.0, 1e30, np.inf, np.nan):
        value, of = program(HIDDEN, *(spread(a, planted) for a in own[1:]))
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_allclose(of[0], slopes[0], atol=1e-7)
        for got, slope in zip(of[1:], slopes[1:], strict=True):
            np.testing.assert_allclose(got, spread(np.asarray(slope), 0), atol=2e-7)


@pytest.mark.parametrize("mode", ["dense", "low_memory"] if cases.EVERY else ["low_memory"])
def test_the_log_partition_function_leaves_padding_out(mode):
    pair = partial(linear_logsumexp_and_target, mode=mode, chunk_size=MODES[mode], logit_cap=3.0)
    masked = spread(KERNEL[:, :LIVE], np.nan), np.where(np.arange(TOKENS) == 2, 0, PLACES[LABELS])

    @quick
    def run():
        of_live = pair(HIDDEN, KERNEL[:, :LIVE], LABELS, bias=BIAS[:LIVE])
        return pair(HIDDEN, *masked, bias=spread(BIAS[:LIVE], np.nan), class_mask=LIVE_CLASSES), of_live

    (lse, target), expected = run()
    counts = np.arange(TOKENS) != 2
    np.testing.assert_allclose(lse, np.where(counts, expected[0], 0), rtol=1e-6)
    np.testing.assert_allclose(target, np.where(counts, expected[1], 0), rtol=1e-6)


def test_padding_across_vocabulary_shards_of_each_device_or_of_all():
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    labels = np.where(np.arange(TOKENS) % 5 > 0, PLACES[LABELS], 0)
    expected, slopes = quick(jax.value_and_grad(partial(loss, t=labels, class_mask=LIVE_CLASSES), (0, 1, 2, 3)))(*LAYER)
    of = P(), P(None, "model"), P("model"), P("model")
    roads = []
    for spec in (P(), P("model")):
        own = lambda x, w, b, c, m: loss(x, w, b, c, labels, class_mask=m, vocab_axis_name="model")
        on_mesh = jax.shard_map(own, mesh=mesh, in_specs=(*of, spec), out_specs=P())
        roads.append(lambda x, w, b, c, f=on_mesh: f(x, w, b, c, LIVE_CLASSES))
    if cases.EVERY:
        sharded = jaxloss.shard_linear_softmax_cross_entropy(mesh, vocab_axis="model")
        given = {**OPTIONS, "class_mask": LIVE_CLASSES}
        roads.append(lambda x, w, b, c: sharded(x, w, labels, bias=b, class_weights=c, **given))
    for value, gradients in quick(lambda *a: [jax.value_and_grad(f, (0, 1, 2, 3))(*a) for f in roads])(*LAYER):
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        for got, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(got, slope, atol=2e-7)


@pytest.mark.parametrize("mode", MODES if cases.EVERY else ASKED)
def test_a_label_out_of_range_is_nan_and_leaves_every_other_slope(mode):
    t = np.where(np.arange(TOKENS) == 3, CLASSES, LABELS)
    f = lambda *a, **o: loss(*a, reduction="sum", mode=mode, chunk_size=MODES[mode], **o)
    every = lambda **o: jax.value_and_grad(partial(f, **o), (0, 1, 2, 3))
    (value, got), (_, expected) = quick(lambda *a: (every(t=t)(*a), every(where=t < CLASSES)(*a)))(*LAYER)
    assert np.isnan(value)
    for a, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", MODES if cases.EVERY else ASKED)
def test_a_class_of_weight_0_contributes_0_however_improbable(mode):
    bias = np.where(np.arange(CLASSES) == LABELS[0], -np.inf, BIAS).astype(np.float32)
    weights = np.where(np.arange(CLASSES) == LABELS[0], 0, CLASS_WEIGHTS).astype(np.float32)
    others = LABELS[0] != LABELS
    f = lambda x, w, **o: linear_softmax_cross_entropy(
        x, w, LABELS, bias=bias, class_weights=weights, reduction="sum", mode=mode, chunk_size=MODES[mode], **o
    )
    got, expected = quick(
        lambda x, w: [jax.value_and_grad(partial(f, **o), (0, 1))(x, w) for o in ({}, {"where": others})]
    )(HIDDEN, KERNEL)
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, e, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES if cases.EVERY else ASKED)
def test_the_label_to_ignore_may_be_a_class_and_its_tokens_hold_anything(mode):
    pad = int(LABELS[0])
    hidden = np.where(pad == LABELS[:, None], np.float32(np.nan), HIDDEN)
    of = lambda **o: jax.value_and_grad(partial(loss, mode=mode, chunk_size=MODES[mode], **o), (0, 1, 2, 3))
    run = quick(lambda x, *a: (of(ignore_index=pad)(x, *a), of(where=pad != LABELS)(HIDDEN, *a)))
    got, expected = run(hidden, *LAYER[1:])
    assert not np.any(got[1][0][pad == LABELS])
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6, atol=1e-7)


LAYOUTS = [
    (P("data", "model"), P("data", "model"), P(), P("model"), P(), P("data"), P("model"), P("data")),
    (P(), P(None, "model"), P("data"), P(), P("data"), P("model"), P(), P("model")),
    (P("model"), P("data"), P("model"), P("data"), P("model"), P(), P("data"), P()),
]


@pytest.mark.parametrize("mode", MODES if cases.EVERY else ASKED)
def test_a_mask_of_classes_may_be_sharded_in_its_own_way(mode):
    """As every other array, which tests/sweeps/test_devices.py asks too."""
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Explicit,) * 2)
    tokens = np.arange(TOKENS) % 5 > 0
    arrays = *LAYER, LABELS, WEIGHTS, tokens, LIVE_CLASSES

    def run(x, w, b, c, t, weights, where, live):
        how = {"mode": mode, "chunk_size": MODES[mode], "where": where, "class_mask": live}
        return loss(x, w, b, c, t, weights=weights, **how)

    step = quick(jax.value_and_grad(run, (0, 1, 2, 3)))
    value, slopes = step(*arrays)
    for specs in LAYOUTS if cases.EVERY else LAYOUTS[1:2]:
        put = [jax.device_put(a, NamedSharding(mesh, s)) for a, s in zip(arrays, specs, strict=True)]
        got, gradients = step(*put)
        np.testing.assert_allclose(got, value, rtol=1e-6)
        for a, e in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
