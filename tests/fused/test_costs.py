"""The costs of the fused last layer: matrix products, their dtypes, memory, and the mode that it takes by default."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxloss import linear_softmax_cross_entropy
from tests import cases
from tests.compiling import jit, optimized
from tests.fused import oracle
from tests.fused.layers import CHUNKED, MODES, inputs, normal


def abstract(tokens, width, classes, dtype=jnp.float32):
    shapes = ((tokens, width), dtype), ((width, classes), dtype), ((tokens,), jnp.int32)
    return [jax.ShapeDtypeStruct(*s) for s in shapes]


def test_matrix_products_are_three_in_fast_mode_and_four_in_low_memory():
    tokens, width, classes = 512, 256, 640
    one = 2 * tokens * width * classes

    def products(mode, chunk, wrt=(0, 1), wrap=lambda f: f):
        f = lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode=mode, chunk_size=chunk)
        f = jax.grad(wrap(f), wrt) if wrt else f
        return jax.jit(f).lower(*abstract(tokens, width, classes)).cost_analysis()["flops"] / one

    # As lowered, for a compiler could but leave some out.
    # XLA counts a loop's body once: one chunk of everything, and for the recomputation two of half the classes.
    assert products("fast", 512, wrt=()) < 1.05
    assert products("fast", 512) < 3.05
    assert products("fast", 512, wrt=0) < 2.05
    assert products("fast", 512, wrt=1) < 2.05
    assert products("fast", 512, wrap=jax.checkpoint) < 3.05
    assert products("low_memory", 320) < 4.05 / 2
    assert products("low_memory", 320, wrt=0) < 3.05 / 2
    assert products("low_memory", 320, wrt=()) < 1.05 / 2


@pytest.mark.parametrize("mode", MODES)
def test_every_matrix_product_multiplies_in_half_precision_and_adds_in_float32(mode):
    f = jax.value_and_grad(lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode=mode, chunk_size=8), (0, 1))
    text = jax.jit(f).lower(*abstract(16, 4, 32, jnp.bfloat16)).as_text()
    found = re.findall(r"dot_general.*: \((\S+), (\S+)\) -> (\S+)", text)
    assert len(found) == (4 if mode == "low_memory" else 3)
    for a, b, result in found:
        assert a.endswith("bf16>")
        assert b.endswith("bf16>")
        assert result.endswith("f32>")


DTYPES = [jnp.bfloat16, jnp.float16] if cases.EVERY else [jnp.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: jnp.dtype(dtype).name)
def test_half_precision_is_added_in_float32(dtype):
    rng = np.random.default_rng(0)
    x, w, b = normal(rng, 128, 64), normal(rng, 64, 500, scale=1 / 8), normal(rng, 500)
    t = np.arange(128, dtype=np.int32) * 7 % 500
    x, w = jnp.asarray(x, dtype), jnp.asarray(w, dtype)
    loss = lambda mode: lambda x, w: linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=48)
    run = jit(lambda *a: {mode: jax.value_and_grad(loss(mode), (0, 1))(*a) for mode in CHUNKED})
    expected = oracle.gradient(x, w, t, bias=b)
    for mode, (value, gradients) in run(x, w).items():
        assert value.dtype == jnp.float32
        assert oracle.error(value, oracle.loss(x, w, t, bias=b)) < 1e-6, mode
        for got, e in zip(gradients, expected, strict=False):
            assert got.dtype == dtype
            assert np.linalg.norm(oracle.wide(got) - e) < 2.5e-3 * np.linalg.norm(e), mode


def test_a_float32_kernel_may_be_multiplied_in_half_precision_and_float64_stays():
    x, w, _, t = inputs((16,))
    loss = partial(linear_softmax_cross_entropy, labels=t, ignore_index=-100, mode="fast", chunk_size=8)
    value, slope = jit(jax.value_and_grad(partial(loss, compute_dtype="bfloat16"), 1))(jnp.bfloat16(x), w)
    rounded = jnp.bfloat16(x), jnp.bfloat16(w)
    assert slope.dtype == jnp.float32
    assert oracle.error(value, oracle.loss(*rounded, t, ignore_index=-100)) < 1e-6
    assert oracle.error(slope, oracle.gradient(*rounded, t, ignore_index=-100)[1]) < 2.5e-3
    with jax.enable_x64(True):
        value = jit(loss)(np.float64(x), np.float64(w))
        assert value.dtype == np.float64
        assert oracle.error(value, oracle.loss(x, w, t, ignore_index=-100)) < 1e-14


def temporaries(loss, *shapes):
    """The bytes of temporaries of value and gradient, compiled as users compile them."""
    compiled = optimized(jax.value_and_grad(loss, (0, 1))).lower(*abstract(*shapes)).compile()
    return compiled.memory_analysis().temp_size_in_bytes


HELD = [("fast", "float32"), ("low_memory", "bfloat16"), ("fast", "bfloat16"), ("low_memory", "float32")]


@pytest.mark.parametrize(("mode", "dtype"), HELD if cases.EVERY else HELD[:2])
def test_no_more_is_held_than_a_few_chunks(mode, dtype):
    tokens, width, classes = 1024, 32, 16381
    kernel, chunk = 4 * width * classes, 64 if mode == "fast" else 256
    loss = lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode=mode, chunk_size=chunk)
    half = 0.5 if dtype == "bfloat16" else 0  # the slopes of the logits, rounded
    most = (2.2 + 2 * half) * 4 * tokens * chunk + (kernel if half else 0)
    if mode == "fast":
        most = (2.1 + half) * 4 * classes * chunk + (kernel if half else 0) + 8 * tokens * width
    assert temporaries(loss, tokens, width, classes, jnp.dtype(dtype)) < most


@pytest.mark.parametrize(("mode", "tile"), [("dense", 1.0), ("fast", 0.25), ("low_memory", 0.0625)])
def test_a_cap_stores_one_more_tile_at_most(mode, tile):
    """A tile of all logits, of 1024 of 4096 tokens, and of 2048 of 32768 classes, as shares of the logits."""
    tokens, width, classes = 4096, 256, 32768
    loss = lambda cap: lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode=mode, logit_cap=cap)
    without, capped = (temporaries(loss(cap), tokens, width, classes) for cap in (None, 30.0))
    assert capped - without <= 1.01 * tile * 4 * tokens * classes


@pytest.mark.skipif(jax.__version_info__ < (0, 12), reason="XLA before jaxlib 0.12 gathers the label's logit late")
@pytest.mark.parametrize(("mode", "most"), [("dense", 1.01), ("fast", 0.34)])
def test_the_gradient_alone_holds_no_more_than_with_the_value(mode, most):
    shape = tokens, _, classes = 4096, 256, 32768
    loss = lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode=mode)
    compiled = optimized(jax.grad(loss, (0, 1))).lower(*abstract(*shape)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes <= most * 4 * tokens * classes


SHAPES = [((4096, 256, 32768), 8), ((1024, 1024, 65536), 8), ((4096, 512, 131072), 32)]


@pytest.mark.parametrize(("shape", "share"), SHAPES if cases.EVERY else SHAPES[-1:])
def test_by_default_a_fraction_of_the_memory_of_a_dense_layer_is_held(shape, share):
    dense = temporaries(lambda x, w, t: optax.softmax_cross_entropy_with_integer_labels(x @ w, t).mean(), *shape)
    ours = temporaries(lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode="low_memory"), *shape)
    assert ours <= dense / share


def test_the_mode_that_auto_chooses():
    """The shapes of the products in the program tell dense, a loop over tokens and a loop over classes apart."""

    def loops(tokens, width, classes, dtype, **options):
        f = lambda x, w, t: linear_softmax_cross_entropy(x, w, t, **options)
        return str(jax.make_jaxpr(f)(*abstract(tokens, width, classes, dtype)))

    large, half = (8192, 4096, 131072), jnp.bfloat16
    assert "scan" not in loops(1024, 64, 8192, jnp.float32)
    assert "bf16[1024,4096]" in loops(*large, half, mode="fast")
    assert "f32[1024,131072]" in loops(*large, jnp.float32)  # a float32 kernel needs no accumulator
    assert "f32[8192,4096]" in loops(*large, half)  # 128 MB of logits for as many classes as that allows
    assert "f32[1024,131072]" not in loops(*large, jnp.float32, reduction="none")
