"""The cross-entropy of rows of probabilities."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.probabilities import probabilities_nll
from tests.compiling import quick

P = np.float32([[0.5, 0.25, 0.25], [0, 1, 0], [0, 0.5, 0.5], [np.nan, 0.5, 0.5]])
T = np.float32([[0.2, 0.3, 0.5], [0, 1, 0], [0.5, 0.5, 0], [1, 0, 0]])
WHERE = np.array([[True], [True], [True], [False]])


def test_its_value_and_slopes_with_absent_impossible_and_masked_rows():
    def total(p, t):
        return jnp.sum(jnp.minimum(probabilities_nll(p, t, WHERE, (1,)), 1e9))

    values, (of_p, of_t) = quick(lambda p, t: (probabilities_nll(p, t, WHERE, (1,)), jax.grad(total, (0, 1))(p, t)))(
        P, T
    )
    first = 0.2 * np.log(2) + 0.8 * np.log(4)
    np.testing.assert_allclose(values[:, 0], [first, 0, np.inf, 0], rtol=1e-6)
    np.testing.assert_allclose(of_p[:2], [[-0.4, -1.2, -2], [0, -1, 0]], rtol=1e-6)
    np.testing.assert_allclose(of_t[:2], [[np.log(2), np.log(4), np.log(4)], [0, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(of_p[3], [0, 0, 0])
    np.testing.assert_array_equal(of_t[3], [0, 0, 0])
