"""The recursion over frames, beside the walk that the loss takes."""

import jax.numpy as jnp
import numpy as np

from jaxloss.numerics import ctc_forward, ctc_nll
from tests.compiling import quick


def test_the_last_sums_are_the_likelihoods_of_the_walk():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(0, 3, (3, 7, 5)).astype(np.float32), np.int32([[1, 1, 2], [3, 4, 3], [2, 0, 0]])
    lengths, live = np.int32([3, 2, 1]), np.arange(7) < np.array([[7], [5], [6]])

    @quick
    def run(x):
        in_blank, in_label = ctc_forward(x, labels, live, jnp.int32(0))
        return in_blank, in_label, ctc_nll(x, labels, live, lengths, jnp.int32(0))

    in_blank, in_label, nll = run(x)
    np.testing.assert_allclose(in_blank[-1, np.arange(3), lengths], -nll, rtol=1e-5)
    assert np.all(in_label[0, :, 1:] == -np.inf)  # one frame passes one label
    np.testing.assert_array_equal(in_label[5:, 1], np.broadcast_to(in_label[4, 1], (2, 3)))
