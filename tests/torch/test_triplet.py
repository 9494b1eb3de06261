"""PyTorch's losses of triplets: equal vectors, the largest difference, distances of the user's, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.torch.refusing import X, Y, bad_input_is_refused

ANCHOR, POSITIVE, NEGATIVE = np.float32([[0, 0]]), np.float32([[3, 4]]), np.float32([[0, 5.5]])


@pytest.mark.parametrize(("p", "near", "far"), [(1, 7, 5.5), (2, 5, 5.5), (np.inf, 4, 5.5)])
def test_the_degree_is_that_of_the_distance(p, near, far):
    loss = jit(lambda a: F.triplet_margin_loss(a, POSITIVE, NEGATIVE, margin=2.0, p=p, eps=0.0))(ANCHOR)
    np.testing.assert_allclose(loss, near - far + 2, rtol=1e-6)


def test_equal_vectors_have_finite_slopes_without_an_eps():
    """The slope of a distance of 0 is nan with PyTorch."""
    run = jit(jax.value_and_grad(lambda a: F.triplet_margin_loss(a, ANCHOR, ANCHOR, eps=0.0)))
    value, slope = run(ANCHOR)
    assert value == 1
    assert not np.any(slope)


def test_a_positive_that_is_nearer_to_the_negative_takes_the_place_of_the_anchor():
    """It is at sqrt(11.25) from the negative, nearer than the anchor is."""
    run = jit(lambda a, swap: F.triplet_margin_loss(a, POSITIVE, NEGATIVE, eps=0.0, swap=swap), static_argnums=1)
    np.testing.assert_allclose([run(ANCHOR, swap) for swap in (False, True)], [0.5, 6 - 11.25**0.5], rtol=1e-6)


def test_any_function_of_two_arrays_is_a_distance():
    far = lambda x, y: jnp.abs(x - y).max(-1)
    loss = lambda a: F.triplet_margin_with_distance_loss(a, POSITIVE, NEGATIVE, distance_function=far, margin=2.0)
    value, slope = jit(jax.value_and_grad(loss))(ANCHOR)
    assert value == 0.5
    np.testing.assert_array_equal(slope, [[0, 0]])  # both distances are along the second axis


ERRORS = [
    (F.triplet_margin_loss, (X, Y, Y[0]), {}, ValueError, ["negative (4,)", "axes"]),
    (F.triplet_margin_loss, (X, Y, Y[:2]), {}, ValueError, ["negative (2, 4)", "broadcast"]),
    (F.triplet_margin_loss, (X, Y, Y), {"p": 0}, ValueError, ["p"]),
    (F.triplet_margin_loss, (X.astype(int), Y, Y), {}, TypeError, ["anchor", "int"]),
    (F.triplet_margin_with_distance_loss, (X, Y, Y), {"distance_function": 2}, TypeError, ["distance_function"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
