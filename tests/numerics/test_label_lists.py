"""Margins between a list of labels and the other classes."""

import jax
import numpy as np

from jaxloss.numerics import label_lists
from jaxloss.numerics.label_lists import multilabel_margin
from tests.compiling import quick


def test_the_margins_of_each_label_to_each_other_class():
    x = np.float32([[0.1, 0.2, 0.4, 0.8], [1.0, -np.inf, 0.5, 3.0], [0.0, 0.0, 0.0, 0.0]])
    labels = np.int32([[3, 0], [2, -1], [-1, -1]])
    value, slope = quick(
        lambda x: (multilabel_margin(x, labels), jax.grad(lambda x: multilabel_margin(x, labels).sum())(x))
    )(x)
    # (1 - .8 + .2) + (1 - .8 + .4) + (1 - .1 + .2) + (1 - .1 + .4), then (1 - .5 + 1) + (1 - .5 + 3)
    np.testing.assert_allclose(value[:, 0], [0.4 + 0.6 + 1.1 + 1.3, 1.5 + 3.5, 0], rtol=1e-6)
    np.testing.assert_array_equal(slope, [[-2, 2, 2, -2], [1, 0, -2, 1], [0, 0, 0, 0]])


def test_an_impossible_label_is_infinitely_far_from_any_other_class():
    x, labels = np.float32([[-np.inf, 0.0], [-np.inf, -np.inf]]), np.int32([[0], [0]])
    np.testing.assert_array_equal(multilabel_margin(x, labels)[:, 0], [np.inf, 0])


def test_the_loops_end_with_the_longest_list(monkeypatch):
    taken, plain = [], label_lists.label_value

    def counted(x, label, axis):
        jax.debug.callback(lambda label: taken.append(label.tolist()), label)
        return plain(x, label, axis)

    monkeypatch.setattr(label_lists, "label_value", counted)
    x, labels = np.zeros((2, 1013), np.float32), np.full((2, 1013), -1, np.int32)
    labels[0, :3], labels[1, :1] = [5, 1000, 7], [9]
    jax.block_until_ready(jax.jit(jax.value_and_grad(lambda x: multilabel_margin(x, labels).sum()))(x))
    jax.effects_barrier()
    steps = [[[5], [9]], [[1000], [-1]], [[7], [-1]]]
    assert sorted(taken) == sorted(2 * steps)  # for the value, and for the slopes
