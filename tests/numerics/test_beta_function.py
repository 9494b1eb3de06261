"""The logarithm of the beta function."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.beta_function import log_beta
from tests import ulp
from tests.numerics.primitives import End, worst
from tests.numerics.test_gamma_ratio import STARTS

A, B = (x.ravel().astype(np.float32) for x in np.meshgrid(STARTS, STARTS))
ENDS = [
    End(log_beta, (2.0, 1.0), -0.69314718, (-0.5, -1.5)),
    End(log_beta, (1.0, 3.0), -1.09861229, (-1.83333333, -0.33333333)),
]


def test_of_every_size_to_units_of_one_or_itself():
    mp.mp.dps = ulp.DIGITS
    truth = lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    for error, *where in worst(log_beta, truth, lambda a, b: mp.mpf(1), A, B).values():
        assert error <= 4, (error, where)
