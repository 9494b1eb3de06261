"""The element at the label: found by comparison or, over many classes on CPU, by index, with the same answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics import label
from jaxloss.numerics._shapes import MANY
from tests import cases
from tests.compiling import optimized


@pytest.mark.parametrize("classes", [5, MANY], ids=["compared", "by index"])
@pytest.mark.parametrize("axis", [0, 1, 2] if cases.EVERY else [1])
def test_the_element_at_the_label_is_found_and_left_out_along_any_axis(classes, axis):
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(2, *np.insert([2, 3], axis, classes))).astype(np.float32)
    labels = rng.integers(0, classes, np.insert([2, 3], axis, 1)).astype(np.int32)
    labels.flat[:2] = -1, classes  # another device's
    one_hot = (np.arange(classes).reshape(np.insert([1, 1], axis, -1)) == labels).astype(np.float32)
    own = (x * one_hot).sum(axis, keepdims=True)

    @optimized
    def run(x, t, labels):
        found, tangent = jax.jvp(lambda x: label.label_value(x, labels, axis), (x,), (t,))
        slopes = [(2 * x, found), (x, -found)]
        sums = jax.value_and_grad(lambda t: sum(map(jnp.sum, label.sums_of_slopes(slopes, t, labels, axis))))(t)
        gradient = jax.grad(lambda x: (label.label_value(x, labels, axis) ** 2).sum())(x)
        return found, tangent, gradient, label.without_label(x, labels, axis), sums

    found, tangent, gradient, rest, (total, slope) = run(x, t, labels)
    np.testing.assert_array_equal(found, own)
    np.testing.assert_array_equal(tangent, (t * one_hot).sum(axis, keepdims=True))
    np.testing.assert_array_equal(gradient, 2 * x * one_hot)
    np.testing.assert_array_equal(rest, x * (1 - one_hot))
    np.testing.assert_array_equal(slope, 3 * x)  # what the two labels have beyond it cancels
    np.testing.assert_allclose(total, (3.0 * x * t).sum(), rtol=1e-5)
