"""The fused last layer, reduced, against float64 by hand: value, derivatives of every order, what comes beside it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests import cases
from tests.compiling import quick
from tests.fused import oracle
from tests.fused.layers import ALL, ASKED, CHUNKED, CLASS_WEIGHTS, CLASSES, MODES, SOME, WIDTH, inputs, normal, size

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
            "where": np.array([[True, False, True], [True, True, True]]),
            "reduction": "sum_over_batch_size",
        },
    ),
}
EACH = [("all", "dense"), *((c, mode) for c in CONFIGURATIONS for mode in CHUNKED)]
# The fast mode with all options is in the next test.
SOME_OF_THEM = [("tied", "fast"), ("weighted", "fast"), ("all", "low_memory")]


@pytest.mark.parametrize(("configuration", "mode"), EACH if cases.EVERY else SOME_OF_THEM)
def test_value_and_gradients_are_those_of_float64(configuration, mode):
    tokens, options = CONFIGURATIONS[configuration]
    x, w, b, t = inputs(tokens, options.get("kernel_layout", "dv"))

    def loss(x, w, b):
        return linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=size(mode), **options)

    value, gradients = quick(jax.value_and_grad(loss, (0, 1, 2)))(x, w, b)
    assert oracle.error(value, oracle.loss(x, w, t, bias=b, **options)) < 5e-7
    for got, expected in zip(gradients, oracle.gradient(x, w, t, bias=b, **options), strict=True):
        assert oracle.error(got, expected) < 5e-7


@pytest.mark.parametrize("mode", CHUNKED if cases.EVERY else ASKED)
def test_derivatives_of_every_order_and_mode(mode):
    """With all options on: value, gradient, jvp, Hessian products; with --every by all three ways, vmap, checkpoint."""
    x, w, b, t = inputs((5, 7))
    rng = np.random.default_rng(0)
    direction = normal(rng, 5, 7, WIDTH), normal(rng, WIDTH, CLASSES), normal(rng, CLASSES)

    def loss(x, w, b):
        return linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=8, **ALL)

    gradient = jax.grad(loss, (0, 1, 2))
    along = lambda *point: jax.jvp(loss, point, direction)[1]
    dot = lambda a, b: sum(jnp.vdot(p, q) for p, q in zip(a, b, strict=True))

    @quick
    def run(*point):
        two = jnp.stack([point[0], 2 * point[0]])
        value, first = jax.value_and_grad(loss, (0, 1, 2))(*point)
        answers = {
            "gradient": first,
            "forward over reverse": jax.jvp(gradient, point, direction)[1],
            "reverse over reverse": jax.grad(lambda *p: dot(gradient(*p), direction), (0, 1, 2))(*point),
        }
        if cases.EVERY:
            answers["reverse over forward"] = jax.grad(along, (0, 1, 2))(*point)
            answers["checkpoint"] = jax.grad(jax.checkpoint(loss), (0, 1, 2))(*point)
            answers["vmap"] = jax.vmap(gradient, (0, None, None))(two, *point[1:])
        return value, along(*point), answers

    value, slope, got = run(x, w, b)
    assert oracle.error(value, oracle.loss(x, w, t, bias=b, **ALL)) < 5e-7
    first = oracle.gradient(x, w, t, bias=b, **ALL)
    doubled = oracle.gradient(2 * x, w, t, bias=b, **ALL)
    second = oracle.curvature(x, w, b, t, direction, **ALL)
    terms = np.concatenate([(a * d).ravel() for a, d in zip(first, direction, strict=True)])
    assert abs(slope - terms.sum()) < 5e-7 * np.linalg.norm(terms)  # they have either sign
    pairs = [np.stack(pair) for pair in zip(first, doubled, strict=True)]
    expected = {"gradient": first, "checkpoint": first, "vmap": pairs}
    for way, answers in got.items():
        for a, e in zip(answers, expected.get(way, second), strict=True):
            assert oracle.error(a, e) < 5e-7, way


@pytest.mark.parametrize("mode", CHUNKED if cases.EVERY else ASKED)
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

    run = quick(lambda *a: [jax.value_and_grad(f, (0, 1, 2, 3))(*a) for f in (fused, dense)])
    got, expected = run(x, CLASS_WEIGHTS, 0.1, 1e-2)
    terms = float(expected[0])  # of the size of the loss; they cancel in the slope in the smoothing
    for a, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6, atol=1e-6 * min(terms, np.abs(e).max() if np.ndim(e) else terms))


def test_the_mixed_derivative_in_a_weight_and_an_option_of_zero():
    x, w, _, t = inputs((16,))
    t = np.maximum(t, 0)

    def mixed(option, mode):
        how = {"reduction": "sum", "mode": mode, "chunk_size": size(mode)}
        loss = lambda o, weights: linear_softmax_cross_entropy(x, w, t, weights=weights, **how, **{option: o})
        return lambda o, weights: jax.jacfwd(jax.grad(loss, 1))(o, weights)

    modes = MODES if cases.EVERY else ["dense", *ASKED]
    run = quick(lambda *a: {o: {mode: mixed(o, mode)(*a) for mode in modes} for o in ("z_loss", "label_smoothing")})
    for option, answers in run(np.float32(0), np.ones(16, np.float32)).items():
        for mode, got in answers.items():
            np.testing.assert_allclose(got, answers["dense"], rtol=1e-5, err_msg=f"{option} {mode}")
        assert np.any(answers["dense"])


@pytest.mark.parametrize("mode", ["dense", "low_memory"] if cases.EVERY else ["low_memory"])
def test_log_partition_functions_and_label_logits_take_any_cotangent(mode):
    """A label out of range among them, whose logit is nan and has no slope."""
    x, w, b, t = inputs((37,))
    t = np.abs(t) % CLASSES
    t[3] = CLASSES
    known = t < CLASSES
    of_lse, of_target = normal(np.random.default_rng(0), 2, 37)
    pair = partial(linear_logsumexp_and_target, mode=mode, chunk_size=size(mode), logit_cap=4.0)

    @quick
    def run(x, w, b):
        value, pull = jax.vjp(lambda x, w, b: pair(x, w, t, bias=b), x, w, b)
        return value, pull((of_lse, of_target))

    (lse, target), gradients = run(x, w, b)
    _, _, z, _, expected, own = oracle.forward(x, w, t, bias=b, logit_cap=4.0)
    assert oracle.error(lse, expected) < 5e-7
    np.testing.assert_array_equal(np.isnan(target), ~known)
    assert oracle.error(target[known], z[np.arange(37), own][known]) < 5e-7
    expected = oracle.gradient_of_pair(x, w, t, of_lse, of_target * known, bias=b, logit_cap=4.0)
    for got, e in zip(gradients, expected, strict=True):
        assert oracle.error(got, e) < 5e-7


def test_the_values_returned_beside_the_loss():
    """The losses with weights, which are not reduced, too."""
    x, w, b, t = inputs((5, 7))
    every = {**ALL, "bias": b, "mode": "fast", "chunk_size": 8}

    @quick
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


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (ValueError, ["hidden (4, 3)", "kernel (5, 7)", "kernel_layout"], {"kernel": np.ones((5, 7), np.float32)}),
        (ValueError, ["kernel (3,)", "two axes"], {"kernel": np.ones(3, np.float32)}),
        (ValueError, ["kernel (3, 0)", "no class"], {"kernel": np.ones((3, 0), np.float32)}),
        (TypeError, ["kernel", "int32"], {"kernel": np.ones((3, 7), np.int32)}),
        (ValueError, ["bias", "(7,)", "(3,)"], {"bias": np.ones(3, np.float32)}),
        (ValueError, ["weights (3,)", "losses (4,)"], {"weights": np.ones(3, np.float32)}),
        (ValueError, ["vocab_axis_name", "'model'", "shard_map"], {"vocab_axis_name": "model"}),
    ],
)
def test_bad_layers_are_refused(error, words, change):
    """Bad options, dtypes and shapes of a batch are refused in tests/sweeps/test_errors.py."""
    x, w, t = np.ones((4, 3), np.float32), np.ones((3, 7), np.float32), np.zeros(4, np.int32)
    arguments = {"hidden": x, "kernel": w, "labels": t, **change}
    with pytest.raises(error) as raised:
        jax.eval_shape(lambda: linear_softmax_cross_entropy(**arguments))
    message = str(raised.value)
    assert message.startswith("linear_softmax_cross_entropy: ")
    for word in words:
        assert word in message
