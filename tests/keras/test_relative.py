"""Keras' errors relative to the target: targets of 0, numbers that are not positive, logarithms that agree."""

import jax
import numpy as np

import jaxloss.keras as ours
from tests.compiling import jit


def test_a_target_of_0_is_taken_as_the_epsilon_of_keras():
    value, slope = jit(jax.value_and_grad(lambda p: ours.mean_absolute_percentage_error([0.0, 2.0], p)))(
        np.float32([1e-7, 2.0])
    )
    np.testing.assert_allclose(value, 50, rtol=1e-6)
    np.testing.assert_allclose(slope, [5e8, 0], rtol=1e-6)


def test_numbers_that_are_not_positive_are_the_epsilon_of_keras():
    loss = lambda p: ours.mean_squared_logarithmic_error([-3.0, 1.0], p)
    value, slope = jit(jax.value_and_grad(loss))(np.float32([0.0, -5.0]))
    np.testing.assert_allclose(value, (np.log(2) - 1e-7) ** 2 / 2, rtol=1e-6)
    np.testing.assert_array_equal(slope, [0, 0])


def test_logarithms_that_nearly_agree_keep_their_digits():
    assert float(jit(ours.mean_squared_logarithmic_error)([1000.0], np.float32([1000.0001]))) > 1e-15
