"""The Poisson deviance and negative log-likelihood."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.poisson import (
    half_deviance_log_rate,
    half_deviance_rate,
    poisson_exact_rate,
    poisson_log_rate,
    poisson_rate,
)
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

ENDS = [
    End(poisson_log_rate, (-np.inf, 0.0), 0, (0, 0)),
    End(poisson_rate, (0.0, 0.0), 0, (1, 0)),
    End(poisson_rate, (np.inf, 2.0), np.inf, (1, -np.inf)),
    End(poisson_exact_rate, (np.inf, 2.0), np.inf, (1, -np.inf)),
    End(half_deviance_log_rate, (-np.inf, 0.0), 0, (0, 0)),
    End(half_deviance_log_rate, (-np.inf, 1.0), np.inf, (-1, np.inf)),
    End(half_deviance_log_rate, (np.inf, 2.0), np.inf, (np.inf, -np.inf)),
    End(half_deviance_rate, (0.0, 0.0), 0, (1, 0)),
    End(half_deviance_rate, (np.inf, 2.0), np.inf, (1, -np.inf)),
]


def test_the_deviance_does_not_cancel_where_the_rate_is_nearly_the_count():
    mp.mp.dps = ulp.DIGITS
    k = np.float32([1e3, 1e6, 1e8])
    x = (np.log(k.astype(np.float64)) + 3e-4).astype(np.float32)
    got = optimized(half_deviance_log_rate)(x, k)
    for g, a, b in zip(got, map(ulp.exact, x), map(ulp.exact, k), strict=True):
        assert ulp.ulps(g, mp.exp(a) - b - b * (a - mp.log(b))) < 16
