"""The probability of all label sequences but the given one, against one minus that of the given one."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics import ctc_complement
from tests.compiling import quick


def _probability_of_one_label(p, label):
    """Of two frames: blank then label, label then blank, or label twice."""
    return p[0, 0] * p[1, label] + p[0, label] * p[1, 0] + p[0, label] * p[1, label]


def test_it_is_one_minus_the_likelihood_with_all_digits_where_that_is_small():
    x = np.float32([[[0, 1, 0.5], [0.2, 0.3, -1]], [[0, 30, 0], [0, 28, 1]]])
    e = np.exp(np.float64(x))
    p, base = e / e.sum(-1, keepdims=True), x.max(-1, keepdims=True)
    inverse = 1 / np.exp(np.float64(x) - base).sum(-1, keepdims=True)
    time_first = lambda a: jnp.asarray(np.swapaxes(a, 0, 1).astype(np.float32))
    labels = np.pad(x[..., 1:2], ((0, 0), (0, 0), (1, 0)), constant_values=-np.inf)
    emitted = ctc_complement.Emitted(*map(time_first, (labels, x[..., :1], p[..., 2:])))
    live = jnp.ones((2, 2, 1), bool)

    def q(emitted):
        return ctc_complement.complement_probability(
            emitted, time_first(base), time_first(inverse), jnp.int32([[1], [1]]), live, jnp.int32([1, 1])
        )

    got = quick(q)(emitted)
    np.testing.assert_allclose(got[0], 1 - _probability_of_one_label(p[0], 1), rtol=1e-6)
    # Confident: wrong are 2 in either frame, and two blanks.
    small = p[1, 0, 2] * p[1, 1].sum() + p[1, 0, :2].sum() * p[1, 1, 2] + p[1, 0, 0] * p[1, 1, 0]
    np.testing.assert_allclose(got[1], small, rtol=1e-6)
    slope = quick(jax.grad(lambda others: jnp.sum(q(emitted._replace(others=others)))))(emitted.others)
    assert np.all(slope > 0)
