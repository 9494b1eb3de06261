"""Log-softmax, softmax and logaddexp."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics.log_sum_exp import log_softmax, logaddexp, logsumexp, softmax
from tests.compiling import optimized
from tests.numerics.primitives import End

ENDS = [
    End(logaddexp, (-np.inf, -np.inf), -np.inf, (0, 0)),
    End(logaddexp, (-np.inf, 1.0), 1, (0, 1)),
]


@pytest.mark.parametrize("absent", [0, 256], ids=["few classes", "many classes"])
def test_softmax_and_its_logarithm_to_the_second_derivative(absent):
    flat, tied, even, likely = [0, 0, 0], [5, 5, -1], [1.2, 0.1, 1], [0.3, -2, -1.5]
    confident, without, sure = [30, 0, 1], [0, -np.inf, 1], [7, -np.inf, -np.inf]
    x = np.float32([flat, tied, even, likely, confident, without, sure])
    x = np.pad(x, ((0, 0), (0, absent)), constant_values=-np.inf)
    gaps, own = np.float64(x) - x.max(1, keepdims=True), np.eye(x.shape[1], dtype=bool)
    total = np.exp(gaps).sum(1, keepdims=True)
    p = np.exp(gaps) / total
    complement = np.where(own, 0, p[:, None]).sum(-1)
    log_p = np.where(p > 0.5, np.log1p(-complement * (p > 0.5)), gaps - np.log(total))
    of_softmax = np.where(own, (p * complement)[:, None], -p[:, :, None] * p[:, None])
    of_log = np.where(own, complement[:, None], -p[:, None])
    shares = np.float32([0.5, 0.2, 0.3] + [0] * absent)
    same = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-35)
    crossed = jax.grad(lambda x: -jnp.vdot(shares, log_softmax(x)))
    functions = [softmax, log_softmax]
    bent = [*functions, crossed, jax.grad(logsumexp)]

    @optimized
    @jax.vmap
    def run(x):
        return [f(x) for f in functions], [[d(f)(x) for f in bent] for d in (jax.jacfwd, jax.jacrev)]

    values, slopes = run(x)
    same(values[0], p)
    np.testing.assert_allclose(values[1], log_p, rtol=1e-6)
    for got in slopes:
        for answer, expected in zip(got, (of_softmax, of_log, of_softmax, of_softmax), strict=True):
            same(answer, expected)


def test_absent_classes_change_nothing_however_many():
    """Many classes are summed in another way than few."""
    inf = np.inf
    x = np.float32([[inf, 0, 1], [inf, inf, 0], [-inf, -inf, -inf], [3e38, -3e38, 0], [3e-8, 0, -1], [30, 0, 1]])
    absent, shares = ((0, 0), (0, 300)), np.float32([[0.5, 0.2, 0.3]])

    @optimized
    def run(x, shares):
        value, pull_back = jax.vjp(log_softmax, x)
        return value, pull_back(jnp.broadcast_to(shares, x.shape))[0], softmax(x)

    few, many = run(x, shares), run(np.pad(x, absent, constant_values=-inf), np.pad(shares, absent))
    np.testing.assert_array_equal(few[0][0], [0, -inf, -inf])
    for of_few, of_many in zip(few, many, strict=True):
        np.testing.assert_allclose(of_many[:, :3], of_few, rtol=1e-6)


def test_the_logarithm_of_a_sum_of_exponentials():
    x = np.float32([[0, 0, 0], [-np.inf, -np.inf, -np.inf], [np.inf, 0, 1], [100, -100, 99.5]])
    value, slope = optimized(jax.vmap(jax.value_and_grad(logsumexp)))(x)
    np.testing.assert_allclose(value, [np.log(3), -np.inf, np.inf, 100 + np.log1p(np.exp(-0.5))], rtol=1e-6)
    p = 1 / (1 + np.exp(-0.5))
    np.testing.assert_allclose(slope, [[1 / 3] * 3, [0] * 3, [1, 0, 0], [p, 0, 1 - p]], rtol=1e-6)
