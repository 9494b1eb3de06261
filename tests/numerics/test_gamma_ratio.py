"""Differences of the logarithm of the gamma function and of its derivatives, for steps small and large."""

import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics.gamma_ratio import (
    digamma_difference,
    digamma_gap_drop,
    log_gamma_difference,
    rise_slope,
    stirling_drop,
    trigamma_difference,
    trigamma_gap_drop,
    weighted_fall,
    weighted_rise,
)
from tests import ulp
from tests.numerics.primitives import End, worst
from tests.numerics.test_polygamma import gap, psi, trigamma_less_inverse

STARTS = np.concatenate([10.0 ** np.arange(-6, 10.1), [0.3, 0.5, 0.99, 1.01, 1.46, 3, 9.9, 20]])
STEPS = np.concatenate([10.0 ** np.arange(-8, 8.1), [0.3, 2, 5]])
A, B = (x.ravel().astype(np.float32) for x in np.meshgrid(STARTS, STEPS))
ENDS = [
    End(log_gamma_difference, (3.0, 0.0), 0, (0, 0.92278434)),
    End(digamma_difference, (3.0, 0.0), 0, (0, 0.39493407)),
    End(digamma_gap_drop, (3.0, 0.0), 0, (0, 0.06160073)),
]


def _stirling_error(x):
    return mp.loggamma(x) - (x - mp.mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2


def _difference(function):
    return lambda a, b: function(a + b) - function(a)


def _drop(function):
    return lambda a, b: function(a) - function(a + b)


def _itself(a, b):
    return mp.mpf(0)


ROWS = [
    (log_gamma_difference, _difference(mp.loggamma), lambda a, b: b * max(1, 1 / (a + b), abs(mp.log(a + b))), 8),
    (digamma_difference, _difference(psi), _itself, 4),
    (trigamma_difference, _difference(lambda x: mp.psi(1, x)), _itself, 4),
    (stirling_drop, _drop(_stirling_error), lambda a, b: b / (a + b) if a < 10 else mp.mpf(0), 10),
    (digamma_gap_drop, _drop(gap), _itself, 6),
    (trigamma_gap_drop, _drop(trigamma_less_inverse), _itself, 5),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].__name__)
def test_nothing_cancels_where_either_is_small_against_the_other(row):
    """The unit is the answer itself, but where the logarithm of the gamma function has its minimum."""
    function, truth, unit, limit = row
    mp.mp.dps = ulp.DIGITS
    for error, *where in worst(function, truth, unit, A, B).values():
        assert error <= limit, (error, where)


def test_weighted_rises_and_falls():
    """The slope of a weighted rise is a sum whose largest terms cancel, for a and b that are both large or small."""
    mp.mp.dps = ulp.DIGITS
    some = (A > 1e-3) & (A < 1e6) & (B > 1e-3)
    rise = lambda a, b: psi(a + b) - psi(a)
    fall = lambda a, b: a * (mp.psi(1, a) - mp.psi(1, a + b))
    unit = lambda a, b: b / (a + b) * (b / (a + b) if a > 1 else mp.mpf(1))
    rows = (
        (weighted_rise, lambda a, b: a * rise(a, b), _itself, 4),
        (weighted_fall, fall, _itself, 5),
        (rise_slope, lambda a, b: rise(a, b) - fall(a, b), unit, 8),
    )
    for function, truth, size, limit in rows:
        error, *where = worst(function, truth, size, A[some], B[some])[np.float32]
        assert error <= limit, (function.__name__, error, where)
