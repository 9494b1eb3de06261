import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import COUNTS, LOG_ODDS, Case, Limit, product
from tests.compiling import quick


def nll(x, k):
    """Minus the logarithm of (1 - p)^k p."""
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return -(mp.log(p) if p else -mp.inf) - (k * (mp.log(q) if q else -mp.inf) if k else 0)


def grid():
    logits = [-100, -86, -40, -18, -5, -0.7, -1e-4, 0, 1e-10, 0.3, 3, 20, 60, 86, 100]
    pairs = [(-np.log(k) + d, k) for k in (1, 2, 30, 1e4, 1e8) for d in (-1e-3, 0, 1e-6, 0.2)]
    return tuple(
        np.concatenate(both) for both in zip(product(logits, [0, 1, 2, 7, 1000, 1e8]), _columns(pairs), strict=True)
    )


def _columns(pairs):
    return np.array(pairs, np.float32).T


def _shares(x):
    return 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))


CASES = [
    Case(
        fn=jaxloss.geometric_nll,
        form=jaxloss.GeometricNLL,
        arrays={"logits": LOG_ODDS, "targets": COUNTS},
        oracle=nll,
        grid=grid,
        value=Limit(strict=4),
        gradient={"logits": Limit(scaled=3), "targets": Limit(strict=3)},
        second={"logits": Limit(scaled=6), "targets": Limit(strict=3)},
        gradient_terms=lambda x, k: {"logits": (k * _shares(x)[0], _shares(x)[1])},
        second_terms=lambda x, k: {"logits": (k * _shares(x)[0] * _shares(x)[1], _shares(x)[0])},
    )
]


def test_a_certain_success_is_the_first_trial():
    assert jaxloss.geometric_nll(np.inf, 0.0) == 0
    assert jaxloss.geometric_nll(np.inf, 1.0) == np.inf
    assert jaxloss.geometric_nll(-np.inf, 3.0) == np.inf


def test_it_sums_to_one():
    k = np.arange(2000, dtype=np.float32)
    losses = quick(lambda k: jaxloss.geometric_nll(np.full(2000, -3, np.float32), k))(k)
    np.testing.assert_allclose(np.exp(-np.float64(losses)).sum(), 1, rtol=1e-6)


def test_scipy_counts_trials():
    stats = pytest.importorskip("scipy.stats")
    x, k = np.float32([-3, -0.5, 0, 1]), np.float32([0, 4, 9, 2])
    np.testing.assert_allclose(
        quick(jaxloss.geometric_nll)(x, k), -stats.geom.logpmf(k + 1, 1 / (1 + np.exp(-np.float64(x)))), rtol=1e-6
    )
