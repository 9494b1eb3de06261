"""Every row of the drop-ins beside its peer; its options; its class form as a value."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import cases
from tests.cases import Domain
from tests.compiling import jit, quick
from tests.dropins.collection import EACH, ROWS, WITH_FORM, of
from tests.dropins.rows import answered, floating, plainest, richest
from tests.refusing import refused

# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")
LIBRARIES = {row.peer: row.library for row in ROWS}


def _options(row):
    """The names of the options of a row's function."""
    taken = inspect.signature(row.fn).parameters
    return [name for name in taken if name not in row.arrays and name not in row.common]


@pytest.mark.parametrize("peer", LIBRARIES)
def test_every_public_loss_has_a_row(peer):
    """A loss without a row is in no sweep: give it one in tests/keras or tests/torch."""
    library, rows = LIBRARIES[peer], [row for row in ROWS if row.peer == peer]
    public = [getattr(library, name) for name in library.__all__]
    public += [getattr(module, name) for module in public if inspect.ismodule(module) for name in module.__all__]
    forms = {loss for loss in public if inspect.isclass(loss) and hasattr(loss, "fn")}
    targets = {name for row in rows for name in list(row.arrays)[:2]}
    functions = {f for f in public if inspect.isfunction(f) and targets & inspect.signature(f).parameters.keys()}
    assert forms == {row.form for row in rows}
    assert functions == {row.fn for row in rows} == {form.fn for form in forms}


# ------------------------------------------------------------------------------------------------- beside the peer


@of(ROWS if cases.EVERY else [row for row in ROWS if row in EACH or row.thorough], beside_peer=True)
def test_values_and_slopes_are_the_peers(row):
    """Of the function and the form, with every option and weight, and of each function under every reduction."""

    fully = row in EACH
    run = jit(lambda arrays: answered(lambda arrays: row.answers(row.library, arrays, fully), arrays))
    for seed in range(row.draws):
        arrays = row.draw(seed)
        values, slopes = jax.tree.map(np.asarray, run(arrays))
        expected, of_slopes = jax.tree.map(np.asarray, row.peers(arrays, fully))
        for what, value in values.items():
            assert value.shape == expected[what].shape, what
            assert value.dtype == expected[what].dtype, what
            row.close(value, expected[what], what)
        for name, slope in slopes.items():
            assert np.isfinite(slope).all(), name
            finite = np.isfinite(of_slopes[name])  # torch's in a target is nan at a count of 0, inf at a certainty
            row.close(slope[finite], of_slopes[name][finite], f"slope in {name}", slope=True)


@of(richest(ROWS), beside_peer=True)
def test_signatures_are_the_peers(row):
    for pair in row.pairs():
        mine, theirs = ([(p.name, p.default, p.kind) for p in inspect.signature(f).parameters.values()] for f in pair)
        assert [parameter for parameter in mine if parameter[0] not in row.newer] == theirs


# Keras casts the inverse of its epsilon to a float16.
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@of(plainest(ROWS), beside_peer=True)
def test_the_result_has_the_peers_dtype(row, dtype):
    with jax.enable_x64(dtype == "float64"):
        arrays = row.draw()
        arrays |= {name: jnp.asarray(x, dtype) for name, x in floating(arrays).items()}
        expected = row.peers_dtype(arrays)
        assert expected in (None, row.dtype(arrays))


# ---------------------------------------------------------------------------------------------------------- options


@of(richest(ROWS))
def test_every_option_is_given_and_refused(row):
    """An option that no row gives, or that has no value it cannot have, is in no sweep: add them to a row."""
    rows = [other for other in ROWS if other.fn is row.fn]
    assert set(_options(row)) == {name for other in rows for name in other.options}
    assert set(_options(row)) == {name for other in rows for name in other.bad_options}


@of([row for row in ROWS if row.options])
def test_every_option_of_a_row_makes_a_difference(row):
    """An option that changes nothing may as well not have been passed on: give the row arrays that it matters to."""
    arrays, expected, names = row.draw(), jax.eval_shape(row.losses, row.draw()), []

    def lacking(name):
        return dataclasses.replace(row, options={k: v for k, v in row.options.items() if k != name}).losses(arrays)

    for name in row.options.keys() - row.needed:
        try:  # without their axis some labels do not even fit
            names += [name] if jax.eval_shape(lambda name=name: lacking(name)).shape == expected.shape else []
        except ValueError:
            assert name in ("axis", "remove_diagonal")
    expected, without = quick(lambda: (row.losses(arrays), {name: lacking(name) for name in names}))()
    for name, value in without.items():
        assert not np.allclose(value, expected, rtol=1e-4), name


BAD = [
    pytest.param(row, name, value, id=f"{row.peer}-{row.id}-{name}-{np.shape(value) or value}")
    for row in ROWS
    for name, values in row.bad_options.items()
    for value in values
]


@pytest.mark.parametrize(("row", "name", "value"), BAD)
def test_options_that_no_loss_can_have(row, name, value):
    arrays = row.draw()
    refused(lambda: jax.eval_shape(lambda: row.losses(arrays, {name: value})), row.fn.__name__, name)
    if row.has_form:
        refused(lambda: jax.eval_shape(lambda: row.reduced(row.make({name: value}), arrays)), name)


@of(richest(ROWS))
def test_unknown_reductions_are_refused(row):
    for wrong in {"average", "batchmean", None, 1} - set(row.reductions):
        for name, call in row.refusals(wrong).items():
            with pytest.raises(ValueError, match=rf"{name}: .*reduction.* must be one of .*got {wrong!r}"):
                call()


# -------------------------------------------------------------------------------------------------------- class forms


@of(richest(ROWS))
def test_the_class_form_is_that_of_its_function(row):
    form, parameters = row.form, inspect.signature(row.fn).parameters
    assert form.fn is row.fn
    assert f"`{row.fn.__name__}`" in form.__doc__.replace("functional.", "")
    fields = {field.name: field.default for field in dataclasses.fields(form) if field.name not in row.common}
    # What the function has no default for, the form may have one for.
    assert all(parameters[name].default in (default, inspect.Parameter.empty) for name, default in fields.items())
    hints = inspect.get_annotations(form)
    assert {name: hints[name] for name in fields} == {name: parameters[name].annotation for name in fields}


@of(WITH_FORM)
def test_equal_forms_are_equal_hash_alike_and_survive_copies(row):
    form = row.make(reduction="sum")
    for same in row.copies(form):
        assert same == form
        assert hash(same) == hash(form)
        assert type(same) is type(form)
    assert row.make(reduction="mean") != form
    for name, option in row.options.items():
        other = row.given()[name] / 2 if isinstance(option, Domain | float) and option else None
        assert other is None or row.make({name: other}, reduction="sum") != form
    assert repr(form).startswith(row.form.__name__)
    assert row.form.__name__ in str(form.get_config()) or row.peer == "keras"


@of(richest(WITH_FORM))
def test_jit_takes_equal_forms_for_one(row):
    form, arrays, traces = row.make(), row.draw(), []

    def run(form, arrays):
        traces.append(form)
        return row.reduced(form, arrays)

    static = jax.jit(run, static_argnums=0)
    for same in (form, *row.copies(form)[-3:]):
        assert static.eval_shape(same, arrays).shape == ()
    assert len(traces) == 1
