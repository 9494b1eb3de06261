"""The focal loss of binary labels from logits, its value and every first slope."""

import jax
import mpmath as mp
import numpy as np

from jaxloss.numerics.binary_focal import sigmoid_focal
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

ENDS = [
    End(sigmoid_focal, (np.inf, 1.0, 2.0), 0, (0, 0, 0)),
    End(sigmoid_focal, (0.0, 1.0, 0.0), np.log(2), (-0.5, 0, -0.5 * np.log(2) ** 2 * 2)),
]


def _truth(x):
    x, y, gamma = x
    p, m = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return (y * m + (1 - y) * p) ** gamma * -(y * mp.log(p) + (1 - y) * mp.log(m))


def test_the_value_and_the_slopes_in_logit_label_and_exponent():
    mp.mp.dps = ulp.DIGITS
    points = np.float32([[x, y, g] for x in (-20, -1.5, 0.25, 9) for y in (0, 0.3, 1) for g in (0.5, 2)])
    values, slopes = optimized(jax.vmap(jax.value_and_grad(sigmoid_focal, (0, 1, 2))))(*points.T)
    for i, point in enumerate(points):
        at = [ulp.exact(v) for v in point]
        assert ulp.ulps(values[i], _truth(at)) <= 8, point
        for k, slope in enumerate(slopes):
            expected = ulp.first(_truth, at, k)
            scale = max(abs(expected), abs(_truth(at)))
            assert ulp.ulps(slope[i], expected, scale) <= 24, (point, k)
