"""The Gaussian negative log-likelihood of vectors, and the matrices of it."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.triangular import diagonal, or_identity, triangular_nll
from tests.compiling import quick

FACTOR = np.float32([[2, 7, 9], [1, 0.5, 8], [-3, 4, 0.25]])


def test_the_diagonal_and_the_identity_in_its_place():
    factors = jnp.stack([FACTOR, 2 * FACTOR])
    np.testing.assert_array_equal(diagonal(factors), [[2, 0.5, 0.25], [4, 1, 0.5]])
    got = or_identity(jnp.array([True, False])[:, None, None], factors)
    np.testing.assert_array_equal(got, [FACTOR, np.eye(3)])


def test_what_stands_above_the_diagonal_is_ignored_and_has_no_slope():
    error = np.float32([1, -2, 0.5])
    step = quick(jax.value_and_grad(triangular_nll, (0, 1)))
    value, slopes = step(error, FACTOR)
    lower = np.tril(FACTOR)
    solved = np.linalg.solve(lower.astype(np.float64), error)
    truth = 0.5 * solved @ solved + np.log(np.diag(lower)).sum() + 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(value, truth, rtol=1e-6)
    np.testing.assert_allclose(slopes[0], np.linalg.solve(lower.T.astype(np.float64), solved), rtol=1e-6)
    assert not np.triu(slopes[1], 1).any()
    plain = step(error, lower)
    np.testing.assert_array_equal(slopes[1], plain[1][1])
