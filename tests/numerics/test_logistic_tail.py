"""The pieces of the logistic law."""

import mpmath as mp
import numpy as np

from jaxloss.numerics import logistic_tail
from tests import ulp
from tests.compiling import optimized
from tests.numerics.pairs import of_a_number, since_a_number
from tests.numerics.primitives import REALS, End, Row

survival, hazard = of_a_number(logistic_tail.logistic_survival), of_a_number(logistic_tail.logistic_hazard)
TRUTHS = [
    Row(survival, lambda z: mp.log1p(mp.exp(z)), REALS, 3, 3),
    Row(hazard, lambda z: 1 / (1 + mp.exp(-z)), REALS, 3, 5),
]
ENDS = [End(survival, (-np.inf,), 0, (0,)), End(survival, (np.inf,), np.inf, (1,))]


def test_survival_after_survival_does_not_cancel():
    mp.mp.dps = ulp.DIGITS
    a, d = (np.float32(v.ravel()) for v in np.meshgrid([-30, -4, -1, 0, 0.5, 4, 1024], 2.0 ** np.arange(-9, 6)))
    got = optimized(since_a_number(logistic_tail.logistic_since))(a, d)
    for value, low, apart in zip(got, map(ulp.exact, a), map(ulp.exact, d), strict=True):
        truth = mp.log1p(mp.exp(low + apart)) - mp.log1p(mp.exp(low))
        assert ulp.ulps(value, truth) < 6, (low, apart)
