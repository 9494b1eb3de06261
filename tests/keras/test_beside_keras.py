"""Random calls beside Keras: values and slopes of every function and class, over shapes, dtypes, options and weights.

What our names differ in, on purpose, is listed in the docstring of `jaxloss.keras`; here it is what is not drawn, and
it stands once, in DIFFERENT.
"""

import inspect
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxloss.keras as ours
from tests import cases
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.dropins.rows import plainest
from tests.keras.rows import ROWS, KerasRow
from tests.random_calls import NOT_SHRUNK, some

pytestmark = [
    pytest.mark.skipif(missing("keras"), reason="Keras is not installed"),
    pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning"),
]
few = some(2, 5, **NOT_SHRUNK)
NUMERIC = {
    "alpha": [0.1, 0.25, 0.9],
    "beta": [0.2, 0.5, 1.5],
    "delta": [0.3, 1.0, 2.5],
    "gamma": [0.5, 2.0, 3.5],
    "label_smoothing": [0.0, 0.1, 0.6],
    "q": [0.1, 0.5, 0.95],
}
DIFFERENT = {
    "smoothing counts the classes of the axis": lambda row, option: (
        option == "label_smoothing" and "axis" in row.options
    ),
    "alpha does nothing without balancing": lambda row, option: (
        option == "alpha" and row.fn is ours.binary_focal_crossentropy and "apply_class_balancing" not in row.options
    ),
    "below 3.16 labels that may be ignored are not smoothed": lambda row, option: (
        option in row.newer and "ignore_class" in row.options
    ),
    "alpha of each class stays": lambda row, option: np.ndim(row.options.get(option)) > 0,
}
"""Options that keep their value in a row, and why."""
NOT_ON_JAX = [row for row in ROWS if row.fn is ours.sparse_categorical_crossentropy and "axis" in row.options]
"""On JAX, Keras takes class indices on the last axis only."""
ONE_WEIGHT = "mean_with_sample_weight"
"""For a scalar weight Keras divides by that one, not by as many as there are losses; for a scalar loss by none."""


def _numeric(row: KerasRow):
    taken = inspect.signature(row.fn).parameters
    return [n for n in NUMERIC if n in taken and not any(kept(row, n) for kept in DIFFERENT.values())]


OF_DISTRIBUTIONS = {ours.kl_divergence, ours.categorical_crossentropy, ours.categorical_focal_crossentropy}


def _drawn(row: KerasRow, seed, batch, whole):
    batch = row.batch if row.batch is not None else batch
    arrays = replace(row, batch=batch).draw(seed)
    if whole and not row.labels and row.fn not in OF_DISTRIBUTIONS:
        arrays["y_true"] = np.rint(arrays["y_true"]).astype(np.int32)
    return arrays


def _asked(library, row: KerasRow, arrays, options, reduction, weights):
    options = row.told(library, options)
    function, form, arrays = row.asked(library, arrays, options)
    loss = form(**options, reduction=reduction, dtype=arrays["y_pred"].dtype.name)

    def both(p):
        p = row.comparable({"y_pred": p})["y_pred"]
        found = function(arrays["y_true"], p, **options), loss(arrays["y_true"], p, sample_weight=weights)
        return sum(jnp.sum(value * (1 + jnp.arange(value.size).reshape(value.shape))) for value in found), found

    slope, found = jit(jax.grad(both, has_aux=True))(arrays["y_pred"])
    return {"function": found[0], "form": found[1], "slope": slope}


@pytest.mark.parametrize("row", ROWS if cases.EVERY else plainest(ROWS), ids=lambda row: row.id)
def test_a_random_call_is_answered_as_keras_does(row):
    if row in NOT_ON_JAX or not row.has_form:
        pytest.skip("Keras does not take this row, or its class does not")
    import keras.losses as theirs

    @few
    @given(
        seed=st.integers(0, 2**31),
        batch=st.sampled_from([(4,), (2, 3), (1, 2, 2)] if row.fn is not ours.ctc else [(1,), (3,)]),
        whole=st.booleans(),
        # On JAX Keras answers in float32 to any predictions whose labels are indices.
        wide=st.booleans() if not row.labels else st.just(False),
        options=st.fixed_dictionaries({name: st.sampled_from(NUMERIC[name]) for name in _numeric(row)}),
        reduction=st.sampled_from(row.reductions),
        weights=st.sampled_from(["none", "scalar", "losses"]),
    )
    def check(seed, batch, whole, wide, options, reduction, weights):
        options = {**row.given(), **options}
        with jax.enable_x64(wide), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            arrays = _drawn(row, seed, batch, whole)
            arrays["y_pred"] = jnp.asarray(arrays["y_pred"], np.float64 if wide else np.float32)
            shape = jax.eval_shape(lambda: row.fn(*row.ordered(arrays), **options)).shape
            rng = np.random.default_rng(seed)
            if reduction == ONE_WEIGHT and (weights == "scalar" or shape == ()):
                weights = "none"
            given = {"none": None, "scalar": 1.7, "losses": np.float32(rng.uniform(0.1, 2, shape))}[weights]
            got, expected = (_asked(library, row, arrays, options, reduction, given) for library in (ours, theirs))
        for what, value in got.items():
            assert value.shape == expected[what].shape
            assert value.dtype == expected[what].dtype
            row.close(value, expected[what], what, slope=what == "slope")

    check()
