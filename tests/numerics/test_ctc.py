"""The likelihood of a label sequence against the sum over all paths, and its first and second derivatives."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.ctc import ctc_nll
from tests.compiling import optimized

FRAMES, CLASSES = 4, 3
LABELS = {"repeated": [1, 1], "plain": [1, 2], "one": [2], "none": [], "too many": [1, 1, 1]}


def _collapsed(path):
    return [k for k, _ in itertools.groupby(path) if k]


def _probability(p, labels):
    paths = itertools.product(range(CLASSES), repeat=FRAMES)
    return sum(np.prod([p[t, k] for t, k in enumerate(path)]) for path in paths if _collapsed(path) == labels)


def test_the_loss_is_that_of_the_sum_over_all_paths():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(0, 1.5, (1, FRAMES, CLASSES)), len(LABELS), 0).astype(np.float32)
    x[1, :, 1:] += np.float32([[6, 0], [6, 0], [0, 6], [0, 6]])  # likelier than not
    labels = np.int32([[*given, 0, 0, 0][:3] for given in LABELS.values()])
    lengths, live = np.int32([len(given) for given in LABELS.values()]), np.ones(x.shape[:2], bool)
    loss = lambda x: ctc_nll(x, labels, live, lengths, jnp.int32(0))
    values, slopes = optimized(lambda x: (loss(x), jax.grad(lambda x: jnp.sum(loss(x)[:4]))(x)))(x)
    e = np.exp(np.float64(x))
    p = e / e.sum(-1, keepdims=True)
    expected = [
        -np.log(_probability(*row)) if _probability(*row) else np.inf for row in zip(p, LABELS.values(), strict=True)
    ]
    np.testing.assert_allclose(values, expected, rtol=2e-6)
    assert expected[4] == np.inf
    for row, given, slope in zip(range(4), LABELS.values(), slopes, strict=False):
        one = -_numeric_slope(np.float64(x[row]), given)
        np.testing.assert_allclose(slope, one, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(slopes[4], 0)


def _numeric_slope(x, labels, h=1e-6):
    def log_probability(x):
        e = np.exp(x)
        return np.log(_probability(e / e.sum(-1, keepdims=True), labels))

    slope = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = h
        slope[at] = (log_probability(x + step) - log_probability(x - step)) / (2 * h)
    return slope
