"""The inverse Gaussian negative log-likelihood at the ends of its domain."""

import numpy as np

from jaxloss.numerics.inverse_gaussian import inverse_gaussian_nll
from tests.numerics.primitives import End


def of_log_mean(mean, t, shape):
    return inverse_gaussian_nll(mean, t, shape, True)


def of_mean(mean, t, shape):
    return inverse_gaussian_nll(mean, t, shape, False)


HALF_LOG = 0.5 * np.log(2 * np.pi)
ENDS = [
    End(of_mean, (1.0, 1.0, 1.0), HALF_LOG, (0, 1.5, -0.5)),
    End(of_log_mean, (np.inf, 2.0, 4.0), HALF_LOG + 0.5 * np.log(2) + 1, (0, 0.25, 0.125)),
    End(of_mean, (np.inf, 2.0, 4.0), HALF_LOG + 0.5 * np.log(2) + 1, (0, 0.25, 0.125)),
]
