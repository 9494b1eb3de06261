"""The gamma negative log-likelihood at the ends of its domain."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.gamma import gamma_nll
from tests.numerics.primitives import End


def of_log_mean(mean, t, k):
    return gamma_nll(mean, t, k, True)


def of_mean(mean, t, k):
    return gamma_nll(mean, t, k, False)


PEAK = float(mp.loggamma(1e8) - 1e8 * mp.log(1e8) + 1e8)
ENDS = [
    End(of_mean, (1.0, 1.0, 1.0), 1, (0, 1, -float(mp.euler))),
    End(of_mean, (1.0, 1.0, 1e8), PEAK, (0, 1, float(mp.digamma(1e8) - mp.log(1e8)))),
    End(of_log_mean, (np.inf, 2.0, 3.0), np.inf, (3, -1, np.inf)),
    End(of_log_mean, (-np.inf, 2.0, 3.0), np.inf, (-np.inf, np.inf, np.inf)),
]
