"""Every error of a drop-in names the function that was called, and no argument that it does not have.

Values outside the domain are in test_samples.py.
"""

import inspect

import jax
import numpy as np
import pytest

from tests.dropins.collection import EACH_FORM, ROWS, of
from tests.dropins.rows import richest
from tests.dropins.words import in_own_words

# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning", "ignore:.*differ in shape:UserWarning")


def _message(call):
    """The error that a call raises while it is traced; None if it raises none."""
    try:
        jax.eval_shape(call)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def _wrong(row):
    """Arrays of a wrong rank, length or dtype, with what is wrong, and whether that must be an error."""
    arrays = row.draw()
    for name, x in arrays.items():
        optional = inspect.signature(row.fn).parameters[name].default is None
        for value in ("text", {"a": 1}, None, jax.random.key(0), np.zeros(x.shape, np.complex64)):
            yield f"{name} of {type(value).__name__}", {**arrays, name: value}, value is not None or not optional
        for shape in (x.shape[1:], (*x.shape, 2), (1, 2, *x.shape), tuple(n + 1 for n in x.shape)):
            yield f"{name} of shape {shape}", {**arrays, name: np.zeros(shape, x.dtype)}, False
        yield f"{name} of integers", {**arrays, name: np.zeros(x.shape, np.int32)}, False
        yield f"{name} of floats", {**arrays, name: np.zeros(x.shape, np.float32)}, False
    for axis in range(max(x.ndim for x in arrays.values())):
        none = {name: np.take(x, [], axis) if axis < x.ndim else x for name, x in arrays.items()}
        yield f"nothing on axis {axis}", none, False


@of(richest(ROWS))
def test_arrays_that_cannot_be_are_refused_in_the_words_of_the_drop_in(row):
    found = 0
    for what, arrays, must in _wrong(row):
        message = _message(lambda arrays=arrays: row.losses(arrays))
        assert message or not must, what
        if message:
            found += 1
            in_own_words(message, row, row.fn.__name__, what)
    assert found > 10


@of([row for row in EACH_FORM if row.peer == "keras"])
def test_masks_and_weights_that_do_not_fit_are_refused_in_the_words_of_the_drop_in(row):
    form, arrays = row.make(), row.draw()
    for shape in ((3, 5), (3, 1, 1, 2), (9,)):
        for name, dtype in (("mask", bool), ("mask", np.float32), ("sample_weight", np.float32)):
            message = _message(lambda: form(*row.ordered(arrays), **{name: np.ones(shape, dtype)}))
            in_own_words(message, row, row.form.__name__, f"{name} of {np.dtype(dtype).name} {shape}")
            assert name in message
