"""PyTorch's cross-entropy of a last layer: its options, its weights in the call, what is refused."""

import json

import jax
import numpy as np
import pytest

import jaxloss.torch as ours
from jaxloss.torch import functional as F
from tests.cases import labels, normal
from tests.compiling import jit
from tests.torch.refusing import LABELS, X, Y, bad_input_is_refused

KERNEL = np.zeros((5, 4), np.float32)


def _layer(dtype=np.float32):
    rng = np.random.default_rng(0)
    return normal(rng, (7, 4)).astype(dtype), normal(rng, (5, 4)).astype(dtype), labels(rng, (7,))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_rows_are_taken_some_at_a_time(reduction):
    x, kernel, target = _layer()
    plans = [None, ours.LinearCrossEntropyOptions(), ours.LinearCrossEntropyOptions(batch_chunk_size=3)]
    loss = lambda options: lambda x: F.linear_cross_entropy(x, kernel, target, reduction=reduction, options=options)
    whole, *others = jit(lambda: [jax.vjp(loss(o), x)[0] for o in plans])()
    for value in others:
        np.testing.assert_allclose(value, whole, rtol=1e-6)
    texts = [str(jax.make_jaxpr(jax.grad(lambda x, o=o: loss(o)(x).sum()))(x)) for o in plans]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_options_are_values_and_the_wrong_ones_are_refused():
    plan = ours.LinearCrossEntropyOptions(batch_chunk_size=3, acc_dtype=np.float32)
    form = ours.LinearCrossEntropyLoss(options=plan)
    assert ours.Loss.from_config(json.loads(json.dumps(form.get_config()))) == form
    assert form != ours.LinearCrossEntropyLoss()
    for wrong in ({"batch_chunk_size": 0}, {"batch_chunk_size": 0.5}, {"acc_policy": "exact"}):
        with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
            ours.LinearCrossEntropyOptions(**wrong)
    with pytest.raises(TypeError, match="options must be LinearCrossEntropyOptions"):
        F.linear_cross_entropy(*_layer(), options={"batch_chunk_size": 3})


def test_the_class_holds_no_weights():
    x, kernel, target = _layer()
    expected = jit(F.linear_cross_entropy)(x, kernel, target)
    np.testing.assert_array_equal(jit(ours.LinearCrossEntropyLoss())(x, target, kernel), expected)
    for make in (lambda: ours.LinearCrossEntropyLoss(4, 5), lambda: ours.LinearCrossEntropyLoss(bias=True)):
        with pytest.raises(TypeError, match=r"holds no weights.*when it is called"):
            make()


ERRORS = [
    (F.linear_cross_entropy, (X[None], KERNEL, LABELS), {}, ValueError, ["input", "(N, D)", "(1, 3, 4)"]),
    (F.linear_cross_entropy, (X, KERNEL.T, LABELS), {}, ValueError, ["linear_weight (4, 5)", "input (3, 4)"]),
    (F.linear_cross_entropy, (X, KERNEL[0], LABELS), {}, ValueError, ["linear_weight (4,)"]),
    (F.linear_cross_entropy, (X[0], KERNEL[:, None], LABELS[:1]), {}, ValueError, ["linear_weight (5, 1, 4)"]),
    (F.linear_cross_entropy, (X, KERNEL[:0], LABELS), {}, ValueError, ["linear_weight (0, 4)", "no class"]),
    (F.linear_cross_entropy, (X, KERNEL, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
    (F.linear_cross_entropy, (X, KERNEL, Y[:, 0]), {}, TypeError, ["target", "integers", "(3, 5)"]),
    (F.linear_cross_entropy, (X, KERNEL, LABELS), {"linear_bias": Y[0]}, ValueError, ["linear_bias", "(5,)", "(4,)"]),
    (F.linear_cross_entropy, (X, KERNEL, LABELS), {"weight": Y[0]}, ValueError, ["weight", "(5,)"]),
    (F.linear_cross_entropy, (X, KERNEL, X @ KERNEL.T), {"ignore_index": -1}, ValueError, ["ignore_index", "None"]),
    (F.linear_cross_entropy, (X, KERNEL, (X @ KERNEL.T).astype(int)), {}, TypeError, ["target", "floats"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
