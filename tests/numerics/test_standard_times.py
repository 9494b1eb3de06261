"""Standardized logarithms of times, to more digits than a float holds."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxloss.numerics import standard_times
from tests import ulp
from tests.compiling import optimized

NUMBERS = {
    "standardized": lambda x, t, k: k * (mp.log(t) - x),
    "standardized_over": lambda x, t, s: (mp.log(t) - x) / s,
    "standardized_by_scale": lambda scale, t, k: k * mp.log(t / scale),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_pair_has_half_as_many_digits_more(name):
    mp.mp.dps = ulp.DIGITS
    rng = np.random.default_rng(3)
    by_scale = name == "standardized_by_scale"
    x, t, k = np.float32(rng.normal(0, 5, 300)), *(np.float32(np.exp(rng.normal(0, 5, 300))) for _ in range(2))
    x = np.exp(x) if by_scale else x
    near = slice(0, 100)
    t[near] = x[near] * np.float32(1 + 1e-6) if by_scale else np.exp(x[near])
    high, low = optimized(getattr(standard_times, name))(x, t, k)
    for i in range(len(x)):
        truth = NUMBERS[name](*(ulp.exact(v[i]) for v in (x, t, k)))
        error = abs(ulp.exact(high[i]) + ulp.exact(low[i]) - truth)
        rate = 1 / ulp.exact(k[i]) if name == "standardized_over" else ulp.exact(k[i])
        assert error <= mp.mpf(2) ** -35 * abs(truth) + mp.mpf(2) ** -32 * rate, (x[i], t[i], k[i])


def test_times_of_zero_and_infinity_have_no_slopes():
    slopes = jax.grad(lambda *a: standard_times.standardized(*a)[0], (0, 1, 2))
    for t in (0.0, np.inf):
        assert slopes(*jnp.float32([0.5, t, 2.0])) == (-2, 0, 0)


def test_the_spread_of_two_times_does_not_cancel():
    mp.mp.dps = ulp.DIGITS
    t, gaps = (np.float32(v.ravel()) for v in np.meshgrid([1e-20, 0.3, 1, 7, 1e20], 2.0 ** -np.arange(1, 23)))
    a = t * (1 - gaps)
    got, slopes = optimized(jax.vmap(jax.value_and_grad(standard_times.spread, (0, 1))))(a, t, np.ones_like(t))
    for i in range(len(t)):
        low, high = ulp.exact(a[i]), ulp.exact(t[i])
        assert ulp.ulps(got[i], mp.log(high / low)) < 3
        assert ulp.ulps(slopes[0][i], -1 / low) <= 1
        assert ulp.ulps(slopes[1][i], 1 / high) <= 1
    none = jnp.float32([0, 2, 1])
    assert standard_times.spread(*none) == np.inf
    assert jax.grad(standard_times.spread, (0, 2))(*none) == (0, 0)
