"""The sums of exponentials of rows, from logits and from the exponentials, on ordinary and on infinite rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics import _row_sums
from tests.compiling import optimized

INF = np.inf
ROWS = np.float32([[1, 3, 3], [40, 0, 1], [-INF, -INF, -INF], [INF, 0, INF], [INF, -INF, 2], [3e38, -3e38, 0]])


@pytest.mark.parametrize("absent", [0, 300], ids=["few classes", "many classes"])
def test_both_ways_to_the_sums_agree_with_the_textbook(absent):
    x = np.pad(ROWS, ((0, 0), (0, absent)), constant_values=-INF)

    @optimized
    def run(x):
        top, base = _row_sums.top_and_base(x, -1)
        e = jnp.exp(jnp.minimum(x, np.finfo(np.float32).max) - base)
        ways = _row_sums.row_sums(x, -1), _row_sums.row_sums_of_exponentials(e, top, base, -1)
        return [(s, _row_sums.log_sum(s), _row_sums.inverse(s), _row_sums.log_probabilities(x, s)) for s in ways]

    rest = [np.exp(-2), np.exp(-40) + np.exp(-39), 0, 0, 0, 0]
    ties = [2, 1, 0, 2, 1, 1]
    total = np.add(ties, rest)
    for sums, log_sum, inverse, logs in run(x):
        np.testing.assert_array_equal(sums.ties[:, 0], ties)
        np.testing.assert_allclose(sums.rest[:, 0], rest, rtol=1e-6)
        np.testing.assert_allclose(log_sum[:, 0], [np.log(t) if t else 0 for t in total], rtol=1e-6, atol=2e-17)
        np.testing.assert_allclose(inverse[:, 0], [1 / t if t else 0 for t in total], rtol=1e-6)
        np.testing.assert_allclose(logs[1, :3], [-rest[1], -40, -39], rtol=1e-6)
        np.testing.assert_array_equal(logs[4, :3], [0, -INF, -INF])


def test_the_sums_have_derivatives_and_ties_share_none():
    x = jnp.float32([[1, 3, 3.5]])

    def rest(x):
        return _row_sums.row_sums(x, -1).rest[0, 0]

    e = np.exp(np.float64([[-2.5, -0.5, 0]]))
    np.testing.assert_allclose(jax.grad(rest)(x), e * [[1, 1, 0]], rtol=1e-6)
    np.testing.assert_allclose(_row_sums.half_gaps(x, jnp.float32([[3.5]])), [[1.25, 0.25, 0]])
    np.testing.assert_array_equal(_row_sums.or_infinite_top(jnp.float32([2, INF]), jnp.float32([1, 1])), [1, INF])
