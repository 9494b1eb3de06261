"""The true positives, false positives and false negatives of a pixel, and which slope they have where p = t."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics.pixel_errors import true_and_false


def _of(p, t):
    return jnp.stack(true_and_false(p, t - p, t))


@pytest.mark.parametrize(
    ("p", "t", "in_p", "in_t"),
    [
        (0.25, 0.75, (1, 0, -1), (0, 0, 1)),
        (0.75, 0.25, (0, 1, 0), (1, -1, 0)),
        (0.5, 0.5, (0, 0, 0), (0, 0, 0)),
        (1.0, 1.0, (1, 0, -1), (0, 0, 1)),
        (0.0, 0.0, (0, 1, 0), (1, -1, 0)),
    ],
)
def test_values_and_slopes(p, t, in_p, in_t):
    p, t = jnp.float32(p), jnp.float32(t)
    np.testing.assert_array_equal(_of(p, t), [min(p, t), max(p - t, 0), max(t - p, 0)])
    for argument, expected in enumerate((in_p, in_t)):
        for derivative in (jax.jacfwd, jax.jacrev):
            np.testing.assert_array_equal(derivative(_of, argument)(p, t), expected)
        np.testing.assert_array_equal(jax.hessian(_of, argument)(p, t), np.zeros(3))


def test_the_gap_keeps_its_digits():
    p, gap = jnp.float32(1.0), jnp.float32(-1e-20)
    np.testing.assert_array_equal(true_and_false(p, gap, jnp.float32(1.0)), np.float32([1.0, 1e-20, 0.0]))
    assert np.isnan(true_and_false(jnp.float32(np.nan), jnp.float32(np.nan), jnp.float32(0.0))[1])
