import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import optax
import pytest
from jax.scipy.special import logsumexp

import jaxloss
from tests import cases
from tests.compiling import quick

LOSS = jaxloss.make_fenchel_young_loss(max_fun=logsumexp)


def test_of_the_log_sum_exp_it_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    x, y = cases.normal(rng, (4, 3, 5)), cases.distribution(rng, (4, 3, 5))
    run = lambda loss: quick(lambda x: (loss(x, y), jax.grad(lambda x: loss(x, y).sum())(x)))(x)
    for got, expected in zip(run(LOSS), run(jaxloss.softmax_cross_entropy), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    truth = [
        mp.log(mp.fsum(mp.exp(float(v)) for v in row)) - mp.fdot(map(float, row), map(float, t))
        for row, t in zip(x[0], y[0], strict=True)
    ]
    np.testing.assert_allclose(LOSS(x, y)[0], np.float64(truth), rtol=1e-5)


def test_of_the_maximum_it_is_the_loss_of_the_perceptron():
    rng = np.random.default_rng(1)
    x, t = cases.normal(rng, (16, 5)), cases.labels(rng, 16)
    losses = jaxloss.make_fenchel_young_loss(jnp.max)(x, np.eye(5, dtype=np.float32)[t])
    np.testing.assert_allclose(losses, jaxloss.multiclass_perceptron_loss(x, t), rtol=1e-6, atol=1e-6)


def test_further_arguments_go_to_the_maximum():
    x, y = jnp.array([[2.0, 1.0]]), jnp.array([[1.0, 0.0]])
    tempered = lambda row, temperature: temperature * logsumexp(row / temperature)
    losses = [
        jaxloss.make_fenchel_young_loss(tempered)(x, y, *a, **k) for a, k in (((0.5,), {}), ((), {"temperature": 0.5}))
    ]
    np.testing.assert_allclose(losses, 0.5 * np.log1p(np.exp(-2.0)) * np.ones((2, 1)), rtol=1e-5)


def test_an_absent_class_contributes_nothing():
    x, y = jnp.array([[1.0, 1.0, -jnp.inf]]), jnp.array([[1.0, 0.0, 0.0]])
    losses, slopes = jax.vjp(LOSS, x, y)
    np.testing.assert_allclose(losses, [np.log(2)], rtol=1e-6)
    for slope in slopes(jnp.ones(1)):
        assert np.isfinite(slope).all()


def test_half_precision_and_shapes_are_those_of_every_loss():
    x = jnp.ones((2, 3), jnp.bfloat16)
    assert LOSS(x, jnp.ones((2, 3))).dtype == jnp.float32
    with pytest.raises(ValueError, match=r"fenchel_young_loss: scores \(2, 3\) and targets \(3,\) differ in shape"):
        LOSS(x, jnp.ones(3))


def test_the_answers_are_optaxs():
    rng = np.random.default_rng(2)
    x, y = cases.normal(rng, (16, 5)), cases.distribution(rng, (16, 5))
    theirs = optax.losses.make_fenchel_young_loss(logsumexp)
    np.testing.assert_allclose(LOSS(x, y), theirs(x, y), rtol=1e-5, atol=1e-6)


def test_the_safe_cross_entropy_is_the_cross_entropy():
    rng = np.random.default_rng(3)
    x, y = cases.normal(rng, (16, 5)), cases.distribution(rng, (16, 5))
    x[:, 2], y[:, 2] = -np.inf, 0
    run = lambda loss: jax.value_and_grad(lambda x, y: loss(x, y).sum(), (0, 1))(x, y)
    for a, b in zip(
        jax.tree.leaves(run(jaxloss.safe_softmax_cross_entropy)),
        jax.tree.leaves(run(jaxloss.softmax_cross_entropy)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
