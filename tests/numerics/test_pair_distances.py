"""Lengths of vectors, and sums of the distances of pairs."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.pair_distances import length, sum_of_distances
from tests.compiling import quick


def test_lengths_neither_overflow_nor_underflow_and_have_slopes_at_zero():
    x = np.float32([[3e38, 0], [3e-30, 4e-30], [3, 4], [0, 0]])
    run = quick(lambda x: (length(x), jax.grad(lambda x: length(x).sum())(x)))
    value, slope = run(x)
    np.testing.assert_allclose(value[:, 0], [3e38, 5e-30, 5, 0], rtol=1e-6)
    np.testing.assert_allclose(slope, [[1, 0], [0.6, 0.8], [0.6, 0.8], [0, 0]], rtol=1e-6)
    assert np.isfinite(quick(jax.hessian(lambda x: length(x)[0]))(np.zeros(2, np.float32))).all()


def test_every_pair_is_counted_once():
    rng = np.random.default_rng(0)
    for members in (1, 2, 3, 6, 7):
        x = rng.normal(size=(2, members, 3)).astype(np.float32)
        each = np.linalg.norm(np.float64(x[:, :, None] - x[:, None]), axis=-1).sum((1, 2)) / 2
        np.testing.assert_allclose(quick(sum_of_distances)(x), each, rtol=1e-6)
        plain = lambda x: jnp.sum(jnp.where(jnp.eye(members) > 0, 0, 0.5) * length(x[:, None] - x[None])[..., 0])
        slope = quick(jax.grad(lambda x: sum_of_distances(x[None])[0]))(x[0])
        np.testing.assert_allclose(slope, quick(jax.grad(plain))(x[0]), rtol=1e-5, atol=1e-6)
