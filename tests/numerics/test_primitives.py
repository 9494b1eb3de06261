"""The rows and ends that the test files of this folder declare: value and slopes against arbitrary precision."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import cases, ulp
from tests.compiling import optimized, quick
from tests.numerics import primitives

TRUTHS, ENDS = primitives.collected("TRUTHS"), primitives.collected("ENDS")


@pytest.mark.parametrize("row", TRUTHS, ids=lambda row: row.function.__name__)
def test_a_primitive_of_one_argument(row):
    """In float32 and in float64, at the same points, whose truth is the slow part."""
    mp.mp.dps = ulp.DIGITS
    f, name, answers = row.function, row.function.__name__, {}
    both = optimized(lambda x: (f(x), jax.vmap(jax.grad(f))(x)))
    answers[np.float32] = jax.tree.map(np.asarray, both(jnp.asarray(row.points, np.float32)))
    with jax.enable_x64(True):
        answers[np.float64] = jax.tree.map(np.asarray, both(jnp.asarray(row.points, np.float64)))
    for i, v in enumerate(row.points):
        true = row.truth(ulp.exact(v))
        true_slope = None if row.slope is None else ulp.first(lambda x: row.truth(x[0]), [ulp.exact(v)], 0)
        for kind, (got, gradient) in answers.items():
            error = ulp.ulps(got[i], true, dtype=kind)
            assert error <= row.value, f"{name}({v}) is off by {error} units in the last place of {kind}"
            if row.slope is not None:
                error = ulp.ulps(gradient[i], true_slope, dtype=kind)
                assert error <= row.slope, f"the slope of {name} at {v} is off by {error} units in the last place"


def test_primitives_are_twice_differentiable_in_both_modes():
    h = 1e-2

    def orders(f, x):
        modes = [jax.grad(jax.grad(f)), jax.jacfwd(jax.grad(f)), jax.jacfwd(jax.jacfwd(f)), jax.jacrev(jax.jacfwd(f))]
        found = [mode(x) for mode in (modes if cases.EVERY else modes[:2])]
        return found, (jax.grad(f)(x + h) - jax.grad(f)(x - h)) / (2 * h)

    # At two places inside of the domain of which the row names points.
    places = [jnp.asarray([1.25, 2.5]) * min(1, float(max(row.points)) / 3) for row in TRUTHS]
    each = lambda row, x: jax.vmap(lambda x: orders(row.function, x))(x)
    answers = quick(lambda places: [each(row, x) for row, x in zip(TRUTHS, places, strict=True)])(places)
    for row, (found, numeric) in zip(TRUTHS, answers, strict=True):
        name = row.function.__name__
        for order in found:
            np.testing.assert_allclose(order, found[0], rtol=1e-6, err_msg=name)
            np.testing.assert_allclose(order, numeric, rtol=2e-3, atol=1e-4, err_msg=name)


def test_the_closed_ends_of_the_domain():
    """One program of all primitives."""

    def run(*arguments):
        each = zip(ENDS, arguments, strict=True)
        return [jax.value_and_grad(end.function, tuple(range(len(a))))(*a) for end, a in each]

    answers = quick(run)(*([jnp.float32(a) for a in end.arguments] for end in ENDS))
    for end, (got, slopes) in zip(ENDS, answers, strict=True):
        what = f"{end.function.__name__}{end.arguments}"
        np.testing.assert_allclose(got, end.value, rtol=1e-6, err_msg=what)
        np.testing.assert_allclose(slopes, end.slopes, rtol=1e-6, err_msg=f"slopes of {what}")
