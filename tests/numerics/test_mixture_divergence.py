"""Terms of the Jensen-Shannon divergence at the ends of their domain."""

import mpmath as mp
import numpy as np

from jaxloss.numerics.mixture_divergence import _LOG_FROM_FAR, _MIXING, js_log_term, js_term
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import TINY, End

HALF = np.log(np.float32(2))
ENDS = [
    End(js_term, (0.0, 0.0), 0, (0, 0)),
    End(js_term, (0.5, 0.0), 0.25 * HALF, (0.5 * HALF, 0.5 * np.log(4 * TINY))),
    End(js_log_term, (-np.inf, -np.inf), 0, (0, 0)),
]


def _half_mixing(w):
    s = mp.sqrt(w)
    return ((1 + s) * mp.log(1 + s) + (1 - s) * mp.log(1 - s)) / (2 * w) if w else mp.mpf(1) / 2


def test_the_polynomials_are_those_through_the_points_of_chebyshev():
    mp.mp.dps = 40
    for found, function, ends in (
        (_MIXING, _half_mixing, [0, 0.5]),
        (_LOG_FROM_FAR, lambda s: mp.log(1 + s) / s, [mp.mpf(7) / 10, 1]),
    ):
        np.testing.assert_allclose(found, ulp.through_chebyshev_points(function, *ends, len(found)), rtol=1e-9)


def test_terms_keep_their_digits_where_another_expression_begins():
    mp.mp.dps = ulp.DIGITS
    p = np.float32(0.3)
    ratios = np.concatenate([np.linspace(0.1, 3, 59), np.linspace(5, 7, 41), [1 + 1e-6, 1e3, 1e30, 1e37]])
    q = (p / ratios).astype(np.float32)
    term = lambda a, b: (a * mp.log(2 * a / (a + b)) + b * mp.log(2 * b / (a + b))) / 2
    for got, b in zip(optimized(js_term)(np.full_like(q, p), q), q, strict=True):
        assert ulp.ulps(got, term(ulp.exact(p), ulp.exact(b))) <= 5
    log_q = np.log(q)
    for got, log_b in zip(optimized(js_log_term)(np.full_like(q, -1.25), log_q), log_q, strict=True):
        assert ulp.ulps(got, term(mp.exp(-1.25), mp.exp(ulp.exact(log_b)))) <= 6
