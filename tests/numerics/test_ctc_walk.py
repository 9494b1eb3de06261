"""The pieces of the walk over frames."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics import ctc_walk
from tests.compiling import quick


def test_the_logarithm_of_a_sum_and_the_share_of_its_lesser_term():
    a, b = np.float32([0, 3, -80, 5]), np.float32([0, -2, 0, 5 + 1e-3])
    value, lesser = quick(ctc_walk.log_add)(a, b)
    np.testing.assert_allclose(value, np.logaddexp(np.float64(a), b), rtol=1e-6)
    share = 1 / (1 + np.exp(np.abs(np.float64(a) - b)))
    np.testing.assert_allclose(lesser, np.where(a >= b, share, -share), rtol=1e-6)
    slopes = quick(jax.vmap(jax.grad(lambda a, b: ctc_walk.log_add(a, b)[0], (0, 1))))(a, b)
    np.testing.assert_allclose(slopes[0] + slopes[1], 1, rtol=1e-6)
    np.testing.assert_allclose(slopes[1], 1 / (1 + np.exp(np.float64(a) - b)), rtol=1e-6)


def test_a_label_is_repeated_where_the_next_one_is_the_same():
    np.testing.assert_array_equal(ctc_walk.is_repeated(jnp.int32([[1, 1, 2, 2]])), [[False, True, False, True, False]])


def test_the_posteriors_of_a_frame_add_up_to_one():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(2, 6, 4)).astype(np.float32), np.int32([[1, 2, 2], [3, 1, 0]])
    lengths, live = np.int32([3, 2]), np.ones((2, 6), bool)

    @quick
    def run(x):
        frames, *_ = ctc_walk.frames_of(x, labels, live, jnp.int32(0))
        repeated = ctc_walk.is_repeated(labels)
        _, shares = ctc_walk.walk(frames, repeated, with_shares=True)
        return ctc_walk.posteriors_of(shares, repeated, lengths)

    of_labels, of_blank = run(x)
    np.testing.assert_allclose(of_labels.sum(-1) + of_blank, 1, rtol=1e-5)
    # Summed over the frames, each label that counts is emitted at least once.
    assert np.all(of_labels.sum(0)[0, 1:4] >= 1 - 1e-5)
    np.testing.assert_array_equal(of_labels[:, 1, 3], 0)
