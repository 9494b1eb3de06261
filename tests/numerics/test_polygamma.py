"""The digamma and trigamma functions, and what the logarithm and the inverse differ from them by."""

import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics.polygamma import (
    DIGAMMA_OF_INVERSE,
    STIRLING_OF_INVERSE,
    TRIGAMMA_OF_INVERSE,
    digamma,
    digamma_gap,
    trigamma,
    trigamma_gap,
)
from tests import ulp
from tests.numerics.primitives import End, Row, worst

POINTS = np.concatenate([10.0 ** np.arange(-10, 10.1, 0.4), np.linspace(0.05, 4, 80), np.arange(5, 30)])
POINTS = POINTS.astype(np.float32)


def psi(x):
    return mp.psi(0, x)


def gap(x):
    return mp.log(x) - mp.psi(0, x)


def trigamma_less_inverse(x):
    return mp.psi(1, x) - 1 / x


TRUTHS = [
    Row(digamma_gap, gap, POINTS, 4, 4),
    Row(trigamma, lambda x: mp.psi(1, x), POINTS, 4, 6),
    Row(trigamma_gap, trigamma_less_inverse, POINTS, 4, 8),
]
ENDS = [
    End(digamma, (1.0,), -0.57721566, (1.6449341,)),
    End(digamma, (np.inf,), np.inf, (0,)),
    End(digamma_gap, (np.inf,), 0, (0,)),
]


@pytest.mark.parametrize(("function", "order"), [(digamma, 0), (trigamma, 1)])
def test_of_every_size_to_units_of_the_largest_term(function, order):
    mp.mp.dps = ulp.DIGITS
    unit = lambda x: max(1, 1 / x, abs(mp.log(x))) if order == 0 else mp.mpf(0)
    found = worst(function, lambda x: mp.psi(order, x), unit, POINTS)
    assert found[np.float32][0] <= 3, found
    assert found[np.float64][0] <= 6, found


def test_the_polynomials_are_those_through_the_points_of_chebyshev():
    mp.mp.dps = 60
    log_gamma_of = lambda x: (x - mp.mpf(1) / 2) * mp.log(x) - x + mp.log(2 * mp.pi) / 2
    functions = (
        (STIRLING_OF_INVERSE, lambda u: (mp.loggamma(1 / u) - log_gamma_of(1 / u)) / u),
        (DIGAMMA_OF_INVERSE, lambda u: gap(1 / u) / u),
        (TRIGAMMA_OF_INVERSE, lambda u: trigamma_less_inverse(1 / u) / u**2),
    )
    for found, function in functions:
        np.testing.assert_allclose(found, ulp.through_chebyshev_points(function, 0, 1, len(found)), rtol=1e-11)
