"""The negative log-likelihood of counts over classes."""

import jax
import numpy as np

from jaxloss.numerics.multinomial import multinomial_nll


def test_no_counts_and_one_class():
    none, one = np.zeros(3, np.float32), np.float32([7])
    x = np.float32([0, -np.inf, 3])
    assert multinomial_nll(x, none, (0,)) == 0
    assert multinomial_nll(x[:1], one, (0,)) == 0
    slopes = jax.grad(multinomial_nll, (0, 1))(x[:1], one, (0,))
    np.testing.assert_array_equal(slopes, [[0], [0]])
