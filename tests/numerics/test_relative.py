"""Errors relative to the size of what is predicted, at their kinks and at infinity."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.relative import relative_error, squared_log_gap
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

ENDS = [
    End(relative_error, (3.0, 2.0, 0.0), 0.5, (0.5, -0.75, 0)),
    End(relative_error, (2.0, 2.0, 0.0), 0, (0, 0, 0)),
    End(relative_error, (1.0, 0.0, 0.5), 2, (2, -2, -4)),
    End(relative_error, (3.0, np.inf, 0.0), 1, (0, 0, 0)),
    End(relative_error, (np.inf, 2.0, 0.0), np.inf, (0.5, -np.inf, 0)),
    End(squared_log_gap, (0.0, 0.0), 0, (0, 0)),
    End(squared_log_gap, (-1.0, -1.0), 0, (0, 0)),
    End(squared_log_gap, (-1.0, 0.0), np.inf, (-np.inf, np.inf)),
    End(squared_log_gap, (np.inf, 0.0), np.inf, (0, -np.inf)),
]


def test_the_logarithm_of_a_ratio_from_near_1_to_the_largest_numbers():
    mp.mp.dps = ulp.DIGITS
    t = np.float32([0, 1e-6, 0.3, 50, 1e8, 3e38])
    for factor in (1 - 2.0**-22, 1 + 1e-4, 0.34, 0.3, 1e-6):
        x = (t * np.float32(factor)).astype(np.float32)
        for got, a, b in zip(optimized(squared_log_gap)(x, t), map(ulp.exact, x), map(ulp.exact, t), strict=True):
            assert ulp.ulps(got, (mp.log1p(a) - mp.log1p(b)) ** 2) < 8
