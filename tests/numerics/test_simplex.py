"""The projection onto the simplex, and the losses whose slopes it is."""

import jax
import numpy as np

from jaxloss.numerics.simplex import binary_sparsemax_nll, sparsemax, sparsemax_nll
from tests.compiling import quick
from tests.numerics.primitives import End

ENDS = [
    End(binary_sparsemax_nll, (0.0, 1.0), 0.25, (-0.5, 1)),
    End(binary_sparsemax_nll, (2.0, 1.0), 0, (0, -1)),
    End(binary_sparsemax_nll, (-3.0, 1.0), 3, (-1, 4)),
]


def _projected(x):
    """By a sort, as Martins and Astudillo have it."""
    z = np.sort(np.float64(x))[::-1]
    sums, sizes = np.cumsum(z), np.arange(1, len(z) + 1)
    size = np.max(sizes[1 + sizes * z > sums])
    return np.maximum(np.float64(x) - (sums[size - 1] - 1) / size, 0)


def test_the_projection_is_that_of_a_sort():
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(40, 9)) * 10.0 ** rng.uniform(-2, 1, (40, 1))).astype(np.float32)
    x[0], x[1, 1:] = 0, -np.inf
    p, _ = quick(lambda x: sparsemax(x, 1))(x)
    for row, got in zip(x, np.asarray(p), strict=True):
        expected = np.eye(9)[0] if np.isinf(row).any() else _projected(row)
        np.testing.assert_allclose(got, expected, atol=2e-6)


def test_the_slope_of_the_loss_is_the_projection_less_the_label():
    x, labels = np.float32([[0.3, 0.2, -1.0], [5.0, 0.0, 0.0]]), np.int32([[1], [0]])
    slope = quick(jax.grad(lambda x: sparsemax_nll(x, labels, 1).sum()))(x)
    for row, label, got in zip(x, labels[:, 0], np.asarray(slope), strict=True):
        np.testing.assert_allclose(got, _projected(row) - np.eye(3)[label], atol=1e-6)
