"""Half the deviance of binomial laws."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.binomial_deviance import half_binomial_deviance
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

INF = np.inf
ENDS = [
    End(half_binomial_deviance, (-INF, 0.0, 3.0), 0, (0, 0, 0)),
    End(half_binomial_deviance, (INF, 3.0, 3.0), 0, (0, 0, 0)),
    End(half_binomial_deviance, (0.0, 0.0, 2.0), 2 * np.log(2), (1, np.log(1.17549435e-38 / 2), np.log(2))),
]


def test_nothing_cancels_near_the_best_logit():
    mp.mp.dps = ulp.DIGITS
    pairs = [(y, n, d) for n, y in ((7, 3), (1e4, 123), (1e8, 3e7)) for d in (-1e-2, -1e-4, 1e-3, 0.3)]
    y, n, d = np.array(pairs).T
    x = (np.log(y / (n - y)) + d).astype(np.float32)
    got = optimized(half_binomial_deviance)(x, np.float32(y), np.float32(n))
    for at in zip(x, np.float32(y), np.float32(n), got, strict=True):
        a, s, t = map(ulp.exact, at[:3])
        p = 1 / (1 + mp.exp(-a))
        truth = s * mp.log(s / (t * p)) + (t - s) * mp.log((t - s) / (t * (1 - p)))
        assert ulp.ulps(at[3], truth) <= 8, at
