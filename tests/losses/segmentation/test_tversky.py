from dataclasses import replace

import jax
import numpy as np

import jaxloss
from tests import cases
from tests.cases import Limit
from tests.losses.segmentation.test_dice import (
    ALL,
    BAD,
    HOT,
    PIXELS,
    SHARES,
    SOFT,
    confident,
    overlap_case,
    shares,
)

OF = {
    "fn": jaxloss.tversky_loss,
    "form": jaxloss.TverskyLoss,
    "bad": {**BAD, "gamma": (-1.0, "two", np.ones(2, np.float32))},
}
CASES = [
    replace(  # the square has twice the relative error
        overlap_case(PIXELS.over("...tc"), HOT, confident, alpha=0.3, beta=0.7, gamma=2.0, **OF), value=Limit(strict=12)
    ),
    overlap_case(SHARES, SOFT, shares, apply_softmax=False, gamma=0.75, **OF),
    replace(
        overlap_case(PIXELS.over("...tc"), SOFT, None, name="tversky_loss[all]", **ALL, gamma=1.5, **OF),
        least_classes=2,
    ),
]
HARD = np.float32([[[1, 0], [0, 1]]])


def test_of_equal_weights_and_power_one_it_is_dice():
    rng = np.random.default_rng(0)
    x, t = cases.normal(rng, (4, 6, 3)), cases.one_hot(rng, (4, 6, 3))
    np.testing.assert_array_equal(jaxloss.tversky_loss(x, t), jaxloss.dice_loss(x, t))


def test_a_perfect_prediction_has_a_finite_slope_at_any_power():
    for gamma in (0.5, 1.0, 2.0):
        loss = lambda p, gamma=gamma: jaxloss.tversky_loss(p, HARD, apply_softmax=False, gamma=gamma).sum()
        value, slope = jax.value_and_grad(loss)(HARD)
        assert value == 0
        assert np.isfinite(slope).all()
