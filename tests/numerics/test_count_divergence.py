"""The negative log-likelihoods of two counts from log-odds."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.count_divergence import (
    binomial_nll,
    divergence_from_logits,
    expected_beyond,
    log_binomial_peak,
    negative_binomial_from_logits,
)
from tests import ulp
from tests.numerics.primitives import End, worst

ENDS = [
    End(binomial_nll, (-np.inf, 0.0, 3.0), 0, (0, -1.8333333, 0)),
    End(binomial_nll, (np.inf, 3.0, 3.0), 0, (0, 1.8333333, 0.69314718 - 1.8333333)),
    End(negative_binomial_from_logits, (-np.inf, 0.0, 2.0), 0, (0, 0.69314718 - 1, 0)),
]


def _counts():
    k, m = (x.ravel() for x in np.meshgrid([1, 2, 7, 100, 12345, 1e6, 1e8], [1, 3, 1000, 1e7]))
    return k.astype(np.float32), m.astype(np.float32)


def test_the_expected_count_where_it_nearly_agrees_with_the_counted_one():
    mp.mp.dps = ulp.DIGITS
    k, m = _counts()
    x = np.log(k / m) + np.resize(np.float32([0, 1e-6, -1e-3, 0.1, 2]), k.shape)
    truth = lambda x, k, m: (k + m) / (1 + mp.exp(-x)) - k
    unit = lambda x, k, m: k * m / (k + m) * 1e-3
    error, *where = worst(expected_beyond, truth, unit, x.astype(np.float32), k, m)[np.float32]
    assert error <= 6, (error, where)


def test_the_divergence_is_0_where_they_agree_and_linear_far_from_there():
    k, m = np.float32([3, 0, 5, 2]), np.float32([3, 4, 0, 2])
    got = divergence_from_logits(np.float32([0, -np.inf, np.inf, 1e4]), k, m)
    np.testing.assert_allclose(got, [0, 0, 0, 2e4 - 4 * np.log(2)], rtol=1e-6, atol=1e-20)


def test_the_part_of_the_counts_alone():
    mp.mp.dps = ulp.DIGITS
    entropy = lambda k: k * mp.log(k) if k else mp.mpf(0)

    def truth(k, m):
        choose = mp.loggamma(k + m + 1) - mp.loggamma(k + 1) - mp.loggamma(m + 1)
        return entropy(k + m) - entropy(k) - entropy(m) - choose

    for error, *where in worst(log_binomial_peak, truth, lambda *_: mp.mpf(0), *_counts()).values():
        assert error <= 4, (error, where)
    assert log_binomial_peak(np.float32(0), np.float32(7)) == 0
    assert log_binomial_peak(np.float32(0), np.float32(0)) == 0
