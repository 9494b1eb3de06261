"""The pieces of the Gaussian law."""

import mpmath as mp
import numpy as np

from jaxloss.numerics import normal_tail
from jaxloss.numerics.normal_tail import (
    double_density,
    double_tail,
    line_gap,
    near_central_mass,
    near_mass_integral,
    root_double_density,
)
from tests import ulp
from tests.numerics.primitives import Row

WITHIN = np.concatenate([[1e-30, 1e-8, 1e-4], np.linspace(0.01, 1, 60)]).astype(np.float32)
BEYOND = np.concatenate([np.linspace(1, 9, 80), [12, 40, 1e4]]).astype(np.float32)
_density = lambda a: mp.sqrt(2 / mp.pi) * mp.exp(-a * a / 2)
_tail = lambda a: mp.erfc(a / mp.sqrt(2))
TRUTHS = [
    Row(near_central_mass, lambda z: mp.erf(z / mp.sqrt(2)), WITHIN, 3, None),
    Row(near_mass_integral, lambda a: a * mp.erf(a / mp.sqrt(2)) + _density(a) - _density(mp.mpf(0)), WITHIN, 4, None),
]


def test_beyond_one_they_are_exact_to_the_digits_of_one():
    for function, truth in (
        (double_tail, _tail),
        (line_gap, lambda a: _density(a) - a * _tail(a)),
        (double_density, _density),
    ):
        got = np.asarray(function(BEYOND))
        expected = np.array([float(truth(mp.mpf(float(a)))) for a in BEYOND])
        np.testing.assert_allclose(got, expected, atol=2.0**-23)


def test_the_root_of_the_density_is_exact_to_its_own_digits():
    for a in np.float32([0, 1e-3, 0.3, 1, 2, 5.3, 9.7, 13, 18]):
        assert ulp.ulps(float(root_double_density(a)), mp.sqrt(_density(mp.mpf(float(a))))) < 2


def test_the_coefficients_are_those_of_mills_ratio():
    mp.mp.dps = ulp.DIGITS
    mills = lambda v: _tail(1 / v - 1) / _density(1 / v - 1)
    found = normal_tail._MILLS
    expected = ulp.through_chebyshev_points(mills, mp.mpf(1) / 7, mp.mpf(1) / 2, len(found))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
