"""Sums over elements in an order."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics.ordered import ensemble_score, sums_towards
from tests.compiling import jit


def test_sums_from_both_ends_towards_the_label():
    x = jnp.arange(1.0, 6.0)[None]
    for label, expected in ((0, [0, 14, 12, 9, 5]), (2, [1, 3, 0, 9, 5]), (4, [1, 3, 6, 10, 0])):
        np.testing.assert_array_equal(sums_towards(x, jnp.full((1, 1), label, jnp.int32), 1), [expected])
    slope = jax.grad(lambda x: jnp.sum(jnp.arange(5.0)[None] * sums_towards(x, jnp.full((1, 1), 2, jnp.int32), 1)))(x)
    np.testing.assert_array_equal(slope, [[0 + 1, 1, 0, 3, 3 + 4]])


def test_members_on_any_axis_and_left_out():
    rng = np.random.default_rng(0)
    x, y, kept = (
        rng.normal(size=(3, 5)).astype(np.float32),
        np.zeros((3, 1), np.float32),
        rng.uniform(size=(3, 5)) < 0.6,
    )
    kept[:, 0] = True
    for fair in (False, True):
        run = lambda x, y, kept, axis, fair=fair: jax.vjp(lambda x, y: ensemble_score(x, y, kept, axis, fair), x, y)
        value, back = run(x, y, kept, 1)
        other, back_other = run(x.T, y.T, kept.T, 0)
        np.testing.assert_array_equal(value, other.T)
        slopes, others = back(jnp.ones_like(value)), back_other(jnp.ones_like(other))
        for slope, o in zip(slopes, others, strict=True):
            np.testing.assert_array_equal(slope, o.T)
        assert not np.any(np.asarray(slopes[0])[~kept])


def test_an_infinite_outermost_member_is_in_no_fair_score():
    x = np.float32([[1, 2, np.inf]])
    run = jit(lambda x, fair: ensemble_score(x, jnp.zeros((1, 1)), None, 1, fair), static_argnums=1)
    assert run(x, False) == np.inf
    np.testing.assert_allclose(run(x, True), run(np.float32([[1, 2, 9]]), True), rtol=1e-6)
