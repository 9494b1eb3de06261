"""The logarithms of the factorial and of the gamma function, and their difference from Stirling's formula."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.factorial import _FROM_ONE, _TO_ONE, log_factorial, log_gamma, log_peak, stirling_error
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import POSITIVE, End, Row

FROM_ONE = np.concatenate([np.arange(1, 40), 10.0 ** np.arange(1.1, 8, 0.3), np.linspace(1, 4, 31)]).astype(np.float32)
COUNTS = np.concatenate([FROM_ONE, np.arange(0, 40), np.linspace(0, 3, 61), POSITIVE]).astype(np.float32)

NEAR_ROOTS = np.float32([r + s * 10.0**-e for r in (1, 2) for s in (-1, 1) for e in range(1, 8)] + [1e-30, 0.4999, 0.5])
NEAR_ROOTS = np.concatenate([NEAR_ROOTS, COUNTS[COUNTS > 1e-6]])


def _stirling_error(k):
    return mp.loggamma(k + 1) - (k + 0.5) * mp.log(k) + k - mp.log(2 * mp.pi) / 2


TRUTHS = [
    Row(log_factorial, lambda k: mp.loggamma(k + 1), COUNTS[COUNTS > 1e-6], 6, None),
    Row(stirling_error, _stirling_error, FROM_ONE, 5, 8),
    Row(log_gamma, mp.loggamma, NEAR_ROOTS, 6, None),
]
ENDS = [
    End(log_factorial, (0.0,), 0, (-0.57721566,)),
    End(log_factorial, (1.0,), 0, (0.42278434,)),
    End(log_gamma, (1.0,), 0, (-0.57721566,)),
    End(log_gamma, (2.0,), 0, (0.42278434,)),
]


def test_the_largest_probability_that_a_poisson_law_gives_to_a_count():
    mp.mp.dps = ulp.DIGITS
    k = np.concatenate([[0], COUNTS[COUNTS > 1e-30], np.linspace(0.9, 1.1, 21, dtype=np.float32)])
    got = optimized(log_peak)(np.float32(k))
    assert got[0] == 0
    for g, v in zip(got[1:], map(ulp.exact, np.float32(k)[1:]), strict=True):
        assert ulp.ulps(g, mp.loggamma(v + 1) - v * mp.log(v) + v) <= 3


def test_the_error_of_stirlings_formula_below_one():
    mp.mp.dps = ulp.DIGITS
    k = np.concatenate([np.linspace(0.01, 1, 100), 10.0 ** np.arange(-30, -2, 1.5)]).astype(np.float32)
    for g, v in zip(optimized(stirling_error)(k), map(ulp.exact, k), strict=True):
        assert ulp.ulps(g, _stirling_error(v)) <= 6


def test_the_polynomials_are_those_through_the_points_of_chebyshev():
    mp.mp.dps = 40
    error = lambda u: _stirling_error(1 / u) / u if u > 0.005 else mp.mpf(1) / 12 - u**2 / 360 + u**4 / 1260
    for found, function in ((_FROM_ONE, error), (_TO_ONE, lambda k: mp.loggamma(k + 1) / k)):
        np.testing.assert_allclose(found, ulp.through_chebyshev_points(function, 0, 1, len(found)), rtol=1e-11)
