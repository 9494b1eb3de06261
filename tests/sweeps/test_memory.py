"""Promise 4: compiled programs hold nothing of the size of the input but the gradient, and class forms cost nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxloss
from jaxloss._rows import with_counting
from tests import cases
from tests.compiling import equations, optimized
from tests.numerics.branches import needs_forms

ROWS, CLASSES = 512, 32000
LOGITS = jax.ShapeDtypeStruct((ROWS, CLASSES), jnp.float32)
LABELS = jax.ShapeDtypeStruct((ROWS,), jnp.int32)
BYTES = ROWS * CLASSES * 4


def _temporaries(f, *arguments):
    return optimized(f).lower(*arguments).compile().memory_analysis().temp_size_in_bytes


WEIGHTS = np.linspace(0.5, 2, CLASSES).astype(np.float32)
OPTIONS = {
    "plain": {},
    "label_smoothing": {"label_smoothing": 0.1},
    "class_weights": {"class_weights": WEIGHTS},
    "z_loss": {"z_loss": 1e-4},
    "ignore_index": {"ignore_index": -100},
    "all": {"label_smoothing": 0.1, "class_weights": WEIGHTS, "z_loss": 1e-4, "ignore_index": -100},
}


@needs_forms
@pytest.mark.parametrize("rows_masked", [False, True], ids=["", "row mask"])
@pytest.mark.parametrize("options", OPTIONS if cases.EVERY else ["plain", "all"])
def test_integer_label_cross_entropy_holds_nothing_of_the_size_of_the_logits(options, rows_masked):
    loss = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**OPTIONS[options])
    mask = [jax.ShapeDtypeStruct((ROWS,), jnp.bool_)] if rows_masked else []
    value = lambda x, t, *m: loss(x, t, where=m[0] if m else None)
    assert _temporaries(value, LOGITS, LABELS, *mask) < 0.02 * BYTES
    assert _temporaries(jax.value_and_grad(value), LOGITS, LABELS, *mask) < 0.02 * BYTES


@needs_forms
def test_dense_cross_entropy_holds_no_more_than_optax():
    ours = lambda x, y: jaxloss.softmax_cross_entropy(x, y).mean()
    theirs = lambda x, y: optax.losses.softmax_cross_entropy(x, y).mean()
    ours, theirs = (_temporaries(jax.value_and_grad(f), LOGITS, LOGITS) for f in (ours, theirs))
    assert ours <= theirs


OF_LOG_SOFTMAX = {
    "by hand": lambda x, y: -jnp.mean(jnp.sum(y * jaxloss.log_softmax(x), -1)),
    "divergence": lambda x, y: jaxloss.kl_divergence(jaxloss.log_softmax(x), y).mean(),
}


@needs_forms
@pytest.mark.parametrize("loss", OF_LOG_SOFTMAX.values(), ids=OF_LOG_SOFTMAX)
def test_the_gradient_through_log_softmax_is_all_that_is_held(loss):
    assert _temporaries(jax.value_and_grad(loss), LOGITS, LOGITS) < 0.02 * BYTES


ELEMENTWISE = [case for case in cases.programs() if case.elementwise]


@needs_forms
@pytest.mark.parametrize("case", ELEMENTWISE, ids=lambda case: case.id)
def test_elementwise_losses_hold_no_more_arrays_of_the_size_of_the_input_than_they_say(case):
    """XLA on CPU stores the losses before it sums them, where it does not write them into the gradient's array."""
    arrays = {name: jax.ShapeDtypeStruct((2**20,), jnp.float32) for name in case.arrays}
    form = case.make()
    step = lambda arrays: jax.value_and_grad(lambda p: case.reduced(form, {**arrays, case.predictions: p}))(
        arrays[case.predictions]
    )
    assert _temporaries(step, arrays) < (case.held + 0.1) * 2**22


@needs_forms
@pytest.mark.parametrize("loss", [jaxloss.js_divergence, jaxloss.js_divergence_from_logits])
def test_the_divergence_of_jensen_and_shannon_holds_one_array(loss):
    assert _temporaries(jax.value_and_grad(lambda x, y: loss(x, y).mean()), LOGITS, LOGITS) < 1.05 * BYTES


def _counted(case):
    """Whether the labels say which losses count, as a label to ignore does: that is a mask."""
    rows = with_counting(case.fn)
    run = lambda arrays: rows(**case.arguments(arrays), **case.given()).counting
    return rows is not None and jax.eval_shape(run, case.draw()) is not None


# A fused loss is reduced by itself.
UNMASKED = [case for case in cases.each() if not case.call and not _counted(case)]


@pytest.mark.parametrize("case", UNMASKED, ids=lambda case: case.id)
def test_the_class_form_traces_to_its_function_and_a_mean(case):
    arrays = case.draw()
    function = equations(lambda arrays: jnp.mean(case.loss(arrays)), arrays)
    form = equations(lambda arrays: case.reduced(case.make(), arrays), arrays)
    assert len(form) == len(function)
