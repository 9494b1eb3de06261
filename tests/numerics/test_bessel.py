"""The logarithm of the Bessel function of order 0, its slope and the slope of that."""

import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics import bessel
from jaxloss.numerics.bessel import log_scaled_i0, mean_versine, versine_variance
from tests import ulp
from tests.numerics.primitives import POSITIVE, End, Row

LARGE = 10.0 ** np.arange(1.5, 9, 0.5)
MIDDLE = np.linspace(0.5, 32, 43)  # where the formulas for float64 meet, at 1 and at 30
POINTS = np.concatenate([POSITIVE, MIDDLE, LARGE]).astype(np.float32)


def _ratio(k):
    return mp.besseli(1, k) / mp.besseli(0, k)


def _variance(k):
    return 1 - _ratio(k) ** 2 - _ratio(k) / k


TRUTHS = [
    Row(log_scaled_i0, lambda k: mp.log(mp.besseli(0, k)) - k, POINTS, 4, 5),
    Row(mean_versine, lambda k: 1 - _ratio(k), POINTS, 4, 5),
    Row(versine_variance, _variance, POINTS, 5, None),
]
ENDS = [
    End(log_scaled_i0, (0.0,), 0, (-1,)),
    End(mean_versine, (0.0,), 1, (-0.5,)),
]


@pytest.mark.parametrize(
    ("found", "function"),
    [
        (bessel._OF_LOG, lambda k: ((mp.log(mp.besseli(0, k)) - k) + mp.log1p(2 * k) / 2) * ((k + 3) / k) ** 2),
        (bessel._OF_MEAN, lambda k: ((1 - _ratio(k)) * (1 + 2 * k) - 1) * (k + 3) ** 2 / (3 * k)),
        (bessel._OF_VARIANCE, lambda k: (2 * (1 + k) ** 2 * _variance(k) - 1) * (k + 3) ** 2 / (3 * k)),
    ],
)
def test_the_series_are_those_of_chebyshev(found, function):
    mp.mp.dps = 40
    truth = ulp.on_the_half_line(function, 3, len(found))
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-10)
