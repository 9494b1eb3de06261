"""The logarithm of a growth, and what the growth exceeds it by."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.growth import log_growth, log_growth_excess
from tests import ulp
from tests.numerics.primitives import End, worst

SIZES = np.concatenate([10.0 ** np.arange(-30, 30.1, 6), [0.3, 0.99, 1, 1.01, 1.9, 2, 2.1, 3, 7]]).astype(np.float32)
A, B = (x.ravel() for x in np.meshgrid(SIZES, SIZES))
ENDS = [
    End(log_growth, (2.0, 0.0), 0, (0, 0.5)),
    End(log_growth, (2.0, 2.0), 0.69314718, (-0.25, 0.25)),
]


def test_a_growth_of_every_size():
    mp.mp.dps = ulp.DIGITS
    own = lambda a, b: mp.mpf(0)
    for error, *where in worst(log_growth, lambda a, b: mp.log1p(b / a), own, A, B).values():
        assert error <= 2, (error, where)
    excess = lambda a, b: log_growth_excess(b, a, a + b)
    for error, *where in worst(excess, lambda a, b: b - a * mp.log1p(b / a), own, A, B).values():
        assert error <= 6, (error, where)


def test_a_shrinking():
    mp.mp.dps = ulp.DIGITS
    share = np.float32([1e-7, 1e-3, 0.1, 0.25, 0.5, 0.6, 0.66, 0.67, 0.75, 0.875])
    excess = lambda s: log_growth_excess(-s, 1 + 0 * s, 1 - s)
    exact = share[share > 0.2]  # which 1 less them is
    for error, *where in worst(excess, lambda s: -s - mp.log1p(-s), lambda s: mp.mpf(0), exact).values():
        assert error <= 6, (error, where)
    for error, *where in worst(excess, lambda s: -s - mp.log1p(-s), lambda s: s * s / 2, share[share < 0.2]).values():
        assert error <= 6, (error, where)
