"""Sizes that may be symbolic, and whether a row has few or many classes."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._shapes import FEW, MANY, as_tuple, few_classes, known, many_classes


def _rows(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def test_few_classes_are_those_of_the_last_axis():
    assert few_classes(_rows(3, FEW), -1)
    assert few_classes(_rows(3, FEW), (1,))
    assert not few_classes(_rows(3, FEW + 1), -1)
    assert not few_classes(_rows(3, 1), -1)
    assert not few_classes(_rows(FEW, 3), 0)


def test_many_classes_are_counted_over_all_axes():
    assert many_classes(_rows(3, MANY), -1)
    assert many_classes(_rows(16, MANY // 16), (0, 1))
    assert not many_classes(_rows(MANY, 3), 1)


def test_a_symbolic_size_is_not_known_and_taken_to_be_many():
    (n,) = jax.export.symbolic_shape("n")
    assert known(2, 3)
    assert not known(2, n)
    assert many_classes(_rows(3, n), -1)
    assert not few_classes(_rows(3, n), -1)
    assert as_tuple(1) == as_tuple((1,)) == (1,)
