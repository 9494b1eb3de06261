"""Random calls beside PyTorch: values and slopes of every function, over shapes, dtypes, options and reductions."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import cases
from tests.compiling import jit
from tests.dropins.collection import of
from tests.dropins.rows import answered, floating, richest
from tests.random_calls import NOT_SHRUNK, some
from tests.torch.rows import ROWS

# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")
few = some(3, 5, **NOT_SHRUNK)

DTYPES = st.sampled_from(["float32", "float64"])


def _varied(row):
    """The row with another length of its batch, other numbers of classes and features, and some of its numbers.

    Options that are no numbers stay: what the arrays hold depends on some of them.
    """
    batch = row.shape if row.batch is None else row.batch
    batches = st.sampled_from([(1, *batch[1:]), batch, (7, *batch[1:])] if batch else [()])
    lengths = st.fixed_dictionaries({"c": st.sampled_from([3, 5, 8]), "d": st.sampled_from([2, 4, 5])})
    numbers = {name: option for name, option in row.options.items() if isinstance(option, float | cases.Domain)}
    others = {name: st.just(option) for name, option in row.options.items() if name not in numbers}
    chosen = st.fixed_dictionaries(others, optional={name: st.sampled_from(_near(v)) for name, v in numbers.items()})
    vary = lambda batch, sizes, options: replace(row, batch=batch, sizes={**sizes, **row.sizes}, options=options)
    return st.builds(vary, batches, lengths, chosen)


def _near(option):
    """An option, and half of it if it is a number."""
    return [option, option / 2] if isinstance(option, float) else [option]


def _typed(row, arrays, dtype):
    """Arrays and options in a dtype of floats."""
    options = {k: v.astype(dtype) if isinstance(v, np.ndarray) else v for k, v in row.given().items()}
    return replace(row, options=options), arrays | {k: x.astype(dtype) for k, x in floating(arrays).items()}


@of(ROWS if cases.EVERY else richest(ROWS), beside_peer=True)
def test_random_calls_are_answered_as_pytorch_answers_them(row):
    @few
    @given(_varied(row), st.integers(0, 2**31), st.sampled_from(row.reductions), DTYPES)
    def check(row, seed, reduction, dtype):
        with jax.enable_x64(dtype == "float64"):
            row, arrays = _typed(row, row.draw(seed), dtype)
            ask = lambda library, arrays: {"answer": row.answer(library, arrays, reduction=reduction)}
            run = jit(lambda arrays: answered(lambda arrays: ask(row.library, arrays), arrays))
            values, slopes = jax.tree.map(np.asarray, run(arrays))
        expected, of_slopes = row.beside(ask, arrays)
        if np.isnan(expected["answer"]).any():  # the mean of nothing, as every target is ignored
            assert not any(np.any(x) for x in jax.tree.leaves((values, slopes)))
            return
        row.close(values["answer"], expected["answer"], "value")
        assert values["answer"].dtype == expected["answer"].dtype
        for name, slope in slopes.items():
            finite = np.isfinite(of_slopes[name])  # as in tests/dropins/test_rows.py
            row.close(slope[finite], of_slopes[name][finite], f"slope in {name}", slope=True)

    check()
