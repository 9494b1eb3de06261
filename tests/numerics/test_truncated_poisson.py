"""Positive counts of a Poisson law."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.truncated_poisson import truncated_poisson_log_rate, truncated_poisson_rate
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

INF = np.inf
ENDS = [
    End(truncated_poisson_log_rate, (-INF, 1.0), 0, (0, 0.42278434)),
    End(truncated_poisson_log_rate, (-INF, 2.0), INF, (-1, INF)),
    End(truncated_poisson_rate, (0.0, 1.0), 0, (0.5, 0.42278434)),
    End(truncated_poisson_rate, (0.0, 2.0), INF, (-INF, INF)),
    End(truncated_poisson_rate, (INF, 2.0), INF, (1, -INF)),
]


def test_a_count_of_one_has_half_the_rate_as_its_loss():
    mp.mp.dps = ulp.DIGITS
    x = np.float32([-86, -30, -9, -2, -0.3, -1e-4, 0, 1e-4, 0.3, 2, 4])
    got = optimized(truncated_poisson_log_rate)(x, np.ones_like(x))
    for a, value in zip(map(ulp.exact, x), got, strict=True):
        assert ulp.ulps(value, mp.log(mp.expm1(mp.exp(a))) - a) <= 6, a
