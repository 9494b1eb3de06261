"""The step of log-gamma by a half, its slope and the slope of that."""

import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics import half_step as module
from jaxloss.numerics.half_step import half_step, half_step_curvature, half_step_fall
from tests import ulp
from tests.numerics.primitives import POSITIVE, End, Row

POINTS = np.concatenate([POSITIVE, np.linspace(0.5, 12, 24), 10.0 ** np.arange(1.5, 10, 0.5)]).astype(np.float32)


def _step(nu):
    return mp.loggamma(nu / 2) - mp.loggamma((nu + 1) / 2) + mp.log(nu / 2) / 2


def _fall(nu):
    return (mp.digamma((nu + 1) / 2) - mp.digamma(nu / 2) - 1 / nu) / 2


def _bend(nu):
    return (mp.polygamma(1, nu / 2) - mp.polygamma(1, (nu + 1) / 2) - 2 / nu**2) / 4


TRUTHS = [
    Row(half_step, _step, POINTS, 4, 5),
    Row(half_step_fall, _fall, POINTS, 5, 6),
    Row(half_step_curvature, _bend, POINTS, 6, None),
]
ENDS = [
    End(half_step, (np.inf,), 0, (0,)),
    End(half_step_fall, (np.inf,), 0, (0,)),
]


@pytest.mark.parametrize(
    ("found", "function"),
    [
        (module._OF_SQUARE, lambda nu: 4 * (mp.gamma(nu / 2 + 1) / mp.gamma((nu + 1) / 2)) ** 2 - 2 * nu),
        (module._OF_SLOPE, lambda nu: 2 * nu * (1 + 2 * nu) * _fall(nu)),
        (module._OF_CURVATURE, lambda nu: 2 * nu**2 * (1 + nu) * _bend(nu)),
    ],
)
def test_the_series_are_those_of_chebyshev(found, function):
    mp.mp.dps = 40
    truth = ulp.on_the_half_line(function, 2, len(found))
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-16)
