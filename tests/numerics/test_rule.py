"""What derivative rules are written with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics._rule import pushed, replaced, rule, tangent


@jax.custom_jvp
def _product(x, y):
    return x * y


def _unasked():
    raise AssertionError("the slope of an input that nobody differentiates")


@rule(_product)
def _product_jvp(primals, tangents):
    x, y = primals
    return _product(x, y), tangent(x, (lambda: y, tangents[0]), (_unasked, tangents[1]))


def test_the_slope_of_an_input_that_nobody_differentiates_is_not_computed():
    assert jax.grad(_product)(2.0, 3.0) == 3
    with pytest.raises(AssertionError, match="nobody differentiates"):
        jax.grad(_product, 1)(2.0, 3.0)


@jax.custom_jvp
def _steep(x, y):
    return x / y**2


@rule(_steep)
def _steep_jvp(primals, tangents):
    x, y = primals
    inverse = 1 / y
    slopes = (lambda: (inverse, inverse), tangents[0]), (lambda: (-2 * x, inverse, inverse, inverse), tangents[1])
    return _steep(x, y), tangent(x, *slopes)


def test_a_slope_given_as_factors_overflows_in_its_own_direction_alone():
    both = jax.jacfwd(_steep, (0, 1))(jnp.float32(1e-30), jnp.float32(1e-14))
    np.testing.assert_allclose(both, [1e28, -2e12], rtol=1e-5)
    one, other = jnp.float32(1), jnp.float32(1e-25)
    # Along the first argument alone: the tangent of the second is an array of 0, and its slope overflows.
    along = lambda t, s: jax.jvp(_steep, (one, other), (jnp.float32(t), jnp.float32(s)))[1]
    assert along(1e-20, 0) == np.float32(1e-20) * np.float32(1e25) * np.float32(1e25)
    assert along(0, 1) == -np.inf


def test_a_function_is_differentiated_along_the_tangents_that_are_given():
    seen = []

    @jax.custom_jvp
    def f(tree, z):
        return tree["a"] * tree["b"] + z

    @rule(f)
    def _f_jvp(primals, tangents):
        def inner(tree, z):
            seen.append([isinstance(leaf, jax.core.Tracer) for leaf in (tree["a"], tree["b"], z)])
            return tree["a"] * tree["b"] + z

        return f(*primals), pushed(inner, primals, tangents)

    a, b, z = jnp.float32(2), jnp.float32(3), jnp.float32(1)
    assert jax.jvp(lambda a: f({"a": a, "b": b}, z), (a,), (a,))[1] == 6
    assert seen[-1] == [True, False, False]


def test_elements_of_a_list_are_replaced():
    np.testing.assert_array_equal(replaced([1, 2, 3], [0, 2], [7, 8]), [7, 2, 8])
