"""Products, quotients and selections at 0 and at infinity."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.guarded import (
    absent,
    absolute,
    clip_infinite,
    clip_positive_infinity,
    divide,
    either_zero,
    gated,
    half_square,
    huber,
    nan_unless,
    scaled,
    times,
    weighed,
)
from tests.compiling import quick
from tests.numerics.primitives import End

ENDS = [
    End(times, (0.0, np.inf), 0, (np.inf, 0)),
    End(times, (0.0, 2.0), 0, (2, 0)),
    End(weighed, (0.0, np.inf), 0, (0, 0)),
    End(scaled, (0.0, np.inf), 0, (0, 0)),
    End(scaled, (0.0, 2.0), 0, (2, 0)),
    End(weighed, (0.0, 2.0), 0, (2, 0)),
    End(absent, (0.0, np.inf), 0, (0, 0)),
    End(absent, (0.0, 2.0), 2, (0, 1)),
    End(divide, (0.0, 0.0), 0, (0, 0)),
    End(divide, (3.0, 2.0), 1.5, (0.5, -0.75)),
    End(absolute, (0.0,), 0, (0,)),
    End(half_square, (2.5e19,), 3.125e38, (2.5e19,)),
    End(huber, (3.0, 2.0), 4, (2, 1)),
    End(huber, (1.0, 2.0), 0.5, (1, 0)),
]


def test_infinities_are_clipped_to_the_largest_number_of_their_sign():
    largest = np.finfo(np.float32).max
    x = np.float32([-np.inf, -1, np.inf])
    np.testing.assert_array_equal(clip_infinite(jnp.asarray(x)), np.float32([-largest, -1, largest]))
    np.testing.assert_array_equal(clip_positive_infinity(jnp.asarray(x)), np.float32([-np.inf, -1, largest]))
    assert either_zero(jnp.float32(np.inf), jnp.float32(0)) == 0


def test_a_weight_of_zero_removes_an_infinity_but_no_nan():
    """A value of 0 beside a gradient of nan would hide where the nan comes from."""
    zero, nan = jnp.float32(0), jnp.float32(np.nan)
    for f in (times, weighed, scaled):
        assert np.isnan(f(zero, nan))
        assert f(zero, jnp.float32(-np.inf)) == 0


def test_a_mask_removes_slopes_whatever_the_value():
    x, mask = np.float32([1, np.nan, np.inf]), np.array([True, False, False])
    np.testing.assert_array_equal(gated(jnp.asarray(x), mask), x)
    np.testing.assert_array_equal(nan_unless(jnp.asarray(mask), jnp.asarray(x)), [1, np.nan, np.nan])
    for f in (gated, lambda x, mask: nan_unless(jnp.asarray(mask), x)):
        np.testing.assert_array_equal(quick(jax.grad(lambda x, f=f: f(3 * x, mask).sum()))(x), [3, 0, 0])
