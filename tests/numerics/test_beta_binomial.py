"""The negative log-likelihood of a beta-binomial law."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.beta_binomial import beta_binomial_nll
from tests import ulp
from tests.numerics.primitives import End, worst

ENDS = [
    End(beta_binomial_nll, (-np.inf, 0.0, 3.0, 2.0), 0, (0, 0, 0, 0)),
    End(beta_binomial_nll, (np.inf, 3.0, 3.0, 2.0), 0, (0, 0, 0.25, 0)),
]


def _truth(x, k, n, c):
    a, b = c / (1 + mp.exp(-x)), c / (1 + mp.exp(x))
    log_beta = lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    choose = mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)
    return log_beta(a, b) - log_beta(k + a, n - k + b) - choose


def test_counts_that_the_law_makes_nearly_certain_keep_the_digits_of_their_small_loss():
    mp.mp.dps = ulp.DIGITS
    x, n, c = (
        v.ravel().astype(np.float32)
        for v in np.meshgrid([-20, -12, -8, -5], [1, 10, 12345, 1e6], [1e-3, 0.3, 2.5, 1e3])
    )
    for error, *where in worst(beta_binomial_nll, _truth, lambda *_: mp.mpf(0), x, 0 * n, n, c).values():
        assert error <= 40, (error, where)
