"""The fused last layer on eight devices: one mean by every road, and no logits or kernels sent around."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests import cases
from tests.compiling import jit, sent
from tests.fused import oracle

BATCH, LENGTH, WIDTH, CLASSES = 8, 12, 16, 64
OPTIONS = {"ignore_index": -100, "label_smoothing": 0.1, "z_loss": 1e-2, "logit_cap": 5.0}
MODES = {"fast": 32, "low_memory": 5, "dense": None}


def _inputs():
    rng = np.random.default_rng(0)
    layer = [rng.normal(size=shape) for shape in ((BATCH, LENGTH, WIDTH), (WIDTH, CLASSES), (CLASSES,))]
    labels = rng.integers(0, CLASSES, (BATCH, LENGTH)).astype(np.int32)
    labels[3] = -100  # where a device has one sequence, this one has nothing
    weights, where = rng.uniform(0.2, 3, (BATCH, LENGTH)), rng.random((BATCH, LENGTH)) < 0.7
    return *map(np.float32, (*layer, rng.uniform(0.5, 2, CLASSES))), labels, np.float32(weights), where


ARRAYS = HIDDEN, KERNEL, BIAS, CLASS_WEIGHTS, LABELS, WEIGHTS, WHERE = _inputs()


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


PLACED = [("both", EXPLICIT), ("both", AUTO), ("tokens", EXPLICIT), ("classes", EXPLICIT)]


@pytest.mark.parametrize(("layout", "kind"), PLACED if cases.EVERY else PLACED[:1])
def test_sharded_arrays_under_plain_jit_gather_nothing(layout, kind):
    tokens, classes = LAYOUTS[layout]
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(kind, kind))
    specs = P(tokens), P(None, classes), P(classes), P(classes), P(tokens), P(tokens), P(tokens)
    put = [jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in zip(ARRAYS, specs, strict=True)]
    for mode in ("fast", "dense") if layout == "both" and cases.EVERY else ("fast",):
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


@pytest.mark.parametrize("spread", SPREAD if cases.EVERY else ["both"])
def test_named_axes_of_tokens_and_classes(spread):
    """Differentiated inside of `shard_map` too, which tests/sweeps/test_devices.py does for the tokens alone."""
    tokens, classes, modes = SPREAD[spread]
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    specs = P(tokens), P(None, classes), P(classes), P(), P(tokens), P(tokens), P(tokens)
    on_mesh = partial(jax.shard_map, mesh=mesh, in_specs=specs)

    @jit
    def run(*arrays):
        answers = {}
        for mode in modes:
            own = partial(loss, axis_name=tokens, vocab_axis_name=classes, mode=mode, chunk_size=MODES[mode])
            for checked in (True, False) if cases.EVERY else ():
                outside = on_mesh(own, out_specs=P(), check_vma=checked)
                answers[f"{mode} {checked}"] = jax.value_and_grad(outside, (0, 1, 2))(*arrays)
        # Unchecked, each device has several times its part of the gradient: see `reduce`.
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


def test_any_cotangent_of_the_pair_across_vocabulary_shards():
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    t = jnp.abs(LABELS) % CLASSES
    shards = partial(jax.shard_map, mesh=mesh, in_specs=(P(), P(None, "model"), P("model")))
    of_lse, of_target = jnp.float32(np.random.default_rng(1).normal(size=(2, *t.shape)))

    def pair(x, w, b):
        how = {"mode": "low_memory", "chunk_size": 5, "vocab_axis_name": "model"}
        lse, target = linear_logsumexp_and_target(x, w, t, bias=b, **how)
        return jnp.sum(of_lse * lse + of_target * target)

    pulled = jit(jax.grad(shards(pair, out_specs=P()), (0, 1, 2)))(HIDDEN, KERNEL, BIAS)
    expected = oracle.gradient_of_pair(HIDDEN, KERNEL, t, of_lse, of_target, bias=BIAS)
    for got, e in zip(pulled, expected, strict=True):
        assert oracle.error(got, e) < 1e-6
