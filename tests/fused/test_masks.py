"""What does not count in the fused last layer: padded classes, masked tokens, labels that are masked after the loss."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxloss
from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests.compiling import jit
from tests.fused import oracle

MODES = {"dense": None, "fast": 4, "low_memory": 5}
TOKENS, WIDTH, CLASSES, LIVE = 12, 4, 16, 11
rng = np.random.default_rng(0)
HIDDEN, KERNEL, BIAS, CLASS_WEIGHTS, WEIGHTS = (
    np.float32(a)
    for a in (
        rng.normal(size=(TOKENS, WIDTH)),
        rng.normal(size=(WIDTH, CLASSES)),
        rng.normal(size=CLASSES),
        rng.uniform(0.5, 2, CLASSES),
        rng.uniform(0.5, 2, TOKENS),
    )
)
LABELS = rng.integers(0, LIVE, TOKENS).astype(np.int32)
OPTIONS = {"label_smoothing": 0.1, "z_loss": 1e-2, "logit_cap": 3.0}
LAYER = HIDDEN, KERNEL, BIAS, CLASS_WEIGHTS
PADDED = np.arange(CLASSES) >= LIVE
LIVE_CLASSES = np.roll(~PADDED, 2)  # in the middle of the kernel, so that either end is padding
PLACES = np.flatnonzero(LIVE_CLASSES)


def loss(x, w, b, class_weights, t=LABELS, **options):
    return linear_softmax_cross_entropy(x, w, t, bias=b, class_weights=class_weights, **OPTIONS, **options)


def spread(array, fill, axis=-1):
    """What is given of the live classes, at their places among all."""
    shape = list(array.shape)
    shape[axis] = CLASSES
    out = np.full(shape, fill, array.dtype)
    out[(..., PLACES)] = array
    return out


@pytest.mark.parametrize("mode", MODES)
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

    program = jit(jax.value_and_grad(of_all, (0, 1, 2, 3)))
    expected, slopes = jit(jax.value_and_grad(of_live, (0, 1, 2, 3)))(*own)
    for planted in (0.0, 1e30, np.inf, np.nan):
        value, of = program(HIDDEN, *(spread(a, planted) for a in own[1:]))
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_allclose(of[0], slopes[0], atol=1e-7)
        for got, slope in zip(of[1:], slopes[1:], strict=True):
            np.testing.assert_allclose(got, spread(np.asarray(slope), 0), atol=2e-7)


@pytest.mark.parametrize("mode", ["dense", "low_memory"])
def test_the_log_partition_function_leaves_padding_out(mode):
    pair = partial(linear_logsumexp_and_target, mode=mode, chunk_size=MODES[mode], logit_cap=3.0)
    masked = spread(KERNEL[:, :LIVE], np.nan), np.where(np.arange(TOKENS) == 2, 0, PLACES[LABELS])
    lse, target = jit(lambda: pair(HIDDEN, *masked, bias=spread(BIAS[:LIVE], np.nan), class_mask=LIVE_CLASSES))()
    expected = jit(lambda: pair(HIDDEN, KERNEL[:, :LIVE], LABELS, bias=BIAS[:LIVE]))()
    counts = np.arange(TOKENS) != 2
    np.testing.assert_allclose(lse, np.where(counts, expected[0], 0), rtol=1e-6)
    np.testing.assert_allclose(target, np.where(counts, expected[1], 0), rtol=1e-6)


def test_padding_across_vocabulary_shards_of_each_device_or_of_all():
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    labels = np.where(np.arange(TOKENS) % 5 > 0, PLACES[LABELS], 0)
    expected, slopes = jit(jax.value_and_grad(partial(loss, t=labels, class_mask=LIVE_CLASSES), (0, 1, 2, 3)))(*LAYER)
    of = P(), P(None, "model"), P("model"), P("model")
    sharded = jaxloss.shard_linear_softmax_cross_entropy(mesh, vocab_axis="model")
    roads = [lambda x, w, b, c: sharded(x, w, labels, bias=b, class_weights=c, class_mask=LIVE_CLASSES, **OPTIONS)]
    for spec in (P(), P("model")):
        own = lambda x, w, b, c, m: loss(x, w, b, c, labels, class_mask=m, vocab_axis_name="model")
        on_mesh = jax.shard_map(own, mesh=mesh, in_specs=(*of, spec), out_specs=P())
        roads.append(lambda x, w, b, c, f=on_mesh: f(x, w, b, c, LIVE_CLASSES))
    for value, gradients in jit(lambda *a: [jax.value_and_grad(f, (0, 1, 2, 3))(*a) for f in roads])(*LAYER):
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        for got, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(got, slope, atol=2e-7)


def test_a_mask_of_classes_is_a_field_of_the_form():
    form = jaxloss.LinearSoftmaxCrossEntropy(class_mask=[True] * LIVE + [False] * 5, ignore_index=3)
    assert jaxloss.Loss.from_config(form.get_config()) == form
    assert hash(form) == hash(jaxloss.LinearSoftmaxCrossEntropy(class_mask=~PADDED, ignore_index=3))
    labels = np.where(np.arange(TOKENS) % 5 > 0, LABELS, LIVE)
    counts = (labels < LIVE) & (labels != 3)

    @jit
    def run(form):
        value = form(HIDDEN, labels, kernel=KERNEL, weights=WEIGHTS)
        return value, form.total(HIDDEN, labels, kernel=KERNEL, weights=WEIGHTS)

    value, (numerator, denominator) = run(form)
    expected = oracle.loss(HIDDEN, KERNEL[:, :LIVE], np.minimum(labels, LIVE - 1), weights=WEIGHTS, where=counts)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(denominator, WEIGHTS[counts].sum(), rtol=1e-6)
    np.testing.assert_allclose(numerator / denominator, expected, rtol=1e-6)
    for error, wrong in ((TypeError, np.ones(CLASSES)), (ValueError, np.ones(CLASSES - 1, bool))):
        with pytest.raises(error, match="linear_softmax_cross_entropy: class_mask"):
            linear_softmax_cross_entropy(HIDDEN, KERNEL, LABELS, class_mask=wrong)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cotangent", [1.0, 3.0, 1024.0])
def test_labels_out_of_range_that_are_masked_after_the_loss_have_no_slope(mode, cotangent):
    counts = np.arange(TOKENS) % 3 > 0
    for label in (-1, -100, CLASSES):
        t = np.where(counts, LABELS, label)

        def after(x, w, b, c, t=t):
            losses = loss(x, w, b, c, t, reduction="none", mode=mode, chunk_size=MODES[mode])
            return cotangent * (jnp.where(counts, losses, 0).sum() + jnp.mean(losses, where=counts))

        def before(x, w, b, c):
            losses = loss(x, w, b, c, where=counts, reduction="none", mode=mode, chunk_size=MODES[mode])
            return cotangent * (losses.sum() + losses.sum() / float(counts.sum()))

        got, expected = jit(lambda *a: [jax.value_and_grad(f, (0, 1, 2, 3))(*a) for f in (after, before)])(*LAYER)
        for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6 * cotangent)


@pytest.mark.parametrize("mode", MODES)
def test_a_label_out_of_range_is_nan_and_leaves_every_other_slope(mode):
    t = np.where(np.arange(TOKENS) == 3, CLASSES, LABELS)
    f = lambda x, w, b, c, **o: loss(x, w, b, c, reduction="sum", mode=mode, chunk_size=MODES[mode], **o)
    value, got = jit(jax.value_and_grad(partial(f, t=t), (0, 1, 2, 3)))(*LAYER)
    assert np.isnan(value)
    expected = jit(jax.grad(partial(f, where=t < CLASSES), (0, 1, 2, 3)))(*LAYER)
    for a, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_a_class_of_weight_0_contributes_0_however_improbable(mode):
    bias = np.where(np.arange(CLASSES) == LABELS[0], -np.inf, BIAS).astype(np.float32)
    weights = np.where(np.arange(CLASSES) == LABELS[0], 0, CLASS_WEIGHTS).astype(np.float32)
    others = LABELS[0] != LABELS
    f = lambda x, w, **o: linear_softmax_cross_entropy(
        x, w, LABELS, bias=bias, class_weights=weights, reduction="sum", mode=mode, chunk_size=MODES[mode], **o
    )
    got, expected = jit(
        lambda x, w: [jax.value_and_grad(partial(f, **o), (0, 1))(x, w) for o in ({}, {"where": others})]
    )(HIDDEN, KERNEL)
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, e, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_the_label_to_ignore_may_be_a_class(mode):
    f = lambda x, w, b, c, **o: loss(x, w, b, c, mode=mode, chunk_size=MODES[mode], **o)
    pad = int(LABELS[0])
    options = {"ignore_index": pad}, {"where": pad != LABELS}
    got, expected = jit(lambda *a: [jax.value_and_grad(partial(f, **o), (0, 1, 2, 3))(*a) for o in options])(*LAYER)
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_every_array_may_be_sharded_in_its_own_way(mode):
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Explicit,) * 2)
    tokens = np.arange(TOKENS) % 5 > 0
    arrays = *LAYER, LABELS, WEIGHTS, tokens, LIVE_CLASSES
    data, model = P("data"), P("model")
    layouts = [
        (P("data", "model"), P("data", "model"), P(), model, P(), data, model, data),
        (P(), P(None, "model"), data, P(), data, model, P(), model),
        (P("model"), P("data"), model, data, model, P(), data, P()),
    ]

    def run(x, w, b, c, t, weights, where, live):
        how = {"mode": mode, "chunk_size": MODES[mode], "where": where, "class_mask": live}
        return loss(x, w, b, c, t, weights=weights, **how)

    step = jit(jax.value_and_grad(run, (0, 1, 2, 3)))
    value, slopes = step(*arrays)
    for specs in layouts:
        put = [jax.device_put(a, NamedSharding(mesh, s)) for a, s in zip(arrays, specs, strict=True)]
        got, gradients = step(*put)
        np.testing.assert_allclose(got, value, rtol=1e-6)
        for a, e in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
