"""What holds for any numbers: found by hypothesis, on fixed shapes, so that each program is compiled once."""

import chex
import hypothesis.extra.numpy as hnp
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxloss
from tests import cases
from tests.compiling import jit

BATCH, CLASSES = 6, 4
settings.register_profile("suite", deadline=None, max_examples=60, database=None, derandomize=True)
settings.load_profile("suite")


def arrays(shape, low, high):
    return hnp.arrays(np.float32, shape, elements=st.floats(low, high, width=32))


logits = arrays((BATCH, CLASSES), -1e4, 1e4)
labels = hnp.arrays(np.int32, (BATCH,), elements=st.integers(0, CLASSES - 1))
numbers = arrays((BATCH,), -1e4, 1e4)
# No subnormal numbers, which XLA on CPU takes for 0.
weights = hnp.arrays(np.float32, (BATCH,), elements=st.just(0) | st.floats(2**-10, 100, width=32))
masks = hnp.arrays(bool, (BATCH,))
NEVER_NEGATIVE = {
    "huber_loss": (numbers, numbers),
    "log_cosh": (numbers, numbers),
    "poisson_deviance": (arrays((BATCH,), -30, 30), arrays((BATCH,), 0, 1e6)),
    "sigmoid_binary_cross_entropy": (numbers, arrays((BATCH,), 0, 1)),
    "sigmoid_focal_loss": (numbers, arrays((BATCH,), 0, 1)),
    "softmax_cross_entropy": (logits, arrays((BATCH, CLASSES), 0, 1)),
    "softmax_cross_entropy_with_integer_labels": (logits, labels),
    "softmax_focal_loss": (logits, labels),
    "js_divergence_from_logits": (logits, logits),
    "generalized_kl_divergence": (arrays((BATCH, CLASSES), -80, 80), arrays((BATCH, CLASSES), 0, 1e6)),
}


@pytest.mark.parametrize("name", NEVER_NEGATIVE)
def test_losses_are_never_negative_and_their_gradients_are_numbers(name):
    loss, (predictions, targets) = getattr(jaxloss, name), NEVER_NEGATIVE[name]
    run = jit(lambda p, t: (loss(p, t), jax.grad(lambda p: loss(p, t).sum())(p)))

    @given(predictions, targets)
    def check(p, t):
        losses, gradient = run(p, t)
        chex.assert_shape(losses, (BATCH,))
        chex.assert_tree_all_finite((losses, gradient))
        assert (losses >= 0).all()

    check()


@given(logits, labels, st.integers(-1000, 1000))
def test_cross_entropy_does_not_see_what_all_logits_share(x, y, shift):
    loss = jit(jaxloss.softmax_cross_entropy_with_integer_labels)
    # Logits to whole numbers, so that the shift rounds nothing.
    np.testing.assert_array_equal(loss(np.round(x) + np.float32(shift), y), loss(np.round(x), y))


_mean = jit(lambda losses, weights, where: jaxloss.reduce(losses, weights=weights, where=where))


@given(numbers, weights, masks)
def test_a_mean_is_between_the_smallest_and_the_largest_loss(losses, w, where):
    mean = _mean(losses, w, where)
    counted = losses[where & (w > 0)]
    if counted.size == 0:
        assert mean == 0
    else:
        slack = 1e-5 * np.abs(losses).max()
        assert counted.min() - slack <= mean <= counted.max() + slack


@given(numbers, weights, masks, st.integers(0, BATCH))
def test_micro_batches_add_up_wherever_they_are_cut(losses, w, where, cut):
    total = lambda part: jaxloss.total(losses[part], weights=w[part], where=where[part])
    numerator, denominator = (a + b for a, b in zip(total(slice(cut)), total(slice(cut, None)), strict=True))
    whole = total(slice(None))
    np.testing.assert_allclose(denominator, whole[1], rtol=1e-6)
    np.testing.assert_allclose(numerator, whole[0], rtol=1e-5, atol=1e-6 * float(np.abs(losses * w).sum()))


@settings(max_examples=15)
@given(st.permutations(range(BATCH)), st.integers(0, 2**31))
def test_the_order_of_the_batch_does_not_matter(order, seed):
    case = cases.collect()[seed % len(cases.collect())]
    p, t = case.draw(seed, (BATCH,))
    order = np.array(order)
    loss = jit(case.loss)
    np.testing.assert_allclose(loss(p[order], t[order]), loss(p, t)[order], rtol=1e-6)
