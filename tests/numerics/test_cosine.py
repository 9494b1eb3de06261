"""Cosines of vectors that are nearly parallel, very long or very short, and of none."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

from jaxloss.numerics.cosine import cosine_distance, cosine_similarity, directions, perpendicular
from tests import ulp
from tests.compiling import optimized

A = np.float32([[3, 4, 0], [1, 1e-4, 0], [1e30, 1e30, 1], [1e-30, 0, 2e-30], [1, 2, 3]])
B = np.float32([[4, 3, 0], [1, 0, 0], [1e30, 1e30, -1e22], [0, 1e-30, 1e-30], [-1, -2, -3.001]])


def test_both_against_arbitrary_precision():
    mp.mp.dps = ulp.DIGITS
    zero = jnp.zeros((), jnp.float32)
    found = optimized(lambda a, b: [f(a, b, zero, (1,))[:, 0] for f in (cosine_similarity, cosine_distance)])(A, B)
    for a, b, similarity, distance in zip(A, B, *map(np.asarray, found), strict=True):
        x, y = ([ulp.exact(v) for v in row] for row in (a, b))
        true = mp.fdot(x, y) / mp.sqrt(mp.fdot(x, x) * mp.fdot(y, y))
        assert ulp.ulps(similarity, true) <= 4
        assert ulp.ulps(distance, 1 - true) <= 8


def test_a_zero_vector_has_similarity_and_slopes_of_zero():
    zero = jnp.zeros((), jnp.float32)
    f = lambda a, b: cosine_similarity(a, b, zero, (0,))[0]
    value, slopes = jax.value_and_grad(f, (0, 1))(jnp.zeros(3), jnp.ones(3))
    assert value == 0
    assert not np.any(slopes[0])
    assert not np.any(slopes[1])


def test_directions_have_length_one():
    unit = np.asarray(directions(jnp.asarray([[3.0, 4.0], [0.0, 0.0], [1e30, 0.0]])))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)


def test_the_perpendicular_part_is_orthogonal():
    a, b = jnp.asarray([[1.0, 1e-4, 0.0]]), jnp.asarray([[1.0, 0.0, 2.0]])
    apart = np.float64(perpendicular(b, a, jnp.ones((1, 1), bool), (1,)))
    assert abs((apart * np.float64(a)).sum()) < 1e-7
