"""Losses over rows decide once which rows count: the class form asks its function and computes nothing again."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from jaxloss._rows import with_counting
from tests import cases
from tests.cases import Case
from tests.compiling import equations

OVER_ROWS = [case for case in cases.richest() if with_counting(case.fn)]
every_loss_over_rows = pytest.mark.parametrize("case", OVER_ROWS, ids=lambda case: case.id)


def test_every_loss_with_a_class_axis_is_over_rows():
    found = {case.fn for case in OVER_ROWS}
    assert found >= {case.fn for case in cases.richest() if case.classes}
    assert found <= {case.fn for case in cases.richest() if case.arrays[case.predictions].axes != "..."}


@pytest.mark.parametrize("kind", ["rows", "elements"])
@every_loss_over_rows
def test_a_form_adds_a_reduction_to_its_function_and_nothing_else(case: Case, kind):
    arrays = case.draw()
    shape = arrays[case.predictions].shape if kind == "elements" and case.elements else (cases.BATCH,)
    where = np.random.default_rng(0).random(shape) < 0.7
    form, rows, losses = case.make(), where.reshape(cases.BATCH, -1).any(1), np.zeros(cases.BATCH, np.float32)
    whole = equations(lambda arrays, where: case.reduced(form, arrays, where=where), arrays, where)
    function = equations(lambda arrays, where: case.loss(arrays, where=where), arrays, where)
    reduction = equations(lambda losses, rows: jaxloss.reduce(losses, where=rows), losses, rows)
    assert len(whole) <= len(function) + len(reduction) + 1  # the class axis of the mask is squeezed


@dataclass(frozen=True, kw_only=True)
class Halved(jaxloss.SoftmaxCrossEntropyWithIntegerLabels):
    """A user's form that changes the losses of ours, inside a transformation."""

    def losses(self, predictions, targets, where=None):
        return 0.5 * jax.checkpoint(super().losses)(predictions, targets, where=where)


@pytest.mark.parametrize("ignore_index", [None, -1])
def test_a_subclass_that_changes_the_losses_counts_the_same_rows(ignore_index):
    logits, labels = (
        np.float32([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]),
        np.array([0, 1 if ignore_index is None else -1, 1]),
    )
    for where in (None, np.array([True, True, False]), np.array([[True, True], [True, False], [False, True]])):
        of = [form(ignore_index=ignore_index) for form in (Halved, jaxloss.SoftmaxCrossEntropyWithIntegerLabels)]
        halved, whole = (loss(logits, labels, where=where) for loss in of)
        np.testing.assert_allclose(halved, 0.5 * whole, rtol=1e-6)
        assert of[0].total(logits, labels, where=where)[1] == of[1].total(logits, labels, where=where)[1]


@dataclass(frozen=True, kw_only=True)
class OneHot(jaxloss.SoftmaxCrossEntropyWithIntegerLabels):
    """A user's form whose targets are not those of ours."""

    def losses(self, predictions, targets, where=None):
        return super().losses(predictions, jnp.argmax(targets, -1), where=where)


def test_a_subclass_may_take_other_targets_where_every_row_counts():
    logits, labels = np.float32([[2.0, 0.0], [0.0, 1.0]]), np.eye(2, dtype=np.float32)
    assert OneHot()(logits, labels) == jaxloss.SoftmaxCrossEntropyWithIntegerLabels()(logits, np.array([0, 1]))
