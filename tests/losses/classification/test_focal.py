from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import BITS, CLASS_WEIGHTS, CLASSES, LABELS, LOG_ODDS, LOGITS, MASSES, SOFT_BITS, Case, Limit
from tests.compiling import optimized, quick
from tests.losses.classification.test_cross_entropy import label_grid, log_softmax, one_hot
from tests.ulp import exact


def sigmoid_focal(x, y, alpha=None, gamma=2, label_smoothing=0):
    y = (1 - label_smoothing) * y + mp.mpf(label_smoothing) / 2
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    miss = y * q + (1 - y) * p
    weight = 1 if alpha is None else alpha * y + (1 - alpha) * (1 - y)
    return weight * miss**gamma * (y * mp.log1p(mp.exp(-x)) + (1 - y) * mp.log1p(mp.exp(x)))


def softmax_focal(x, t, alpha=None, gamma=2, label_smoothing=0, ignore_index=None):
    y = one_hot(t, len(x)) if not isinstance(t, list) else t
    y = [(1 - mp.mpf(label_smoothing)) * v + mp.mpf(label_smoothing) / len(x) for v in y]
    alphas = list(alpha) if np.ndim(alpha) else [1 if alpha is None else alpha] * len(x)
    alphas = [exact(a) if isinstance(a, np.floating) else a for a in alphas]
    total = mp.mpf(0)
    for a, v, lp in zip(alphas, y, log_softmax(x), strict=True):
        total += a * v * (-mp.expm1(lp)) ** gamma * -lp if v else 0
    return total


def slope_terms(x, y, **_):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return y * q, (1 - y) * p, p * q


def slope_in_nll(c, gamma):
    return mp.diff(lambda c: (-mp.expm1(-c)) ** gamma * c, c)


def formula(x, y, alpha=1, gamma=2, label_smoothing=0, ignore_index=None):
    """The softmax form for whole arrays in float64."""
    if y.ndim < x.ndim:
        y = jnp.float64(jnp.arange(x.shape[-1]) == y[..., None])
    y = (1 - label_smoothing) * y + label_smoothing / x.shape[-1]
    logs = jax.nn.log_softmax(x)
    return -jnp.sum(alpha * y * (1 - jnp.exp(logs)) ** gamma * logs, -1)


BAD = {**cases.BAD_SMOOTHING, "gamma": (-1.0, "two"), "alpha": (-0.5, np.ones((2, 2), np.float32))}
ROW_BAD = {**BAD, **cases.BAD_AXES, **cases.BAD_IGNORE}


def _sigmoid(gamma, value, gradient, second, labels=BITS, **options):
    return Case(
        fn=jaxloss.sigmoid_focal_loss,
        form=jaxloss.SigmoidFocalLoss,
        held=2,  # the power, and the exponential that it is a power of, each for value and slope
        arrays={"logits": LOG_ODDS, "labels": labels},
        oracle=sigmoid_focal,
        options={"gamma": gamma, **options},
        bad_options=BAD,
        # Beyond, the powers of the smallest probabilities underflow.
        grid=lambda: cases.product(cases.logits()[np.abs(cases.logits()) < (30 if gamma < 5 else 12)], [0.0, 1.0]),
        value=Limit(strict=value),
        gradient=Limit(strict=gradient),
        second=Limit(strict=second) if gamma == 0 else Limit(scaled=second),
        gradient_terms=slope_terms,
        extreme_terms=1e-6,  # what the oracle's steps in a label leave of the square of the miss
        second_terms=lambda x, y, **_: (sigmoid_focal(x, y, **{"gamma": gamma, **options}),),
    )


def _softmax(gamma, labels=LABELS, grid=True, second=24, name="", **options):
    return Case(
        fn=jaxloss.softmax_focal_loss,
        form=jaxloss.SoftmaxFocalLoss,
        arrays={"logits": LOGITS, "labels": labels},
        oracle=softmax_focal,
        formula=formula,
        options={"gamma": gamma, **options},
        bad_options=ROW_BAD,
        grid=(lambda: label_grid(widest=30 if gamma < 5 else 12)) if grid else None,
        value=Limit(strict=32),
        gradient=Limit(strict=48),
        second=Limit(scaled=second),
        second_terms=lambda x, t, **_: [
            2 * mp.exp(lp) * slope_in_nll(-log_softmax(x)[int(t)], gamma) for lp in log_softmax(x)
        ],
        name=name,
    )


SMOOTH = {"label_smoothing": 0.1, "ignore_index": -100}
CASES = [
    _sigmoid(0.0, 3, 3, 4),
    _sigmoid(0.5, 4, 6, 8),
    _sigmoid(2.0, 8, 8, 12),
    _sigmoid(5.0, 16, 16, 20),
    _sigmoid(2.0, 9, 9, 12, alpha=0.25),
    replace(_sigmoid(1.5, 9, 9, 12, labels=SOFT_BITS, alpha=0.3, label_smoothing=0.1), grid=None),
    _softmax(0.5),
    _softmax(2.0),
    _softmax(5.0),
    _softmax(1.5, grid=False, alpha=CLASS_WEIGHTS, **SMOOTH, name="softmax_focal_loss[all]"),
    _softmax(2.0, labels=replace(MASSES, tolerated=True), grid=False, alpha=0.25, name="softmax_focal_loss[dense]"),
]


def test_gamma_of_zero_is_the_cross_entropy():
    x, t = cases.normal(np.random.default_rng(0), (8, CLASSES)), np.arange(8) % CLASSES
    plain = quick(lambda x, t: jaxloss.softmax_focal_loss(x, t, gamma=0.0))(x, t)
    np.testing.assert_array_equal(plain, quick(jaxloss.softmax_cross_entropy_with_integer_labels)(x, t))
    np.testing.assert_allclose(quick(lambda g: jaxloss.softmax_focal_loss(x, t, gamma=g))(0.0), plain)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_saturated_examples_have_neither_loss_nor_gradient_nor_curvature(gamma):
    for loss, x in (
        (lambda x: jaxloss.sigmoid_focal_loss(x, 1.0, gamma=gamma), 300.0),
        (lambda x: jaxloss.softmax_focal_loss(jnp.stack([x, 0 * x]), 0, gamma=gamma), 300.0),
    ):
        run = optimized(lambda x: (loss(x), jax.grad(loss)(x), jax.grad(jax.grad(loss))(x)))
        assert tuple(map(float, run(x))) == (0, 0, 0)


@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_the_mixed_derivative_is_the_same_in_both_orders(y):
    f = lambda x, y: jaxloss.sigmoid_focal_loss(x, y)
    one, other = quick(lambda x, y: [jax.grad(jax.grad(f, a), b)(x, y) for a, b in ((0, 1), (1, 0))])(2.0, y)
    np.testing.assert_allclose(one, other, rtol=1e-5)
    # d/dy of q^2 c, differentiated in x, by hand in float64.
    s = lambda x: 1 / (1 + np.exp(-x))
    q = lambda x: y * s(-x) + (1 - y) * s(x)
    c = lambda x: -y * np.log(s(x)) - (1 - y) * np.log(s(-x))
    in_y = lambda x: 2 * q(x) * (s(-x) - s(x)) * c(x) - q(x) ** 2 * x
    np.testing.assert_allclose(one, (in_y(2 + 1e-5) - in_y(2 - 1e-5)) / 2e-5, rtol=1e-5)


def test_confidently_wrong_logits_keep_their_gradient():
    assert jax.grad(lambda x: jaxloss.sigmoid_focal_loss(x, 1.0))(-40.0) == -1
