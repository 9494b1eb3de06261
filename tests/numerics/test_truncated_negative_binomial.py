"""Positive counts of a negative binomial law."""

import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics.truncated_negative_binomial import (
    truncated_negative_binomial_log_mean,
    truncated_negative_binomial_mean,
)
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

INF = np.inf
IN_COUNT = 0.19314718  # log 2 - psi(3) + psi(2)
ENDS = [
    End(truncated_negative_binomial_log_mean, (-INF, 1.0, 2.0), 0, (0, IN_COUNT, 0)),
    End(truncated_negative_binomial_log_mean, (-INF, 2.0, 2.0), INF, (-1, INF, 1 / 6)),
    End(truncated_negative_binomial_mean, (0.0, 1.0, 2.0), 0, (0.75, IN_COUNT, 0)),
    End(truncated_negative_binomial_mean, (0.0, 2.0, 2.0), INF, (-INF, INF, 1 / 6)),
]


@pytest.mark.parametrize("r", [1e-4, 0.3, 2.5, 1e6])
def test_a_count_of_one_keeps_the_digits_of_its_small_loss(r):
    mp.mp.dps = ulp.DIGITS
    x = np.float32([-60, -30, -9, -2, -0.3, -1e-4, 0, 1e-4, 0.3, 2, 4])
    r = np.full_like(x, r)
    got = optimized(truncated_negative_binomial_log_mean)(x, np.ones_like(x), r)
    for a, b, value in zip(map(ulp.exact, x), map(ulp.exact, r), got, strict=True):
        y = mp.log1p(mp.exp(a) / b)
        true = mp.log(mp.expm1(b * y) / (b * y)) + mp.log(y / -mp.expm1(-y))
        assert ulp.ulps(value, true, max(true, y)) <= 6, a
