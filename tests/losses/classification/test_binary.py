import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import BITS, LOG_ODDS, PROBABILITIES, SOFT_BITS, Case, Limit
from tests.compiling import quick


def smooth(y, s):
    return (1 - s) * y + s / 2


def bce(x, y, label_smoothing=0, pos_weight=1):
    y = smooth(y, label_smoothing)
    positive, negative = mp.log1p(mp.exp(-x)), mp.log1p(mp.exp(x))
    return pos_weight * y * positive + (1 - y) * negative


def bce_probability(p, y, label_smoothing=0, pos_weight=1):
    y = smooth(y, label_smoothing)
    return -(pos_weight * y * mp.log(p) if y else 0) - ((1 - y) * mp.log1p(-p) if y != 1 else 0)


def slope_terms(x, y, label_smoothing=0, pos_weight=1):
    y = smooth(y, label_smoothing)
    return pos_weight * y / (1 + mp.exp(x)), (1 - y) / (1 + mp.exp(-x))


HARD = lambda: cases.product(cases.logits(), [0.0, 1.0])
SOFT = lambda: cases.product(cases.logits(), [0.3, 0.999])
HARD_PROBABILITIES = lambda: cases.product(cases.unit(), [0.0, 1.0])
SOFT_PROBABILITIES = lambda: cases.product(cases.unit(), [0.25, 0.5, 0.999])
M3, M4 = Limit(strict=3), Limit(strict=4)
BAD = {**cases.BAD_SMOOTHING, "pos_weight": (0.0, -2.0, np.ones((2, 2), np.float32))}


def _logits(options, grid, gradient, labels=BITS, value=M3, second=M4, name=""):
    return Case(
        fn=jaxloss.sigmoid_binary_cross_entropy,
        form=jaxloss.SigmoidBinaryCrossEntropy,
        arrays={"logits": LOG_ODDS, "labels": labels},
        oracle=bce,
        options=options,
        bad_options=BAD,
        grid=grid,
        value=value,
        gradient=gradient,
        second=second,
        gradient_terms=slope_terms,
        name=name,
    )


def _probabilities(options, grid, gradient=M4, second=M4, labels=BITS, name=""):
    return Case(
        fn=jaxloss.binary_cross_entropy,
        form=jaxloss.BinaryCrossEntropy,
        arrays={"probabilities": PROBABILITIES, "labels": labels},
        oracle=bce_probability,
        options=options,
        bad_options=BAD,
        grid=grid,
        value=M3,
        gradient=gradient,
        second=second,
        gradient_terms=lambda p, y, label_smoothing=0, pos_weight=1: (pos_weight * y / p, (1 - y) / (1 - p)),
        name=name,
    )


CASES = [
    _logits({}, HARD, M3),
    _logits({"pos_weight": 2.5}, HARD, M4, value=M4, second=Limit(strict=6)),
    _logits({"label_smoothing": 0.125}, SOFT, Limit(scaled=8), labels=SOFT_BITS, value=M4),
    _logits({}, SOFT, Limit(scaled=4), labels=SOFT_BITS, name="sigmoid_bce soft"),
    _logits({"label_smoothing": 0.125, "pos_weight": 2.5}, None, M4, labels=SOFT_BITS),
    _probabilities({}, HARD_PROBABILITIES),
    _probabilities({}, SOFT_PROBABILITIES, labels=SOFT_BITS, name="bce soft"),
    _probabilities(
        {"pos_weight": 2.5, "label_smoothing": 0.125},
        SOFT_PROBABILITIES,
        Limit(scaled=8),
        Limit(strict=8),
        labels=SOFT_BITS,
    ),
]


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_infinite_logits_have_loss_zero_where_they_agree_and_an_infinite_one_elsewhere(y):
    agree, disagree = (jnp.inf, -jnp.inf) if y else (-jnp.inf, jnp.inf)
    run = quick(jax.value_and_grad(lambda x: jaxloss.sigmoid_binary_cross_entropy(x, y)))
    assert tuple(map(float, run(agree))) == (0, 0)
    assert tuple(map(float, run(disagree))) == (np.inf, -1 if y else 1)


@pytest.mark.parametrize(
    ("p", "y", "value", "slope"), [(0.0, 0.0, 0, 1), (1.0, 1.0, 0, -1), (0.0, 1.0, np.inf, -np.inf)]
)
def test_certain_probabilities(p, y, value, slope):
    got = quick(jax.value_and_grad(lambda p: jaxloss.binary_cross_entropy(p, y)))(p)
    assert tuple(map(float, got)) == (value, slope)


def test_confident_logits_keep_their_loss_and_gradient():
    value, slope = jax.value_and_grad(lambda x: jaxloss.sigmoid_binary_cross_entropy(x, 1.0))(30.0)
    np.testing.assert_allclose([value, -slope], np.exp(-30.0), rtol=1e-6)


def test_labels_can_be_learned():
    slope = quick(jax.grad(lambda y: jaxloss.sigmoid_binary_cross_entropy(jnp.array([2.0, 2.0]), y).sum()))(
        np.float32([0, 0.5])
    )
    np.testing.assert_allclose(slope, [-2.0, -2.0], rtol=1e-6)
