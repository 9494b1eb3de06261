"""The logarithm of the factorial, and its difference from Stirling's formula."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.factorial import log_factorial, log_peak, stirling_error
from tests.compiling import optimized
from tests.numerics.primitives import POSITIVE, End, Row

FROM_ONE = np.concatenate([np.arange(1, 40), 10.0 ** np.arange(1.1, 8, 0.3), np.linspace(1, 4, 31)]).astype(np.float32)
COUNTS = np.concatenate([FROM_ONE, np.arange(0, 40), np.linspace(0, 3, 61), POSITIVE]).astype(np.float32)


def _stirling_error(k):
    return mp.loggamma(k + 1) - (k + 0.5) * mp.log(k) + k - mp.log(2 * mp.pi) / 2


TRUTHS = [
    Row(log_factorial, lambda k: mp.loggamma(k + 1), COUNTS[COUNTS > 1e-6], 6, None),
    Row(stirling_error, _stirling_error, FROM_ONE, 5, 8),
]
ENDS = [
    End(log_factorial, (0.0,), 0, (-0.57721566,)),
    End(log_factorial, (1.0,), 0, (0.42278434,)),
]


def test_the_largest_probability_that_a_poisson_law_gives_to_a_count():
    k = np.float32([0, 0.5, 1, 7, 1e6])
    truth = [mp.loggamma(v + 1) - (v * mp.log(v) if v else 0) + v for v in map(mp.mpf, map(float, k))]
    np.testing.assert_allclose(optimized(log_peak)(k), [float(t) for t in truth], rtol=1e-6)
