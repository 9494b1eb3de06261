"""The sums of a row in one reading, as accelerators take them: infinite rows, ties, a label that is absent."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics import _one_reading
from tests.compiling import optimized

INF = np.inf
ROWS = np.float32([[1, 3, 3], [40, 0, 1], [-INF, -INF, -INF], [INF, 0, INF], [INF, -INF, 2], [3e38, -3e38, 0]])
WEIGHTS = np.float32([[0.5, 0.25, 0.25], [1, 0, 0], [0, 0, 0], [0.5, 0, 0.5], [1, 0, 0], [0.5, 0.5, 0]])


@pytest.mark.parametrize("absent", [0, 300], ids=["few classes", "many classes"])
def test_rows_with_ties_and_infinities(absent):
    x, weights = (np.pad(a, ((0, 0), (0, absent)), constant_values=c) for a, c in ((ROWS, -INF), (WEIGHTS, 0)))
    top, ties, rest, mass, half = optimized(lambda x, w: _one_reading.sums_in_one_reading(x, w, -1))(x, weights)
    np.testing.assert_array_equal(top[:, 0], ROWS.max(-1))
    np.testing.assert_array_equal(ties[:, 0], [2, 1, 0, 2, 1, 1])
    np.testing.assert_allclose(rest[:, 0], [np.exp(-2), np.exp(-40) + np.exp(-39), 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(mass[:, 0], [1, 1, 0, 1, 1, 1])
    np.testing.assert_allclose(half[:, 0], [0.5, 0, 0, 0, 0, 1.5e38], rtol=1e-6)


def test_a_weight_at_minus_infinity_has_an_infinite_gap():
    x, weights = np.float32([[0, -INF], [-INF, -INF]]), np.float32([[0.5, 0.5], [1, 0]])
    half = _one_reading.sums_in_one_reading(jnp.asarray(x), jnp.asarray(weights), -1)[-1]
    np.testing.assert_array_equal(half[:, 0], [INF, INF])


def test_the_label_is_left_out_of_the_rest():
    is_label = np.arange(3) == np.int32([[1], [0], [0], [0], [2], [7000]])  # the last one is another device's
    factors = jnp.full((len(ROWS), 1), 0.5)
    top, rest, logit, mass, half = _one_reading.label_sums_in_one_reading(jnp.asarray(ROWS), is_label, factors, -1)
    np.testing.assert_array_equal(top[:, 0], ROWS.max(-1))
    np.testing.assert_allclose(rest[:, 0], [1 + np.exp(-2), np.exp(-40) + np.exp(-39), 0, 1, 1, 1], rtol=1e-6)
    np.testing.assert_array_equal(logit[:, 0], [3, 40, -INF, INF, 2, 0])
    np.testing.assert_array_equal(mass[:, 0], [1.5] * 6)
    # Half the gaps times a half: 2 below 3; 40 and 39 below 40; 6e38 and 3e38 below 3e38.
    np.testing.assert_allclose(half[:, 0], [0.5, 19.75, INF, INF, INF, 2.25e38], rtol=1e-6)
