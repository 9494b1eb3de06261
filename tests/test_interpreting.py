"""What NumPy makes of a traced program is what `jax.jit` makes of it, for every operation that has a rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxloss.numerics.product import matrix_product
from tests.compiling import equations
from tests.interpreting import CALLS, ELEMENTWISE, FOLLOWED, RULES, interpreted

X = np.float32([[0.5, -1.25, 3.0], [-0.0, 2.5, -4.0]])
N = np.int32([[7, -3, 2], [5, 0, -8]])
ODD = np.float32([np.nan, np.inf, -np.inf, 1e10, -1e10, 0.0, -2.5])


@jax.custom_jvp
def _cubed(x):
    return x * x * x


_cubed.defjvp(lambda given, moved: (_cubed(*given), 3 * given[0] ** 2 * moved[0]))


@jax.custom_vjp
def _doubled(x):
    return 2 * x


_doubled.defvjp(lambda x: (2 * x, None), lambda _, slope: (2 * slope,))


def _backwards(carry, x):
    return carry * 0.5 + x, (carry, x - carry)


PROGRAMS = {
    "arithmetic": lambda x, n: (x + 1, x - x.T.reshape(2, 3), x * x, x / 3, -x, n * n, n - 1, n // 2, n % 3, n / n),
    "comparisons": lambda x, n: (
        x < 1,
        x <= 0,
        x > 1,
        x >= 0,
        x == 0,
        n != 5,
        jnp.isfinite(x / 0),
        lax.clamp(-1.0, x, 1.0),
    ),
    "functions": lambda x, n: (
        jnp.exp(x),
        jnp.expm1(x),
        jnp.log(x * x),
        jnp.log1p(x * x),
        jnp.sqrt(x * x),
        lax.square(x),
        jnp.abs(x) ** 1.5,
        x**3,
        lax.integer_pow(x, -2),
        n**3,
        jnp.sign(x),
        jnp.abs(n),
    ),
    "extremes": lambda x, n: (
        jnp.maximum(x, 0),
        jnp.minimum(x, jnp.nan),
        x.max(0),
        x.min(),
        n.max(1),
        n[:0].max(0, initial=3),
    ),
    "choices": lambda x, n: (jnp.where(n > 1, x, -x), lax.select_n(jnp.abs(n) % 3, x, 2 * x, 3 * x)),
    "bits": lambda x, n: (
        n & 3,
        n | 4,
        ~n,
        ~(n > 0),
        (n > 0) & (x > 0),
        (n > 0) | (x > 0),
        n >> 1,
        n << 2,
        n ^ 5,
        lax.bitcast_convert_type(x, np.int32),
    ),
    "sums": lambda x, n: (x.sum(0), n.sum(), (n > 0).all(1), (n > 0).any(0), jnp.cumsum(x, 1), x @ x.T),
    "shapes": lambda x, n: (
        x.reshape(3, 2),
        x.T,
        x[:, ::-1],
        x[1:, ::2],
        x[:, :1].squeeze(1),
        jnp.broadcast_to(x[:, None], (2, 4, 3)),
        jnp.concatenate([x, x], 1),
        lax.broadcasted_iota(np.int32, (2, 5), 1),
        jnp.pad(x, 1),
        lax.pad(x, np.float32(7), [(1, -1, 0), (-1, 2, 1)]),
        jnp.split(x, 3, 1),
        jnp.split(x, [1], 1),
        jnp.sort(x, 1),
    ),
    "gathers": lambda x, n: (
        x[n[:, 0] % 2],
        x[n % 2, n % 3],
        x[:, n % 3],
        jnp.take_along_axis(x, n % 3, 1),
        jnp.take_along_axis(x, n, 1),  # outside of the axis
        jnp.take_along_axis(n, n, 1),
        jnp.take_along_axis(n > 0, n, 1),
        x.at[n].get(mode="fill", fill_value=5.0),
        x.at[n, n].get(mode="clip"),
        x[n[0, 1] % 2],
        jax.vmap(lambda x, n: x[n])(x, n % 3),
        jax.vmap(lambda x, n: lax.dynamic_slice(x, (n,), (2,)))(x, n[:, 0]),
        jax.vmap(lambda x, n: x[n], (1, 1), 1)(x, n % 2),
    ),
    "rounding": lambda x, n: (jnp.round(x), lax.round(x + 0.25, lax.RoundingMethod.AWAY_FROM_ZERO)),
    "products": lambda x, n: (
        matrix_product(x, x, "ij,kj->ik", jnp.bfloat16),
        matrix_product(x, x, "ij,ij->", x.dtype),
    ),
    "types": lambda x, n: (
        n.astype(np.float32),
        x.astype(np.int32),
        x.astype(jnp.bfloat16),
        (x > 0).astype(np.int32),
        *(lax.reduce_precision(x / 3, 8, bits) for bits in (7, 12, 23)),
    ),
    "odd values": lambda x, n: (
        jnp.where(x[0, 0] > 0, ODD, 0).astype(np.int32),
        lax.reduce_precision(jnp.asarray(ODD) + 0 * x[0, 0], 8, 7),
        jnp.maximum(ODD, x[0, 0]),
        jnp.sign(ODD * x[0, 0]),
        x * np.float32(1e-38) * np.float32(1e-2),
    ),
    "calls": lambda x, n: (
        jax.jit(jnp.sin)(x),
        jax.checkpoint(lambda x: x * 2)(x),
        _cubed(x),
        jax.grad(lambda x: _cubed(x).sum())(x),
        _doubled(x),
        jax.grad(lambda x: _doubled(x).sum())(x),
        lax.stop_gradient(x),
    ),
    "branches": lambda x, n: (
        lax.cond(x[0, 0] > 0, lambda x: x, lambda x: -x, x),
        lax.switch(n[1, 0], [lambda x: x, lambda x: -x, lambda x: 2 * x], x),
        lax.platform_dependent(x, cpu=lambda x: 3 * x, default=lambda x: x),
    ),
    "loops": lambda x, n: (
        lax.scan(_backwards, x[0], x),
        lax.scan(_backwards, x[0], x, reverse=True),
        lax.scan(_backwards, x[0], x[:0]),
        jax.grad(lambda x: lax.scan(_backwards, x[0], x)[0].sum())(x),
        lax.fori_loop(0, 3, lambda i, y: y * 0.5 + i, x),
    ),
    "a tree": lambda x, n: {"list": [x, (n,)], "none": None, "number": 1.0},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_operation(name):
    program = PROGRAMS[name]
    got, expected = interpreted(program)(X, N), jax.jit(program)(X, N)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=3e-7)


def test_subnormal_numbers_are_zeros():
    tiny = np.float32([1e-40, -1e-40, 1e-37])
    program = lambda x: (x * 1e30, x * 1e-2, 1 / x)
    for a, b in zip(interpreted(program)(tiny), jax.jit(program)(tiny), strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-7)


def test_every_rule_is_asked():
    found = {e.primitive.name for program in PROGRAMS.values() for e, _ in equations(program, X, N)}
    versions = {"jit", "pjit", "closed_call", "eval_jaxpr", "add_any"}  # by the version of JAX
    assert not {*ELEMENTWISE, *RULES, *CALLS, *FOLLOWED} - found - versions


def test_it_is_traced_once_for_each_kind_of_arguments():
    traced = []

    @interpreted
    def run(x, *, scale=1.0):
        traced.append(x.shape)
        return x * scale

    for x in (X, 2 * X, X[0], X):
        np.testing.assert_array_equal(run(x, scale=np.float32(3)), 3 * x)
    assert traced == [X.shape, X[0].shape]
    with jax.enable_x64(True):
        assert run(X.astype(np.float64)).dtype == np.float64
