"""What holds for any numbers: found by hypothesis, on fixed shapes, so that each program is compiled once."""

import chex
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxloss
from tests import cases
from tests.compiling import jit
from tests.sweeps.programs import losses_and_slopes

BATCH, CLASSES = 6, 4
CALLS = 60 if cases.EVERY else 20
settings.register_profile("suite", deadline=None, max_examples=CALLS, database=None, derandomize=True)
settings.load_profile("suite")


def arrays(shape, low, high):
    return hnp.arrays(np.float32, shape, elements=st.floats(low, high, width=32))


logits = arrays((BATCH, CLASSES), -1e4, 1e4)
labels = hnp.arrays(np.int32, (BATCH,), elements=st.integers(0, CLASSES - 1))
numbers = arrays((BATCH,), -1e4, 1e4)
# No subnormal numbers, which XLA on CPU takes for 0.
weights = hnp.arrays(np.float32, (BATCH,), elements=st.just(0) | st.floats(2**-10, 100, width=32))
masks = hnp.arrays(bool, (BATCH,))


@pytest.mark.parametrize("case", [c for c in cases.each() if c.nonnegative], ids=lambda case: case.id)
def test_losses_are_never_negative_and_never_nan(case):
    """At ordinary values, hard ones and the ends of the domains, mixed as hypothesis likes."""

    @given(st.integers(0, 2**31), st.integers(1, cases.BATCH))
    def check(seed, hard):
        rng = np.random.default_rng(seed)
        arrays = case.samples(cases.BATCH - hard, hard, seed)
        name = rng.choice(case.batched)
        if case.arrays[name].ends:
            x = arrays[name]
            x[(0, *rng.integers(0, x.shape[1:]))] = rng.choice(case.arrays[name].ends)
        losses, _ = losses_and_slopes(case, arrays)
        chex.assert_shape(losses, (cases.BATCH,))
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
    case = cases.richest()[seed % len(cases.richest())]
    arrays, order = case.draw(seed, (BATCH,)), np.array(order)
    moved = {k: x[order] if k in case.batched else x for k, x in arrays.items()}
    loss = jit(case.loss)
    np.testing.assert_allclose(loss(moved), loss(arrays)[order], rtol=1e-6)
