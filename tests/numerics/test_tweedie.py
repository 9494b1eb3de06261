"""Half the deviance of Tweedie's laws."""

from functools import partial

import jax
import mpmath as mp
import numpy as np

from jaxloss.numerics.tweedie import half_tweedie
from tests import ulp
from tests.compiling import optimized, quick

LOGS, MEANS = partial(half_tweedie, True), partial(half_tweedie, False)


def _of(f, *at):
    value, slopes = quick(jax.value_and_grad(f, (0, 1, 2)))(*map(np.float32, at))
    return float(value), [float(s) for s in slopes]


def test_the_closed_ends():
    value, slopes = _of(LOGS, 0.5, 0.0, 1.5)
    np.testing.assert_allclose([value, slopes[0]], [2 * np.exp(0.25), np.exp(0.25)], rtol=1e-6)
    np.testing.assert_allclose(slopes[2], -2 * np.exp(0.25) * (0.5 - 2), rtol=1e-6)
    assert _of(LOGS, -np.inf, 0.0, 1.5)[0] == 0
    assert _of(LOGS, -np.inf, 1.0, 1.5)[0] == np.inf
    assert _of(LOGS, np.inf, 1.0, 2.0)[0] == np.inf
    np.testing.assert_allclose(_of(LOGS, np.inf, 1.0, 3.0)[:1], 0.5, rtol=1e-6)
    np.testing.assert_allclose(_of(MEANS, 0.0, 2.0, -1.0)[0], 8 / 6, rtol=1e-6)
    np.testing.assert_allclose(_of(MEANS, 3.0, -2.0, 0.0)[0], 12.5, rtol=1e-6)
    np.testing.assert_allclose(_of(MEANS, 3.0, -2.0, -1.0)[0], 2 * 9 / 2 + 27 / 3, rtol=1e-6)
    for f, at in [(LOGS, (-np.inf, 0.0)), (LOGS, (1.0, 0.0)), (MEANS, (0.0, 0.0))]:
        for p in (1.0, 1.5, 1.99):
            assert np.isfinite(_of(f, *at, p)[1][1:]).all(), (at, p)


def test_nothing_cancels_near_the_target():
    mp.mp.dps = ulp.DIGITS
    points = [(t, d) for t in (1e-3, 1.0, 7.0, 3e4) for d in (-0.3, -1e-2, -1e-4, 1e-4, 1e-3, 0.1, 0.3)]
    y, d = np.array(points).T
    y, x = y.astype(np.float32), (np.log(y.astype(np.float32).astype(float)) + d).astype(np.float32)
    run = optimized(lambda x, m, y, p: (half_tweedie(True, x, y, p), half_tweedie(False, m, y, p)))
    for power in (-1.0, 0.0, 1.0, 1.0 + 2.0**-20, 1.5, 2.0 - 2.0**-20, 2.0, 3.0):
        m = np.exp(x)
        for i, both in enumerate(zip(*run(x, m, y, np.full_like(x, power)), strict=True)):
            for got, mean in zip(both, (mp.exp(ulp.exact(x[i])), ulp.exact(m[i])), strict=True):
                t, p = ulp.exact(y[i]), ulp.exact(power)
                truth = mp.quad(lambda s, t=t, p=p: (s - t) * s**-p, [t, mean])
                assert ulp.ulps(got, truth) <= 8, (power, points[i])
