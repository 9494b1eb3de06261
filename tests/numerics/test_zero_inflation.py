"""Zeros that are structural or a law's."""

import jax
import mpmath as mp
import numpy as np

from jaxloss.numerics.zero_inflation import zero_nll, zero_nll_log_rate
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import End

INF = np.inf
ENDS = [
    End(zero_nll, (0.0, 1.0), 0, (1 / (1 + np.exp(1.0)), 0)),
    End(zero_nll, (0.0, -INF), 0, (1, 0)),
    End(zero_nll, (2.0, INF), 0, (0, 0)),
    End(zero_nll, (2.0, -INF), 2, (1, 0)),
    End(zero_nll, (INF, 0.0), np.log(2), (0, -0.5)),
    End(zero_nll, (INF, -INF), INF, (1, 0)),
    End(zero_nll_log_rate, (-INF, 1.0), 0, (0, 0)),
    End(zero_nll_log_rate, (INF, 0.0), np.log(2), (0, -0.5)),
]


def test_shares_are_relatively_exact_where_the_rounded_rate_is_not():
    """The rate is rounded once more than the log-rate, and the share of the law is its exponential."""
    mp.mp.dps = ulp.DIGITS
    x, g = (np.float32(v).ravel() for v in np.meshgrid([0.1, 1.3, 2.9, 3.63, 4.1], [-70.3, -30.7, -9.1, -1.3, 2.2]))
    in_x, in_g = optimized(jax.vmap(jax.grad(zero_nll_log_rate, (0, 1))))(x, g)
    f = lambda at: -mp.log((mp.exp(at[1]) + mp.exp(-mp.exp(at[0]))) / (1 + mp.exp(at[1])))
    for i, at in enumerate(zip(map(ulp.exact, x), map(ulp.exact, g), strict=True)):
        assert ulp.ulps(in_x[i], ulp.first(f, list(at), 0)) <= 6, at
        assert ulp.ulps(in_g[i], ulp.first(f, list(at), 1)) <= 6, at
