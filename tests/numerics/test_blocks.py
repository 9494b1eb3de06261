"""Functions of elements that are computed block by block."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss.numerics import in_blocks
from jaxloss.numerics._blocks import BLOCK, LARGE
from tests.compiling import quick


def _formula(a, b):
    return jnp.exp(-a * a) * jnp.log(b)


def _draw(*shape):
    rng = np.random.default_rng(0)
    return np.float32(rng.normal(0, 1, shape)), np.float32(rng.uniform(0.5, 2, shape))


def test_value_and_derivatives_are_those_of_the_whole():
    """Of a size that is no multiple of the block's; in reverse and forward mode, mixed derivatives too."""
    arrays = _draw(3, LARGE // 2 + 17)
    assert arrays[0].size % BLOCK

    def seen(f):
        slopes = lambda *a: jax.grad(lambda *a: jnp.sum(f(*a) * jnp.cos(a[0])), (0, 1))(*a)
        return f(*arrays), *jax.jvp(slopes, arrays, arrays)

    got, expected = quick(lambda: seen(in_blocks(_formula)))(), quick(lambda: seen(_formula))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got, expected)


def test_it_may_be_mapped():
    arrays = _draw(3, LARGE)
    got = quick(jax.vmap(in_blocks(_formula)))(*arrays)
    np.testing.assert_allclose(got, quick(_formula)(*arrays), rtol=1e-6)


def test_few_elements_are_computed_at_once():
    program = jax.make_jaxpr(in_blocks(_formula))(*_draw(100))
    assert "while" not in str(program)
    assert "scan" not in str(program)
    assert "platform_index" in str(jax.make_jaxpr(in_blocks(_formula))(*_draw(LARGE)))
