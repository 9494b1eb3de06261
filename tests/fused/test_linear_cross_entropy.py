"""The fused last layer: every mode and option against float64 by hand, derivatives of every order, costs."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from jax.experimental import checkify

import jaxloss
from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests.compiling import jit
from tests.fused import oracle

MODES = ["dense", "fast", "low_memory"]
CHUNKED = MODES[1:]  # dense is what fast does with its only chunk
WIDTH, CLASSES = 6, 53  # a prime, in chunks of 8 of which the last overlaps
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    rng.bit_generator.state = np.random.default_rng(1).bit_generator.state


def normal(*shape, scale=1.0):
    return rng.normal(0, scale, shape).astype(np.float32)


def inputs(tokens, layout="dv", classes=CLASSES):
    """Hidden states, a kernel, a bias and labels, some of them to be ignored."""
    kernel = normal(WIDTH, classes, scale=0.5)
    labels = rng.integers(0, classes, tokens).astype(np.int32)
    labels.reshape(-1)[::5] = -100
    return normal(*tokens, WIDTH), kernel if layout == "dv" else np.ascontiguousarray(kernel.T), normal(classes), labels


CLASS_WEIGHTS = rng.uniform(0.5, 2, CLASSES).astype(np.float32)
SOME = {"ignore_index": -100, "label_smoothing": 0.1, "z_loss": 1e-2, "logit_cap": 4.0}
ALL = {**SOME, "class_weights": CLASS_WEIGHTS, "weights": rng.uniform(0.2, 3, (5, 7)).astype(np.float32)}
ALL["where"] = rng.random((5, 7)) < 0.7
# Tokens that chunks of 8 divide, that they do not (a prime), fewer than one chunk, and many leading axes.
CONFIGURATIONS = {
    "plain": ((37,), {"ignore_index": -100}),
    "all": ((5, 7), ALL),
    "tied": ((3,), {**SOME, "kernel_layout": "vd", "reduction": "sum"}),
    "weighted": (
        (2, 3, 8),
        {
            "ignore_index": -100,
            "class_weights": CLASS_WEIGHTS,
            "weights": np.float32([0.5, 2]),
            "where": rng.random((2, 3)) < 0.8,
            "reduction": "sum_over_batch_size",
        },
    ),
}


def size(mode):
    return None if mode == "dense" else 8


@pytest.mark.parametrize(
    ("configuration", "mode"), [("all", "dense"), *((c, mode) for c in CONFIGURATIONS for mode in CHUNKED)]
)
def test_value_and_gradients_are_those_of_float64(configuration, mode):
    tokens, options = CONFIGURATIONS[configuration]
    x, w, b, t = inputs(tokens, options.get("kernel_layout", "dv"))

    def loss(x, w, b):
        return linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=size(mode), **options)

    value, gradients = jit(jax.value_and_grad(loss, (0, 1, 2)))(x, w, b)
    assert oracle.error(value, oracle.loss(x, w, t, bias=b, **options)) < 5e-7
    for got, expected in zip(gradients, oracle.gradient(x, w, t, bias=b, **options), strict=True):
        assert oracle.error(got, expected) < 5e-7


@pytest.mark.parametrize("accelerator", [False, True])
@pytest.mark.parametrize("mode", CHUNKED)
def test_what_only_one_platform_runs_is_right_on_each(mode, accelerator, monkeypatch, request):
    """The value alone and with its gradients, from what is lowered for CPUs and from what accelerators get instead."""

    def choose(*arrays, cpu, default):
        return (default if accelerator else cpu)(*arrays)

    monkeypatch.setattr(lax, "platform_dependent", choose)
    jax.clear_caches()  # what was traced for the other platform, here and then for the tests that follow
    request.addfinalizer(jax.clear_caches)
    x, w, b, t = inputs((37,))
    b[[0, 20, CLASSES - 1]] = -1e4, 40, -1e4  # of probability 0, of nearly 1
    t[(t == 0) | (t == CLASSES - 1)] = 20
    given = np.where(b == -1e4, -np.inf, b)
    loss = lambda x, w: linear_softmax_cross_entropy(x, w, t, bias=given, mode=mode, chunk_size=8, ignore_index=-100)
    value, (also, slopes) = jit(lambda *a: (loss(*a), jax.value_and_grad(loss, (0, 1))(*a)))(x, w)
    expected = oracle.loss(x, w, t, bias=b, ignore_index=-100)
    assert oracle.error(value, expected) < 5e-7
    assert oracle.error(also, expected) < 5e-7
    for got, true in zip(slopes, oracle.gradient(x, w, t, bias=b, ignore_index=-100), strict=False):
        assert oracle.error(got, true) < 5e-7


@pytest.mark.parametrize("mode", CHUNKED)
def test_it_is_the_loss_of_the_logits(mode):
    """The dense loss of the library with the same options, and its gradients in the numeric options too."""
    x, w, b, t = inputs((5, 7))
    arrays = {k: ALL[k] for k in ("weights", "where")}

    def fused(x, class_weights, s, zeta):
        loss = jaxloss.LinearSoftmaxCrossEntropy(
            class_weights=class_weights, label_smoothing=s, z_loss=zeta, logit_cap=4.0, ignore_index=-100,
            mode=mode, chunk_size=size(mode),
        )  # fmt: skip
        return loss(x, t, kernel=w, bias=b, **arrays)

    def dense(x, class_weights, s, zeta):
        z = jnp.einsum("btd,dv->btv", x, w, precision="highest") + b.reshape(1, 1, -1)
        loss = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(
            class_weights=class_weights, label_smoothing=s, z_loss=zeta, ignore_index=-100
        )
        return loss(4 * jnp.tanh(z / 4), t, **arrays)

    run = jit(lambda *a: [jax.value_and_grad(f, (0, 1, 2, 3))(*a) for f in (fused, dense)])
    got, expected = run(x, CLASS_WEIGHTS, 0.1, 1e-2)
    terms = float(expected[0])  # of the size of the loss; they cancel in the slope in the smoothing
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6, atol=1e-6 * min(terms, np.abs(e).max() if np.ndim(e) else terms))


@pytest.mark.parametrize("mode", ["fast", "low_memory"])
def test_derivatives_of_every_order_and_mode(mode):
    """With all options on: jvp, Hessian products all three ways, vmap, checkpoint."""
    x, w, b, t = inputs((5, 7))
    direction = normal(5, 7, WIDTH), normal(WIDTH, CLASSES), normal(CLASSES)

    def loss(x, w, b):
        return linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=8, **ALL)

    gradient = jax.grad(loss, (0, 1, 2))
    along = lambda *point: jax.jvp(loss, point, direction)[1]
    dot = lambda a, b: sum(jnp.vdot(p, q) for p, q in zip(a, b, strict=True))

    @jit
    def run(*point):
        two = jnp.stack([point[0], 2 * point[0]])
        return {
            "jvp": along(*point),
            "checkpoint": jax.grad(jax.checkpoint(loss), (0, 1, 2))(*point),
            "vmap": jax.vmap(gradient, (0, None, None))(two, *point[1:]),
            "forward over reverse": jax.jvp(gradient, point, direction)[1],
            "reverse over reverse": jax.grad(lambda *p: dot(gradient(*p), direction), (0, 1, 2))(*point),
            "reverse over forward": jax.grad(along, (0, 1, 2))(*point),
        }

    got = run(x, w, b)
    first = oracle.gradient(x, w, t, bias=b, **ALL)
    doubled = oracle.gradient(2 * x, w, t, bias=b, **ALL)
    second = oracle.curvature(x, w, b, t, direction, **ALL)
    terms = np.concatenate([(a * d).ravel() for a, d in zip(first, direction, strict=True)])
    assert abs(got.pop("jvp") - terms.sum()) < 5e-7 * np.linalg.norm(terms)  # they have either sign
    expected = {"checkpoint": first, "vmap": [np.stack(pair) for pair in zip(first, doubled, strict=True)]}
    for way, answers in got.items():
        for a, e in zip(answers, expected.get(way, second), strict=True):
            assert oracle.error(a, e) < 5e-7, way


@pytest.mark.parametrize("option", ["z_loss", "label_smoothing"])
def test_the_mixed_derivative_in_a_weight_and_an_option_of_zero(option):
    x, w, _, t = inputs((16,))
    t = np.maximum(t, 0)

    def mixed(mode):
        how = {"reduction": "sum", "mode": mode, "chunk_size": None if mode == "dense" else 8}
        loss = lambda o, weights: linear_softmax_cross_entropy(x, w, t, weights=weights, **how, **{option: o})
        return jit(jax.jacfwd(jax.grad(loss, 1)))(np.float32(0), np.ones(16, np.float32))

    for mode in CHUNKED:
        np.testing.assert_allclose(mixed(mode), mixed("dense"), rtol=1e-5)


@pytest.mark.parametrize("mode", ["dense", "low_memory"])
def test_log_partition_functions_and_label_logits_take_any_cotangent(mode):
    x, w, b, t = inputs((37,))
    t = np.abs(t) % CLASSES
    of_lse, of_target = normal(37), normal(37)
    pair = partial(linear_logsumexp_and_target, mode=mode, chunk_size=size(mode), logit_cap=4.0)

    @jit
    def run(x, w, b):
        value, pull = jax.vjp(lambda x, w, b: pair(x, w, t, bias=b), x, w, b)
        return value, pull((of_lse, of_target))

    (lse, target), gradients = run(x, w, b)
    _, _, z, _, expected, _ = oracle.forward(x, w, t, bias=b, logit_cap=4.0)
    assert oracle.error(lse, expected) < 5e-7
    assert oracle.error(target, z[np.arange(37), t]) < 5e-7
    expected = oracle.gradient_of_pair(x, w, t, of_lse, of_target, bias=b, logit_cap=4.0)
    for got, e in zip(gradients, expected, strict=True):
        assert oracle.error(got, e) < 5e-7


def test_unreduced_losses_and_what_comes_beside_the_loss():
    x, w, b, t = inputs((5, 7))
    every = {**ALL, "bias": b, "mode": "fast", "chunk_size": 8}

    @jit
    def run(x):
        unreduced = linear_softmax_cross_entropy(x, w, t, reduction="none", **every)
        loss, aux = linear_softmax_cross_entropy(x, w, t, return_aux=True, **every)
        of_aux = jax.grad(lambda x: linear_softmax_cross_entropy(x, w, t, return_aux=True, **every)[1].lse.sum())
        return unreduced, loss, aux, of_aux(x)

    unreduced, loss, aux, slope = run(x)
    kept = ALL["where"] & (t != -100)
    expected = oracle.losses(x, w, t, bias=b, **ALL).reshape(5, 7)
    assert oracle.error(unreduced, np.where(kept, expected * ALL["weights"], 0)) < 5e-7
    assert oracle.error(loss, oracle.loss(x, w, t, bias=b, **ALL)) < 5e-7
    _, _, z, _, lse, _ = oracle.forward(x, w, t, bias=b, **ALL)
    lse = np.where(kept, lse.reshape(5, 7), 0)
    assert oracle.error(aux.lse, lse) < 5e-7
    assert oracle.error(aux.z_loss, 1e-2 * lse**2) < 5e-7
    own = np.take_along_axis(z.reshape(5, 7, -1), np.maximum(t, 0)[..., None], -1)[..., 0]
    assert oracle.error(aux.target_logit, np.where(kept, own, 0)) < 5e-7
    assert int(aux.n_valid) == kept.sum()
    nothing = np.zeros((5, 7))
    assert oracle.error(slope, oracle.gradient_of_pair(x, w, t, kept, nothing, bias=b, **ALL)[0]) < 5e-7


# -------------------------------------------------------------------------------------------------- dtypes and costs


@pytest.mark.parametrize("mode", CHUNKED)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=["bfloat16", "float16"])
def test_half_precision_is_added_in_float32(dtype, mode):
    x, w, b = normal(128, 64), normal(64, 500, scale=1 / 8), normal(500)
    t = rng.integers(0, 500, 128).astype(np.int32)
    x, w = jnp.asarray(x, dtype), jnp.asarray(w, dtype)
    options = {"mode": mode, "chunk_size": None if mode == "dense" else 48, "bias": b}
    value, gradients = jit(jax.value_and_grad(lambda x, w: linear_softmax_cross_entropy(x, w, t, **options), (0, 1)))(
        x, w
    )
    assert value.dtype == jnp.float32
    assert oracle.error(value, oracle.loss(x, w, t, bias=b)) < 1e-6
    for got, expected in zip(gradients, oracle.gradient(x, w, t, bias=b), strict=False):
        assert got.dtype == dtype
        assert np.linalg.norm(oracle.wide(got) - expected) < 2.5e-3 * np.linalg.norm(expected)


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


def abstract(tokens, width, classes, dtype=jnp.float32):
    shapes = ((tokens, width), dtype), ((width, classes), dtype), ((tokens,), jnp.int32)
    return [jax.ShapeDtypeStruct(*s) for s in shapes]


def test_matrix_products_are_three_in_fast_mode_and_four_in_low_memory():
    tokens, width, classes = 512, 256, 640
    one = 2 * tokens * width * classes

    def products(mode, chunk, wrt=(0, 1), wrap=lambda f: f):
        f = lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode=mode, chunk_size=chunk)
        f = jax.grad(wrap(f), wrt) if wrt else f
        return jax.jit(f).lower(*abstract(tokens, width, classes)).compile().cost_analysis()["flops"] / one

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


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
def test_no_more_is_held_than_a_few_chunks(dtype):
    tokens, width, classes = 1024, 32, 16381
    kernel = 4 * width * classes

    def temporaries(mode, chunk):
        f = lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode=mode, chunk_size=chunk)
        compiled = jax.jit(jax.value_and_grad(f, (0, 1))).lower(*abstract(tokens, width, classes, dtype)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    half = 0.5 if dtype == jnp.bfloat16 else 0  # the slopes of the logits, rounded
    assert temporaries("low_memory", 256) < (2.2 + 2 * half) * 4 * tokens * 256 + (kernel if half else 0)
    assert temporaries("fast", 64) < (2.1 + half) * 4 * classes * 64 + (kernel if half else 0) + 8 * tokens * width


@pytest.mark.parametrize(
    ("shape", "share"), [((4096, 256, 32768), 8), ((1024, 1024, 65536), 8), ((4096, 512, 131072), 32)]
)
def test_by_default_a_fraction_of_the_memory_of_a_dense_layer_is_held(shape, share):
    def temporaries(loss):
        compiled = jax.jit(jax.value_and_grad(loss, (0, 1))).lower(*abstract(*shape, jnp.float32)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    dense = temporaries(lambda x, w, t: optax.softmax_cross_entropy_with_integer_labels(x @ w, t).mean())
    ours = temporaries(lambda x, w, t: linear_softmax_cross_entropy(x, w, t, mode="low_memory"))
    assert ours <= dense / share


def test_one_artifact_for_every_platform():
    x, w, b, t = inputs((16,))
    step = jit(
        lambda x, w: [
            jax.value_and_grad(
                lambda x, w: linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=8), (0, 1)
            )(x, w)
            for mode in ("fast", "low_memory")
        ]
    )
    platforms = ("cpu", "tpu", "cuda", "rocm")
    stored = jax.export.export(step, platforms=platforms)(x, w).serialize()
    restored = jax.export.deserialize(bytearray(stored))
    assert restored.platforms == platforms
    for got, expected in zip(jax.tree.leaves(restored.call(x, w)), jax.tree.leaves(step(x, w)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


# ------------------------------------------------------------------------------------------------------- special values


@pytest.mark.parametrize("mode", CHUNKED)
def test_confident_tokens_keep_their_loss_and_gradient(mode):
    """Logits 40, 0, 0: the loss 2 exp(-40) is lost in log(1 + 2 exp(-40)) - 40 + 40."""
    x, w = np.ones((2, 1), np.float32), np.float32([[40, 0, 0]])
    f = lambda x, w: linear_softmax_cross_entropy(
        x, w, np.zeros(2, np.int32), mode=mode, chunk_size=1 if size(mode) else None
    )
    value, (of_x, of_w) = jit(jax.value_and_grad(f, (0, 1)))(x, w)
    tiny = 2 * np.exp(-40.0)
    assert oracle.error(value, tiny) < 1e-5
    assert oracle.error(of_w, np.array([[-tiny, tiny / 2, tiny / 2]])) < 1e-5
    assert oracle.error(of_x, np.full((2, 1), -20 * tiny)) < 1e-5
    certain = jit(jax.value_and_grad(f, (0, 1)))(x, 10 * w)  # a loss of exp(-400) is 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(certain))
    wrong = jit(jax.value_and_grad(f, (0, 1)))(x, -10 * w)
    assert oracle.error(wrong[0], 400 + np.log(2)) < 5e-7
    assert oracle.error(wrong[1][1], np.array([[-1, 0.5, 0.5]])) < 5e-7


@pytest.mark.parametrize("mode", MODES)
def test_confident_tokens_keep_their_curvature(mode):
    f = lambda b: linear_softmax_cross_entropy(np.zeros((1, 1)), np.zeros((1, 3)), np.array([0]), bias=b, mode=mode)
    for gap in (20.0, 44.0, 60.0, 80.0):
        bias, first = jnp.array([gap, 0.0, 0.0]), jnp.array([1.0, 0.0, 0.0])
        curvature = jit(lambda b, v: jax.jvp(jax.grad(f), (b,), (v,))[1])(bias, first)
        np.testing.assert_allclose(curvature, np.exp(-gap) * np.array([2.0, -1.0, -1.0]), rtol=1e-5, err_msg=f"{gap}")


@pytest.mark.parametrize("mode", CHUNKED)
def test_what_is_masked_is_inert_and_a_batch_of_nothing_costs_nothing(mode):
    x, w, b, t = inputs((5, 7))
    options = {**ALL, "mode": mode, "chunk_size": size(mode), "bias": b}
    masked = ~(ALL["where"] & (t != -100))

    @jit
    def run(x, t, where):
        options["where"] = where
        f = lambda x, w: linear_softmax_cross_entropy(x, w, t, **options)
        return jax.value_and_grad(f, (0, 1))(x, w)

    expected = run(x, t, ALL["where"])
    out_of_range = np.where(ALL["where"], t, 999)
    for planted in (np.nan, np.inf, 1e30):
        got = run(np.where(masked[..., None], np.float32(planted), x), out_of_range, ALL["where"])
        for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_array_equal(a, e)
    assert not np.any(expected[1][0][masked])
    for leaf in jax.tree.leaves(run(np.full_like(x, np.nan), t, np.zeros((5, 7), bool))):
        assert not np.any(leaf)


@pytest.mark.parametrize("mode", CHUNKED)
def test_labels_out_of_range_are_nan_and_an_error_under_checked(mode):
    x, w, _, t = inputs((16,))
    t = np.where(t < 0, 0, t)
    t[3] = CLASSES
    loss = partial(linear_softmax_cross_entropy, mode=mode, chunk_size=size(mode))

    @jit
    def run(x, t, where):
        error, _ = checkify.checkify(jaxloss.checked(loss))(x, w, t, where=where)
        pair = linear_logsumexp_and_target(x, w, t, mode=mode, chunk_size=size(mode))
        return error, loss(x, w, t, reduction="none"), jax.value_and_grad(loss)(x, w, t), pair

    error, losses, (value, slope), (lse, target) = run(x, t, np.ones(16, bool))
    assert f"labels must be from 0 to {CLASSES - 1}" in error.get()
    np.testing.assert_array_equal(np.isnan(losses), np.arange(16) == 3)
    assert np.isnan(value)
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[3], 0)
    np.testing.assert_allclose(lse, oracle.forward(x, w, t)[4], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(target), np.arange(16) == 3)
    error, *_ = run(x, t, t < CLASSES)
    assert error.get() is None


def test_one_class_and_no_tokens():
    for mode in MODES:
        run = jit(jax.value_and_grad(partial(linear_softmax_cross_entropy, mode=mode), (0, 1)))
        for tokens, classes in ((4, 1), (0, 5)):
            answers = run(normal(tokens, 3), normal(3, classes), np.zeros(tokens, np.int32))
            assert not any(np.any(leaf) for leaf in jax.tree.leaves(answers))


def test_classes_that_a_bias_of_minus_infinity_excludes():
    x, w, b, t = inputs((16,))
    t = np.abs(t) % 40
    b[40:] = -np.inf
    for mode in MODES:
        f = lambda x, w, b: linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=size(mode))
        value, gradients = jit(jax.value_and_grad(f, (0, 1, 2)))(x, w, b)
        expected = oracle.gradient(x, w[:, :40], t, bias=b[:40])
        assert oracle.error(value, oracle.loss(x, w[:, :40], t, bias=b[:40])) < 5e-7
        assert oracle.error(gradients[0], expected[0]) < 5e-7
        assert oracle.error(gradients[1], np.pad(expected[1], [(0, 0), (0, CLASSES - 40)])) < 5e-7


@pytest.mark.parametrize("mode", MODES)
def test_tokens_of_no_possible_class_cost_what_they_do_in_the_dense_loss(mode):
    """All logits minus infinity: an infinite loss whose gradient is not nan, and nothing where tokens are masked."""
    x, w, b, t = inputs((11,))  # in chunks of 4, of which the last is filled up
    b, t = np.full_like(b, -np.inf), np.abs(t) % CLASSES

    def fused(x, w, b, **options):
        chunk = None if mode == "dense" else 4
        return linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=chunk, **options)

    def dense(x, w, b, **options):
        z = jnp.einsum("td,dv->tv", x, w, precision="highest") + b.reshape(1, -1)
        where = options.pop("where", None)
        return jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**options)(z, t, where=where)

    some, none = np.arange(11) % 3 > 0, np.zeros(11, bool)
    weighed = {"label_smoothing": 0.1, "class_weights": CLASS_WEIGHTS}
    sets = [{}, {"where": some}, {"where": none}, weighed, {**weighed, "where": some}, {**weighed, "where": none}]
    run = jit(lambda *a: [[jax.value_and_grad(partial(f, **o), (0, 1, 2))(*a) for o in sets] for f in (fused, dense)])
    for options, (got, slopes), (expected, of_dense) in zip(sets, *run(x, w, b), strict=True):
        assert got == expected == (0 if options.get("where") is none else np.inf)
        for a, e in zip(slopes, of_dense, strict=True):
            assert oracle.error(a, e) < 5e-7
    lse, target = jit(lambda: linear_logsumexp_and_target(x, w, t, bias=b, mode=mode, chunk_size=size(mode)))()
    assert (lse == -np.inf).all()
    assert (target == -np.inf).all()


def test_an_impossible_first_class_does_not_cost_the_tokens_that_fill_the_last_chunk():
    x, w, b, t = inputs((11,))
    b[0], t = -np.inf, np.abs(t) % 40
    f = lambda x, w: linear_softmax_cross_entropy(x, w, t + 1, bias=b, mode="fast", chunk_size=4)
    value, (of_x, of_w) = jit(jax.value_and_grad(f, (0, 1)))(x, w)
    assert oracle.error(value, oracle.loss(x, w[:, 1:], t, bias=b[1:])) < 5e-7
    expected = oracle.gradient(x, w[:, 1:], t, bias=b[1:])
    assert oracle.error(of_x, expected[0]) < 5e-7
    assert oracle.error(of_w, np.pad(expected[1], [(0, 0), (1, 0)])) < 5e-7


# --------------------------------------------------------------------------------------------------- form and errors


def test_the_class_form_has_the_functions_options():
    import dataclasses
    import inspect

    arrays = {"hidden", "kernel", "labels", "bias", "weights", "where", "return_aux"}
    parameters = inspect.signature(linear_softmax_cross_entropy).parameters
    options = {name: p.default for name, p in parameters.items() if name not in arrays}
    form = jaxloss.LinearSoftmaxCrossEntropy()
    assert {f.name: f.default for f in dataclasses.fields(form)} == options
    assert jaxloss.Loss.from_config(form.get_config()) == form
    assert hash(form.replace(z_loss=1e-4)) == hash(jaxloss.LinearSoftmaxCrossEntropy(z_loss=1e-4))


def test_the_class_form_reduces_totals_and_adds():
    x, w, b, t = inputs((5, 7))
    arrays = {"kernel": w, "bias": b, "weights": ALL["weights"], "where": ALL["where"]}
    form = jaxloss.LinearSoftmaxCrossEntropy(ignore_index=-100, z_loss=1e-3)
    options = {"ignore_index": -100, "z_loss": 1e-3, "bias": b, "weights": ALL["weights"], "where": ALL["where"]}
    run = jit(lambda: (form(x, t, **arrays), form.total(x, t, **arrays), (form + 0.5 * form)(x, t, **arrays)))
    value, (numerator, denominator), both = run()
    assert oracle.error(value, oracle.loss(x, w, t, **options)) < 5e-7
    np.testing.assert_allclose(numerator / denominator, value, rtol=1e-6)
    np.testing.assert_allclose(denominator, ALL["weights"][ALL["where"] & (t != -100)].sum(), rtol=1e-6)
    np.testing.assert_allclose(both, 1.5 * value, rtol=1e-6)
    unreduced = jax.eval_shape(lambda: form.losses(x, t, kernel=w, bias=b, where=ALL["where"]))
    assert unreduced.shape == t.shape
    with pytest.raises(ValueError, match="LinearSoftmaxCrossEntropy: reduction must be one of"):
        form.replace(reduction="average")


def test_the_mode_that_auto_comes_to():
    """By the products in the program: of dense, of a loop over tokens, of a loop over classes."""

    def loops(tokens, width, classes, dtype, **options):
        f = lambda x, w, t: linear_softmax_cross_entropy(x, w, t, **options)
        return str(jax.make_jaxpr(f)(*abstract(tokens, width, classes, dtype)))

    large, half = (8192, 4096, 131072), jnp.bfloat16
    assert "scan" not in loops(1024, 64, 8192, jnp.float32)
    assert "bf16[1024,4096]" in loops(*large, half, mode="fast")
    assert "f32[1024,131072]" in loops(*large, jnp.float32)  # a float32 kernel needs no accumulator
    assert "f32[8192,4096]" in loops(*large, half)  # 128 MB of logits for as many classes as that allows
    assert "f32[1024,131072]" not in loops(*large, jnp.float32, reduction="none")


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (ValueError, ["hidden (4, 3)", "kernel (5, 7)", "kernel_layout"], {"kernel": np.ones((5, 7), np.float32)}),
        (ValueError, ["hidden (4, 3)", "kernel (3, 7)"], {"kernel_layout": "vd"}),
        (ValueError, ["kernel (3,)", "two axes"], {"kernel": np.ones(3, np.float32)}),
        (ValueError, ["kernel (3, 0)", "no class"], {"kernel": np.ones((3, 0), np.float32)}),
        (ValueError, ["kernel_layout", "'dv', 'vd'", "'dw'"], {"kernel_layout": "dw"}),
        (TypeError, ["hidden", "int32"], {"hidden": np.ones((4, 3), np.int32)}),
        (TypeError, ["kernel", "int32"], {"kernel": np.ones((3, 7), np.int32)}),
        (TypeError, ["labels", "float32", "integers"], {"labels": np.zeros(4, np.float32)}),
        (ValueError, ["labels (3,)", "hidden (4, 3)", "(4,)"], {"labels": np.zeros(3, np.int32)}),
        (ValueError, ["bias", "(7,)", "(3,)"], {"bias": np.ones(3, np.float32)}),
        (ValueError, ["class_weights", "(7,)", "(8,)"], {"class_weights": np.ones(8, np.float32)}),
        (ValueError, ["weights (3,)", "losses (4,)"], {"weights": np.ones(3, np.float32)}),
        (TypeError, ["where", "boolean"], {"where": np.ones(4, np.float32)}),
        (TypeError, ["ignore_index", "1.5"], {"ignore_index": 1.5}),
        (ValueError, ["label_smoothing", "1.5"], {"label_smoothing": 1.5}),
        (ValueError, ["label_smoothing", "-0.1"], {"label_smoothing": -0.1}),
        (ValueError, ["z_loss", "-1"], {"z_loss": -1.0}),
        (ValueError, ["logit_cap", "above 0", "0.0"], {"logit_cap": 0.0}),
        (ValueError, ["reduction", "'average'"], {"reduction": "average"}),
        (ValueError, ["mode", "'quick'"], {"mode": "quick"}),
        (ValueError, ["chunk_size", "at least 1", "0"], {"chunk_size": 0}),
        (TypeError, ["chunk_size", "integer", "2.5"], {"chunk_size": 2.5}),
        (TypeError, ["compute_dtype", "int32"], {"compute_dtype": "int32"}),
        (TypeError, ["compute_dtype", "'half'"], {"compute_dtype": "half a dozen"}),
        (ValueError, ["vocab_axis_name", "'model'", "shard_map"], {"vocab_axis_name": "model"}),
    ],
)
def test_bad_input_is_refused(error, words, change):
    x, w, t = np.ones((4, 3), np.float32), np.ones((3, 7), np.float32), np.zeros(4, np.int32)
    arguments = {"hidden": x, "kernel": w, "labels": t, **change}
    with pytest.raises(error) as raised:
        jax.eval_shape(lambda: linear_softmax_cross_entropy(**arguments))
    message = str(raised.value)
    assert message.startswith("linear_softmax_cross_entropy: ")
    for word in words if "'half'" not in words else ["compute_dtype", "half a dozen"]:
        assert word in message
