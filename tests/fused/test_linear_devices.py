"""The fused last layer on eight devices: one mean by every road, and no logits or kernels sent around."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxloss
from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests.compiling import jit, sent
from tests.fused import oracle

BATCH, LENGTH, WIDTH, CLASSES = 8, 12, 16, 64
rng = np.random.default_rng(0)
HIDDEN, KERNEL, BIAS = (
    rng.normal(size=shape).astype(np.float32) for shape in ((BATCH, LENGTH, WIDTH), (WIDTH, CLASSES), (CLASSES,))
)
LABELS = rng.integers(0, CLASSES, (BATCH, LENGTH)).astype(np.int32)
LABELS[3] = -100  # where a device has one sequence, this one has nothing
WEIGHTS = rng.uniform(0.2, 3, (BATCH, LENGTH)).astype(np.float32)
WHERE = rng.random((BATCH, LENGTH)) < 0.7
CLASS_WEIGHTS = rng.uniform(0.5, 2, CLASSES).astype(np.float32)
OPTIONS = {"ignore_index": -100, "label_smoothing": 0.1, "z_loss": 1e-2, "logit_cap": 5.0}
ARRAYS = HIDDEN, KERNEL, BIAS, CLASS_WEIGHTS, LABELS, WEIGHTS, WHERE
MODES = {"fast": 32, "low_memory": 5, "dense": None}


def loss(x, w, b, class_weights, t, weights, where, **options):
    arrays = {"bias": b, "class_weights": class_weights, "weights": weights, "where": where}
    return linear_softmax_cross_entropy(x, w, t, **arrays, **OPTIONS, **options)


def check(answer, what):
    options = {**OPTIONS, "bias": BIAS, "class_weights": CLASS_WEIGHTS, "weights": WEIGHTS, "where": WHERE}
    value, gradients = answer
    assert oracle.error(value, oracle.loss(HIDDEN, KERNEL, LABELS, **options)) < 5e-7, what
    for got, expected in zip(gradients, oracle.gradient(HIDDEN, KERNEL, LABELS, **options), strict=False):
        assert oracle.error(got, expected) < 1e-6, what


LAYOUTS = {"tokens": (("data", "model"), None), "classes": (None, "model"), "both": ("data", "model")}


AUTO, EXPLICIT = AxisType.Auto, AxisType.Explicit


@pytest.mark.parametrize(
    ("layout", "kind"), [("tokens", EXPLICIT), ("classes", EXPLICIT), ("both", EXPLICIT), ("both", AUTO)]
)
def test_sharded_arrays_under_plain_jit_gather_nothing(layout, kind):
    tokens, classes = LAYOUTS[layout]
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(kind, kind))
    specs = P(tokens), P(None, classes), P(classes), P(classes), P(tokens), P(tokens), P(tokens)
    put = [jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in zip(ARRAYS, specs, strict=True)]
    for mode in ("fast", "dense") if layout == "both" else ("fast",):
        f = partial(loss, mode=mode, chunk_size=MODES[mode])
        compiled = jit(jax.value_and_grad(f, (0, 1, 2))).lower(*put).compile()
        check(compiled(*put), mode)
        names, largest = sent(compiled)
        assert names == {"all-reduce"}
        assert largest <= max(WIDTH * CLASSES, HIDDEN.size)  # the gradients, never the logits
        # What auto takes under a mesh is one of the two, for any size.
    abstract = [jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding) for a in put]
    auto = jax.make_jaxpr(partial(loss, mode="auto", chunk_size=4, reduction="none"))(*abstract)
    assert "scan" not in str(auto)


# By mesh axes, the tokens' and the classes', and the modes: fast is low-memory where classes are spread.
SPREAD = {
    "tokens": ("data", None, ["fast", "low_memory"]),
    "classes": (None, ("data", "model"), ["dense"]),
    "both": ("data", "model", ["low_memory"]),
}


@pytest.mark.parametrize(
    ("spread", "check_vma"), [("tokens", True), ("classes", True), ("both", True), ("both", False)]
)
def test_named_axes_of_tokens_and_classes(spread, check_vma):
    tokens, classes, modes = SPREAD[spread]
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    specs = P(tokens), P(None, classes), P(classes), P(), P(tokens), P(tokens), P(tokens)
    on_mesh = partial(jax.shard_map, mesh=mesh, in_specs=specs, check_vma=check_vma)

    @jit
    def run(*arrays):
        answers = {}
        for mode in modes:
            own = partial(loss, axis_name=tokens, vocab_axis_name=classes, mode=mode, chunk_size=MODES[mode])
            answers[mode] = jax.value_and_grad(on_mesh(own, out_specs=P()), (0, 1, 2))(*arrays)
        if check_vma:  # unchecked, each device has several times its part of the gradient: see `reduce`
            step = jax.value_and_grad(own, (0, 1, 2))
            answers["inside"] = on_mesh(step, out_specs=(P(), specs[:3]))(*arrays)
        return answers

    for what, answer in run(*ARRAYS).items():
        check(answer, what)


def test_vocabulary_shards_send_a_few_numbers_per_token_and_their_hidden_gradient():
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    specs = P(), P(None, "model"), P("model"), P(), P(), P(), P()
    own = partial(loss, vocab_axis_name="model", mode="low_memory", chunk_size=5)
    on_mesh = jax.shard_map(own, mesh=mesh, in_specs=specs, out_specs=P())
    names, largest = sent(jit(jax.value_and_grad(on_mesh, (0, 1, 2))).lower(*ARRAYS).compile())
    assert names == {"all-reduce"}
    assert largest == HIDDEN.size


def test_tokens_of_no_possible_class_across_vocabulary_shards():
    """Their logits are all minus infinity: an infinite loss, and the label's row of the kernel as gradient."""
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    t = jnp.abs(LABELS) % CLASSES
    specs = P(), P(None, "model"), P("model")

    def own(x, w, b):
        return linear_softmax_cross_entropy(x, w, t, bias=b, reduction="sum", vocab_axis_name="model")

    on_mesh = jax.shard_map(own, mesh=mesh, in_specs=specs, out_specs=P())
    value, (of_x, _, of_b) = jit(jax.value_and_grad(on_mesh, (0, 1, 2)))(HIDDEN, KERNEL, np.full_like(BIAS, -np.inf))
    assert value == np.inf
    np.testing.assert_array_equal(of_x, -KERNEL.T[t])
    np.testing.assert_array_equal(of_b, -np.bincount(np.ravel(t), minlength=CLASSES))


def test_curvature_and_any_cotangent_across_vocabulary_shards():
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    t = jnp.abs(LABELS) % CLASSES
    shards = partial(jax.shard_map, mesh=mesh, in_specs=(P(), P(None, "model"), P("model")))
    of_lse, of_target = jnp.float32(rng.normal(size=(2, *t.shape)))
    direction = [jnp.float32(rng.normal(size=a.shape)) for a in (HIDDEN, KERNEL, BIAS)]

    def pair(x, w, b):
        how = {"mode": "low_memory", "chunk_size": 5, "vocab_axis_name": "model"}
        lse, target = linear_logsumexp_and_target(x, w, t, bias=b, **how)
        return jnp.sum(of_lse * lse + of_target * target)

    @jit
    def run(*point):
        pulled = jax.grad(shards(pair, out_specs=P()), (0, 1, 2))(*point)
        one = lambda x, w, b: linear_softmax_cross_entropy(
            x, w, t, bias=b, vocab_axis_name="model", mode="low_memory", chunk_size=5, **OPTIONS
        )
        slope = jax.grad(shards(one, out_specs=P()), (0, 1, 2))
        return pulled, jax.jvp(slope, point, tuple(direction))[1]

    pulled, curvature = run(*map(jnp.asarray, (HIDDEN, KERNEL, BIAS)))
    for got, expected in zip(
        pulled, oracle.gradient_of_pair(HIDDEN, KERNEL, t, of_lse, of_target, bias=BIAS), strict=True
    ):
        assert oracle.error(got, expected) < 1e-6
    for got, expected in zip(curvature, oracle.curvature(HIDDEN, KERNEL, BIAS, t, direction, **OPTIONS), strict=True):
        assert oracle.error(got, expected) < 1e-6


def test_each_device_differentiating_its_own_copy_averages_the_gradients():
    """As in pmap: the recipe of `reduce`."""
    form = jaxloss.LinearSoftmaxCrossEntropy(axis_name="data", mode="fast", chunk_size=8, **OPTIONS)

    def step(w, x, b, class_weights, t, weights, where):
        f = lambda w: form.replace(class_weights=class_weights)(x, t, kernel=w, bias=b, weights=weights, where=where)
        value, gradient = jax.value_and_grad(f)(w)
        return value, lax.pmean(gradient, "data")

    own = (KERNEL, HIDDEN, BIAS, CLASS_WEIGHTS, LABELS, WEIGHTS, WHERE)
    axes = (None, 0, None, None, 0, 0, 0)
    options = {**OPTIONS, "bias": BIAS, "class_weights": CLASS_WEIGHTS, "weights": WEIGHTS, "where": WHERE}
    value, gradient = (f(HIDDEN, KERNEL, LABELS, **options) for f in (oracle.loss, oracle.gradient))
    values, gradients = jax.pmap(step, axis_name="data", in_axes=axes)(*own)
    for v, g in zip(values, gradients, strict=True):
        assert oracle.error(v, value) < 5e-7
        assert oracle.error(g, gradient[1]) < 1e-6
