"""The logarithm of the mean growth, its slope and its curvature."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.growth_mean import curvature_of_mean, log_growth_mean, slope_complement, slope_of_mean
from tests import ulp
from tests.numerics.primitives import Row, worst

UP_TO_1 = np.float32([1e-30, 1e-8, 1e-3, 0.1, 0.5, 0.9, 1])
POINTS = np.concatenate([UP_TO_1, np.float32([1.001, 1.5, 3, 10, 80])])


def _slope(t):
    return 1 / -mp.expm1(-t) - 1 / t


def _curve(t):
    return 1 / t**2 - 1 / (4 * mp.sinh(t / 2) ** 2)


TRUTHS = [
    Row(log_growth_mean, lambda t: mp.log(mp.expm1(t) / t), UP_TO_1, 2, 2),
    Row(slope_of_mean, _slope, POINTS, 2, None),
    Row(slope_complement, lambda t: 1 - _slope(t), POINTS, 4, None),
]


def test_the_curvature():
    """From 1 on it is a difference, and exact to the digits of its terms."""
    mp.mp.dps = ulp.DIGITS
    found = worst(curvature_of_mean, _curve, lambda t: 1 / t**2 if t >= 1 else 0, POINTS)
    assert all(error <= 4 for error, *_ in found.values()), found
