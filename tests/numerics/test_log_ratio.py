"""Logarithms of ratios: to a few units in the last place of themselves, wherever the two numbers are."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.log_ratio import log1p_gap, log_ratio
from tests import ulp
from tests.numerics.primitives import End, worst

ENDS = [
    End(log_ratio, (1e30, 1e-30), 60 * np.log(10), (1e-30, -1e30)),
    End(log_ratio, (1e-30, 1e30), -60 * np.log(10), (1e30, -1e-30)),
    End(log_ratio, (1.0, 0.0), np.inf, (1, -np.inf)),
    End(log_ratio, (1.0, np.inf), -np.inf, (1, 0)),
    End(log_ratio, (1e30, np.inf), -np.inf, (1e-30, 0)),
    End(log1p_gap, (-1.0, -1.0), 0, (0, 0)),
    End(log1p_gap, (-1.0, 0.0), -np.inf, (np.inf, -1)),
    End(log1p_gap, (np.inf, 3e38), np.inf, (0, 0)),
    End(log1p_gap, (np.inf, np.inf), 0, (0, 0)),
]

SIZES = np.float32([1.2e-38, 1e-30, 3e-6, 0.7, 0.999999, 1, 1.4142, 1.999999, 37, 1e8, 1e30, 3.3e38])


def _pairs(sizes):
    """Numbers of all sizes beside others: as close as they can be, on both sides of a ratio of a half, and far away."""
    rng = np.random.default_rng(0)
    near = rng.choice([-1, 1], 2000) * 2.0 ** -rng.uniform(1, 23, 2000)
    ratios = np.concatenate([1 + near, np.exp(rng.uniform(-1, 1, 2000)), np.exp(rng.uniform(-60, 60, 500))])
    with np.errstate(over="ignore", under="ignore"):
        b = (rng.choice(sizes, ratios.size) * rng.uniform(0.5, 1, ratios.size)).astype(np.float32)
        a = (b * ratios).astype(np.float32)
    ordinary = np.isfinite(a) & (np.minimum(abs(a), abs(b)) >= np.finfo(np.float32).tiny) & (a != b)
    return a[ordinary], b[ordinary]


def test_of_any_two_positive_numbers():
    mp.mp.dps = ulp.DIGITS
    found = worst(log_ratio, lambda a, b: mp.log(a / b), lambda a, b: 0, *_pairs(SIZES))
    for dtype, (error, *place) in found.items():
        assert error <= 1.6, (dtype, error, place)


def test_of_any_two_numbers_above_minus_1_to_which_1_is_added():
    mp.mp.dps = ulp.DIGITS
    sizes = np.concatenate([SIZES, -SIZES[(SIZES > 1e-10) & (SIZES < 1)]])
    x, t = _pairs(sizes)
    inside = (x > -1) & (x - t != 0)
    found = worst(log1p_gap, lambda x, t: mp.log1p(x) - mp.log1p(t), lambda x, t: 0, x[inside], t[inside])
    for dtype, (error, *place) in found.items():
        assert error <= 3, (dtype, error, place)


def test_a_nan_is_nan():
    nan = np.float32(np.nan)
    for f in (log_ratio, log1p_gap):
        assert np.isnan(f(nan, np.float32(1)))
        assert np.isnan(f(np.float32(1), nan))
