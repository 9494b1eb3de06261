"""Sine, cosine and versine of a difference of angles."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics.angles import _OF_HALF_PI, cosine, sine, versine
from tests import ulp
from tests.compiling import optimized

QUARTERS = np.array([0, 1, 2, 3, 4, 7, 10, 101, 2000, 8001]) * (np.pi / 2)
SMALL = np.concatenate([[0], 10.0 ** np.arange(-7, 0.0, 0.5)])


def pairs():
    """Differences near every quarter of a turn, on either side, and targets that make them inexact."""
    found = [(s * (q + e), 0) for q in QUARTERS for e in SMALL for s in (-1, 1)]
    found += [(t + q + e, t) for t in (1e-3, 0.7, -3.0, 40.0) for q in QUARTERS[:7] for e in (*SMALL, 0.5, 0.78)]
    return np.array(found, np.float32).T


@pytest.mark.parametrize(
    ("function", "truth"),
    [(sine, mp.sin), (cosine, mp.cos), (versine, lambda d: 2 * mp.sin(d / 2) ** 2)],
    ids=["sine", "cosine", "versine"],
)
def test_to_a_few_units_in_the_last_place_of_themselves(function, truth):
    mp.mp.dps = ulp.DIGITS
    x, t = pairs()
    answers = {np.float32: np.asarray(optimized(function)(x, t))}
    with jax.enable_x64(True):
        answers[np.float64] = np.asarray(optimized(function)(*(jnp.asarray(v, jnp.float64) for v in (x, t))))
    for i, (a, b) in enumerate(zip(map(ulp.exact, x), map(ulp.exact, t), strict=True)):
        for dtype, got in answers.items():
            assert ulp.ulps(got[i], truth(a - b), dtype=dtype) <= 3, (function.__name__, dtype, x[i], t[i])


def test_slopes_of_every_order():
    x, t = jnp.float32(2.0), jnp.float32(0.3)
    slopes = optimized(lambda x, t: [jax.grad(f, (0, 1))(x, t) for f in (versine, sine, cosine)])(x, t)
    s, c = np.sin(1.7), np.cos(1.7)
    np.testing.assert_allclose(slopes, [(s, -s), (c, -c), (-s, s)], rtol=1e-6)


def test_beyond_the_turns_that_are_exact_values_are_bounded():
    x = np.float32([1e6, -1e15, 3e38])
    for function in (sine, cosine, versine):
        assert np.all(np.abs(optimized(function)(x, np.zeros(3, np.float32))) <= 2)


def test_the_parts_of_half_of_pi_sum_to_it():
    mp.mp.dps = ulp.DIGITS
    for digits, parts in _OF_HALF_PI.items():
        assert abs(mp.fsum(parts) - mp.pi / 2) < mp.mpf(2) ** (-53 - 3 * digits // 2 + 6)
