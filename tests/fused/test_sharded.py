"""The fused last layer through `shard_linear_softmax_cross_entropy`: each layout, and what it sends."""

import math
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxloss import linear_softmax_cross_entropy, shard_linear_softmax_cross_entropy
from tests import cases
from tests.compiling import jit
from tests.fused import oracle
from tests.fused.layers import ASKED, CHUNKED

BATCH, LENGTH, WIDTH, CLASSES = 8, 6, 16, 64


def _inputs():
    rng = np.random.default_rng(0)
    layer = [rng.normal(size=shape) for shape in ((BATCH, LENGTH, WIDTH), (WIDTH, CLASSES), (CLASSES,))]
    labels = rng.integers(0, CLASSES, (BATCH, LENGTH)).astype(np.int32)
    labels[3] = -100  # a device with one sequence has nothing here
    weights = {
        "class_weights": rng.uniform(0.5, 2, CLASSES).astype(np.float32),
        "weights": rng.uniform(0.2, 3, BATCH).astype(np.float32),
        "where": rng.random((BATCH, LENGTH)) < 0.7,
    }
    return *map(np.float32, layer), labels, weights


HIDDEN, KERNEL, BIAS, LABELS, OF_WEIGHTS = _inputs()
OPTIONS = {
    **OF_WEIGHTS,
    "ignore_index": -100,
    "label_smoothing": 0.1,
    "z_loss": 1e-2,
    "logit_cap": 5.0,
}
AUTO, EXPLICIT = AxisType.Auto, AxisType.Explicit
TOKENS, VOCAB, FSDP = {"token_axes": ("data", "model")}, {"vocab_axis": ("data", "model")}, {"fsdp_axis": "data"}
LAYOUTS = {
    "tokens": (AUTO, TOKENS, "fast"),
    "vocab": (AUTO, VOCAB, "low_memory"),
    "fsdp": (AUTO, FSDP, "fast"),
    "tokens and fsdp": (AUTO, {"token_axes": ("data", "model"), "fsdp_axis": "model"}, "low_memory"),
    "tokens and vocab": (EXPLICIT, {"token_axes": "data", "vocab_axis": "model"}, "dense"),
    "fsdp and vocab": (EXPLICIT, FSDP | {"vocab_axis": "model"}, "low_memory"),
}


def mesh_of(kind, *shape):
    return jax.make_mesh(shape, ("data", "model")[-len(shape) :], axis_types=(kind,) * len(shape))


@pytest.mark.parametrize("layout", LAYOUTS if cases.EVERY else ["tokens and fsdp", "tokens and vocab"])
def test_value_and_gradients_are_those_of_one_device(layout):
    kind, axes, mode = LAYOUTS[layout]
    loss = shard_linear_softmax_cross_entropy(mesh_of(kind, 2, 4), **axes)
    how = {"mode": mode} if mode == "dense" else {"mode": mode, "chunk_size": 5}

    def run(x, w, b):
        return loss(x, w, LABELS, bias=b, **how, **OPTIONS)

    value, gradients = jit(jax.value_and_grad(run, (0, 1, 2)))(HIDDEN, KERNEL, BIAS)
    options = {**OPTIONS, "bias": BIAS}
    assert oracle.error(value, oracle.loss(HIDDEN, KERNEL, LABELS, **options)) < 5e-7
    for got, expected in zip(gradients, oracle.gradient(HIDDEN, KERNEL, LABELS, **options), strict=True):
        assert oracle.error(got, expected) < 5e-7


def test_tied_kernels_traced_options_and_losses_that_are_not_reduced():
    loss = shard_linear_softmax_cross_entropy(mesh_of(EXPLICIT, 2, 4), fsdp_axis="data", vocab_axis="model")
    how = {"ignore_index": -100, "kernel_layout": "vd", "return_aux": True, "reduction": "none"}

    def run(f, s, zeta, cap):
        one, aux = f(HIDDEN, KERNEL.T, LABELS, label_smoothing=s, z_loss=zeta, logit_cap=cap, **how)
        return jnp.sum(one), (one, *aux)

    both = lambda *a: [
        jax.value_and_grad(partial(run, f), (0, 1, 2), has_aux=True)(*a) for f in (loss, linear_softmax_cross_entropy)
    ]
    got, expected = jit(both)(0.1, 1e-2, 5.0)
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-6, atol=2e-6)


def sent(axes, specs, mode):
    """The collectives of a step on eight devices: the kind and the number of elements of each result, sorted.

    Single numbers, of which there are a few, are left out.
    """
    mesh = mesh_of(AUTO, 8)
    loss = shard_linear_softmax_cross_entropy(mesh, **dict.fromkeys(axes, "model"))
    step = jax.value_and_grad(partial(loss, mode=mode, chunk_size=5, ignore_index=-100), (0, 1))
    x, w, t = (NamedSharding(mesh, spec) for spec in specs)
    of = lambda a, sharding: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding)
    lowered = jit(step, out_shardings=(None, (x, w))).lower(of(HIDDEN, x), of(KERNEL, w), of(LABELS, t))
    kinds = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
    in_loops, found = (
        re.findall(rf"= (.*?) ({kinds})(?:-start)?\(", text) for text in lowered.compile().as_text().split("\nENTRY ")
    )
    assert not in_loops
    sizes = [(k, math.prod(map(int, s.split(",")))) for types, k in found for s in re.findall(r"\[([\d,]+)\]", types)]
    return sorted(s for s in sizes if s[1] > 1)


TOKENS_HERE, ALL = BATCH * LENGTH, WIDTH * CLASSES


@pytest.mark.parametrize("mode", CHUNKED if cases.EVERY else ASKED)
def test_data_parallel_tokens_send_the_gradient_of_the_kernel(mode):
    assert sent(["token_axes"], (P("model"), P(), P("model")), mode) == [("all-reduce", ALL)]


def test_sharded_classes_send_three_numbers_per_token_and_the_gradient_of_the_hidden_states():
    found = sent(["vocab_axis"], (P(), P(None, "model"), P()), "low_memory")
    assert found == [("all-reduce", TOKENS_HERE)] * 3 + [("all-reduce", HIDDEN.size)]


@pytest.mark.parametrize("mode", CHUNKED if cases.EVERY else ASKED)
def test_fsdp_gathers_the_kernel_once_and_scatters_its_gradient_once(mode):
    specs = P("model"), P("model"), P("model")
    assert sent(["fsdp_axis"], specs, mode) == [("all-gather", ALL), ("reduce-scatter", ALL // 8)]


BAD_AXES = {
    "no axis": ({}, "no axis is given"),
    "unknown": ({"token_axes": ("data", "pipe")}, "has no axis 'pipe': it has ('data', 'model')"),
    "twice": ({"fsdp_axis": "data", "vocab_axis": ("model", "data")}, "['data'] are given both"),
}


@pytest.mark.parametrize("case", BAD_AXES)
def test_bad_axes_are_refused(case):
    axes, message = BAD_AXES[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        shard_linear_softmax_cross_entropy(mesh_of(AUTO, 2, 4), **axes)


BAD_INPUTS = {
    "tokens": (TOKENS, HIDDEN[:6], KERNEL, LABELS[:6], {}, "axis 0 of hidden (6, 6, 16) is sharded over 8 devices"),
    "classes": (VOCAB, HIDDEN, KERNEL[:, :60], LABELS, {}, "axis 1 of kernel (16, 60) is sharded over 8 devices"),
    "width": (FSDP, HIDDEN[..., :15], KERNEL[:15], LABELS, {}, "axis 0 of kernel (15, 64) is sharded over 2 devices"),
    "one token": (TOKENS, HIDDEN[0, 0], KERNEL, LABELS[0, 0], {}, "hidden (16,) has no axis of tokens"),
    "the loss": (TOKENS, HIDDEN, KERNEL, LABELS[:4], {}, "labels (4, 6) and hidden (8, 6, 16) do not fit"),
    "weights": (TOKENS, HIDDEN, KERNEL, LABELS, {"weights": np.ones((3,), np.float32)}, "(8, 6)"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_errors_name_the_shapes_of_whole_arrays(case):
    axes, x, w, t, options, message = BAD_INPUTS[case]
    loss = shard_linear_softmax_cross_entropy(mesh_of(AUTO, 2, 4), **axes)
    with pytest.raises(ValueError, match=re.escape(message)):
        loss(x, w, t, **options)


def test_the_axes_are_those_that_the_loss_was_made_with():
    loss = shard_linear_softmax_cross_entropy(mesh_of(AUTO, 2, 4), **TOKENS)
    with pytest.raises(TypeError, match=r"'axis_name'.* cannot be given"):
        loss(HIDDEN, KERNEL, LABELS, axis_name="data")
