"""Running sums in blocks, beside a loop over the places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics.running_sums import running
from tests.compiling import quick


def _by_loop(values, starts):
    found, total = np.zeros(values.shape), 0.0
    for i, (value, start) in enumerate(zip(values.astype(np.float64), starts, strict=True)):
        found[i] = total = value if start else total + value
    return found


@pytest.mark.parametrize("n", [1, 5, 16, 17, 300, 5000])
def test_sums_begin_anew_at_each_start_in_both_directions(n):
    rng = np.random.default_rng(n)
    values, starts = rng.uniform(0.5, 2, n).astype(np.float32), rng.random(n) < 3 / n
    run = quick(lambda v, s: [running(jnp.add, v, s, reverse=reverse) for reverse in (False, True)])
    got = run(values, starts)
    expected = _by_loop(values, starts), _by_loop(values[::-1], starts[::-1])[::-1]
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=5e-7)


def test_an_addition_that_does_not_commute_keeps_its_order():
    """Of affine functions, one applied after the other, in batches."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.5, 1.5, (2, 3, 40)).astype(np.float32)
    starts = np.broadcast_to(np.arange(40) % 23 == 0, (3, 40))
    join = lambda f, g: (f[0] * g[0], g[0] * f[1] + g[1])
    slopes, offsets = quick(lambda a, b: running(join, (a, b), starts))(a, b)
    for row in range(3):
        f = 1.0, 0.0
        for i in range(40):
            own = float(a[row, i]), float(b[row, i])
            f = own if starts[row, i] else join(f, own)
            np.testing.assert_allclose((slopes[row, i], offsets[row, i]), f, rtol=3e-6)


def test_the_slopes_are_those_of_sums():
    starts = np.arange(50) % 20 == 0
    slope = quick(jax.grad(lambda v: jnp.sum(jnp.arange(50.0) * running(jnp.add, v, starts))))(jnp.ones(50))
    of_block = [np.arange(50)[i : (i // 20 + 1) * 20].sum() for i in range(50)]
    np.testing.assert_allclose(slope, of_block, rtol=1e-6)
