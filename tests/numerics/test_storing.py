"""A function whose value and slopes share nothing, beside the function itself, on the branch of every platform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics._storing import apart
from tests.compiling import quick
from tests.numerics.branches import on_branch

ARRAYS = np.float32([0.5, -1.0, 2.0]), np.float32([1.0, 0.25, 3.0]), np.float32([2.0, 1.5, 0.75])


def _f(x, t, s):
    return jnp.exp((jnp.log(t) - x) / s) + x * jnp.log(t)


def _answers(f):
    """Value, slopes in all arrays, and the curvature in the first two."""
    total = lambda *arrays: f(*arrays).sum()
    slopes = jax.grad(total, (0, 1, 2))
    return quick(lambda *arrays: (f(*arrays), *slopes(*arrays), *jax.hessian(total, (0, 1))(*arrays)[0]))(*ARRAYS)


@pytest.mark.parametrize("branch", ["cpu", "cuda", "default"])
def test_value_slopes_and_curvatures_are_those_of_the_function(branch):
    got = on_branch(branch, lambda: _answers(apart(_f)))
    for one, other in zip(got, _answers(_f), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_slopes_are_nan_where_the_first_array_is():
    slope = jax.grad(lambda t: apart(_f)(jnp.float32(np.nan), t, jnp.float32(1.0)))
    assert np.isnan(on_branch("default", lambda: slope(jnp.float32(2.0))))
