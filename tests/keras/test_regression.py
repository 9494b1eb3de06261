"""Keras' losses of numbers, counts and distributions: the ends of their domains."""

import jax
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.compiling import jit


def test_a_rate_of_zero_has_the_slope_that_the_guard_gives():
    """p - t log(p + 1e-7) of a count of 0 and of 2."""
    value, slope = jit(jax.value_and_grad(lambda p: ours.poisson([[0.0, 2.0]], p).sum()))(np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(value, -np.log(np.float32(1e-7)), rtol=1e-6)
    np.testing.assert_allclose(slope, [[0.5, 0.5 - 1e7]], rtol=1e-6)


@pytest.mark.parametrize("loss", [ours.poisson, ours.kl_divergence], ids=lambda loss: loss.__name__)
def test_rates_and_shares_outside_of_their_domain(loss):
    """A negative rate has loss nan; shares are clipped, as Keras clips them."""
    value = jit(lambda p: loss([[0.5, 0.5]], p))(np.float32([[-1.0, 0.5]]))
    expected = np.nan if loss is ours.poisson else 0.5 * np.log(np.float32(0.5) / np.float32(1e-7))
    np.testing.assert_allclose(value, [expected], rtol=1e-6)


@pytest.mark.parametrize("delta", [1.0, np.float32(1.0)])
def test_a_huber_loss_is_quadratic_up_to_delta_and_linear_beyond(delta):
    slope = jit(jax.grad(lambda p: ours.huber([[0.0, 0.0, 0.0]], p, delta).sum()))(np.float32([[0.5, 1.0, -30.0]]))
    np.testing.assert_allclose(slope, np.float32([[0.5, 1, -1]]) / 3, rtol=1e-6)


def test_a_log_cosh_of_a_large_error_does_not_overflow():
    value, slope = jit(jax.value_and_grad(lambda p: ours.log_cosh([[0.0]], p).sum()))(np.float32([[1e4]]))
    np.testing.assert_allclose([value, slope[0, 0]], [1e4 - np.log(2), 1], rtol=1e-6)
