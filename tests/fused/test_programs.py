"""How the fused losses are run: eagerly without compiling anew, exported for any batch, under strict promotion."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, monitoring

from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests import cases
from tests.compiling import quick
from tests.fused.layers import ASKED, CHUNKED

MODES = {"dense": None, "fast": 4, "low_memory": 5}
TOKENS, WIDTH, CLASSES = 6, 4, 12
HIDDEN, KERNEL, BIAS, CLASS_WEIGHTS = (
    np.random.default_rng(seed).uniform(0.5, 1.5, shape).astype(np.float32)
    for seed, shape in enumerate(((TOKENS, WIDTH), (WIDTH, CLASSES), (CLASSES,), (CLASSES,)))
)
LABELS = np.array([0, 3, 11, -100, 5, 5], np.int32)
ALL = {
    "ignore_index": -100,
    "label_smoothing": 0.1,
    "z_loss": 1e-2,
    "logit_cap": 4.0,
    "bias": BIAS,
    "class_weights": CLASS_WEIGHTS,
    "class_mask": np.arange(CLASSES) != 7,
    "where": np.arange(TOKENS) != 4,
    "weights": np.float32([1, 2, 3, 4, 5, 6]),
}


def compilations(call):
    """How many programs are compiled, and functions traced, in a call."""
    seen = []
    listen = lambda event, duration, **_: seen.append(event)
    monitoring.register_event_duration_secs_listener(listen)
    try:
        jax.block_until_ready(call())
    finally:
        monitoring.unregister_event_duration_listener(listen)
    return sum(event.endswith(("backend_compile_duration", "jaxpr_trace_duration")) for event in seen)


@pytest.mark.parametrize("reduction", ["mean", "none"] if cases.EVERY else ["mean"])
@pytest.mark.parametrize("mode", MODES if cases.EVERY else ASKED)
def test_a_second_eager_derivative_along_a_tangent_compiles_nothing(mode, reduction):
    """Nor do those of the pair; tests/sweeps/test_modes.py asks for the loss and its gradient."""

    def loss(x, w):
        options = {**ALL, "reduction": reduction, "mode": mode, "chunk_size": MODES[mode]}
        return linear_softmax_cross_entropy(x, w, LABELS, **options).sum()

    def pair(x, w):
        return sum(a.sum() for a in linear_logsumexp_and_target(x, w, LABELS, mode=mode, ignore_index=-100))

    point = jnp.asarray(HIDDEN), jnp.asarray(KERNEL)
    for f in (loss, pair):
        for g in (f, jax.grad(f, (0, 1))) if cases.EVERY else (f,):
            call = lambda g=g: jax.jvp(g, point, point)
            call()
            assert not compilations(call)
    assert compilations(lambda: jax.jit(lambda x: x + 1)(1.0)), "nothing is counted"


SYMBOLIC = ["n, 4; 4, v; n", "n, 4; 4, 12; n", "6, 4; 4, v; 6"]


@pytest.mark.parametrize("shapes", SYMBOLIC if cases.EVERY else SYMBOLIC[:1])
def test_any_number_of_tokens_or_of_classes_is_one_artifact(shapes):
    """The sweep of tests/sweeps/test_export.py leaves the classes as they are, for there is a weight for each."""
    how = {"label_smoothing": 0.1, "z_loss": 1e-2, "ignore_index": -100}
    modes = MODES if cases.EVERY else CHUNKED

    def loss(mode, x, w, t):
        return linear_softmax_cross_entropy(x, w, t, mode=mode, chunk_size=MODES[mode], **how)

    every = lambda *a: {mode: jax.value_and_grad(partial(loss, mode), (0, 1))(*a) for mode in modes}
    scope = export.SymbolicScope()
    arguments = [
        jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), dtype)
        for shape, dtype in zip(shapes.split(";"), (np.float32, np.float32, np.int32), strict=True)
    ]
    exported = export.export(jax.jit(every))(*arguments)
    got, expected = quick(lambda *a: (exported.call(*a), every(*a)))(HIDDEN, KERNEL, LABELS)
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)


DTYPES = [("float32", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16"), ("float64", "float64")]
DTYPES += [("bfloat16", "float32"), ("float64", "float32"), ("float16", "bfloat16"), ("float32", "bfloat16")]


@pytest.mark.parametrize(("of_hidden", "of_kernel"), DTYPES if cases.EVERY else DTYPES[-1:])
def test_every_dtype_under_strict_promotion_with_64_bits(of_hidden, of_kernel):
    """Traced in every mode; the values are the sweeps' matter."""
    with jax.enable_x64(True):
        x, w = (jax.ShapeDtypeStruct(a.shape, jnp.dtype(d)) for a, d in ((HIDDEN, of_hidden), (KERNEL, of_kernel)))
        for mode, chunk in MODES.items():
            for options in ({}, ALL) if cases.EVERY else (ALL,):

                def loss(x, w, how=(mode, chunk), options=options):
                    t = jnp.asarray(LABELS if options else np.abs(LABELS) % CLASSES, jnp.int64)
                    return linear_softmax_cross_entropy(x, w, t, mode=how[0], chunk_size=how[1], **options)

                value, gradients = jax.eval_shape(jax.value_and_grad(loss, (0, 1)), x, w)
                assert value.dtype == (jnp.float64 if "float64" in (of_hidden, of_kernel) else jnp.float32)
                assert [g.dtype for g in gradients] == [of_hidden, of_kernel]


@pytest.mark.parametrize("mode", MODES if cases.EVERY else ASKED)
def test_valid_input_makes_no_nan_on_the_way(mode):
    """Under `jax_debug_nans`, with nan in what is masked and classes that a bias excludes."""
    excluded = BIAS.copy()
    excluded[9] = -np.inf
    hidden = np.where(ALL["where"][:, None], HIDDEN, np.nan).astype(np.float32)
    padded = jnp.asarray(np.where(ALL["class_mask"], KERNEL, np.nan).astype(np.float32))
    options = {**ALL, "label_smoothing": 0.0, "bias": excluded, "mode": mode, "chunk_size": MODES[mode]}
    loss = lambda x, w: linear_softmax_cross_entropy(x, w, LABELS, **options)
    step, hidden = jax.value_and_grad(loss, (0, 1)), jnp.asarray(hidden)
    with jax.debug_nans(True):
        for run in (step, quick(step)) if cases.EVERY else (step,):
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run(hidden, padded)))
