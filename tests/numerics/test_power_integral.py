"""Integrals of powers and of their logarithms."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.power_integral import End as Side
from jaxloss.numerics.power_integral import power_gap, power_integral
from tests import ulp
from tests.compiling import optimized

EXPONENTS = [-2.0, -1.0, -0.3, -1e-6, 0.0, 1e-6, 0.5, 1.0, 3.0]
LOGS = [(-3.0, 2.0), (2.0, -3.0), (0.5, 0.51), (1.0, 0.3), (-4.0, -2.5)]


def _points():
    return (np.float32(v) for v in zip(*[(c, x, t) for c in EXPONENTS for x, t in LOGS], strict=True))


def test_they_cancel_for_no_exponent():
    mp.mp.dps = ulp.DIGITS
    c, x, t = _points()
    side = lambda log: Side(log, lambda c: np.e ** (c * log))

    def run(c, x, t):
        return [power_integral(j, c, x - t, side(x), side(t)) for j in (0, 1, 2)]

    for j, got in enumerate(optimized(run)(c, x, t)):
        for at, value in zip(zip(c, x, t, strict=True), got, strict=True):
            a, high, low = map(ulp.exact, at)
            truth = mp.quad(lambda s, a=a, j=j: s**j * mp.exp(a * s), mp.linspace(low, high, 3))
            size = mp.quad(lambda s, a=a, j=j: abs(s) ** j * mp.exp(a * s), [min(low, high), 0, max(low, high)])
            assert abs(ulp.exact(value) - truth) < 3e-6 * abs(size), (j, at)


def test_the_gap_of_close_exponents_is_its_series():
    mp.mp.dps = ulp.DIGITS
    points = [(a, d) for a in (-3.0, -1.0, -0.5, -1e-6, 0.0, 0.4, 2.0) for d in (-0.3, -1e-4, 1e-7, 0.05, 0.3)]
    a, d = np.float32(points).T
    for j in (0, 1, 2):
        for at, value in zip(points, optimized(lambda a, d, j=j: power_gap(j, a, d))(a, d), strict=True):
            c, end = (ulp.exact(np.float32(v)) for v in at)
            truth = mp.quad(lambda s, c=c, j=j: s**j * mp.exp(c * s) * mp.expm1(s), [0, end])
            assert ulp.ulps(value, truth) <= 6, (j, at)
