"""Samples of the drop-ins: left out, none at all, one by one, outside of the domain; and how they are run."""

import jax
import numpy as np
import pytest
from jax import export
from jax.experimental import checkify

import jaxloss
from tests import cases
from tests.compiling import quick
from tests.dropins.collection import EACH_FORM, EACH_KIND, WITH_FORM, of
from tests.dropins.rows import answered, floating, richest
from tests.dropins.words import in_own_words

# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")
SPOILED = 2


def _values(row, arrays, which=slice(None), **more):
    reductions = row.reductions if cases.EVERY or row.thorough else [row.form().reduction]
    forms = {str(reduction): row.make(row.of_samples(which), reduction=reduction) for reduction in reductions}
    return {reduction: row.reduced(form, arrays, **more) for reduction, form in forms.items()}


def _with_slopes(row, arrays, which=slice(None), **more):
    total = lambda values: sum(value.sum() for value in values.values())
    return answered(lambda arrays: _values(row, arrays, which, **more), arrays, total)


@of([row for row in EACH_FORM if row.samples])
def test_samples_left_out_change_nothing_and_the_mean_of_none_is_zero(row):
    """By a mask or by its label, nan or not; all samples left out; no sample at all."""
    arrays = row.draw(3)
    where = np.arange(row.samples) % 3 != 1
    ways, nowhere = (row.left_out(row.ruined(arrays, ~where), counted) for counted in (where, np.zeros_like(where)))

    @quick
    def run(kept, none, ways):
        return (
            _with_slopes(row, kept, where),
            _values(row, none, where[:0]),
            [_with_slopes(row, arrays, **more) for arrays, more in ways],
        )

    kept, none, of_ways = run(row.take(arrays, where), row.take(arrays, where[:0]), ways)
    every_reduction = [reduction for reduction, value in kept[0].items() if value.ndim == 0]
    assert not any(none[r] for r in every_reduction)
    for values, slopes in of_ways:
        for reduction, value in values.items():
            if reduction in every_reduction:
                np.testing.assert_allclose(value, kept[0][reduction], rtol=1e-5, err_msg=reduction)
            else:
                np.testing.assert_allclose(value[where], kept[0][reduction], rtol=1e-6)
                assert not np.any(value[~where])
        for name, slope in slopes.items():
            if row.axes()[name] is None:  # weights that all samples share
                np.testing.assert_allclose(slope, kept[1][name], rtol=1e-5, atol=1e-7)
                continue
            first = np.moveaxis(slope, row.axes()[name], 0)
            of_kept = np.moveaxis(kept[1][name], row.axes()[name], 0)
            np.testing.assert_allclose(first[where], of_kept, rtol=1e-5, atol=1e-7)
            assert not np.any(first[~where])
    if ways:
        _, _, of_nowhere = run(row.take(arrays, where), row.take(arrays, where[:0]), nowhere)
        for values, slopes in of_nowhere:
            assert not any(np.any(x) for x in jax.tree.leaves((values, slopes)))


@of([row for row in EACH_KIND if row.samples])
def test_a_batch_is_its_samples_and_numbers_of_a_form_are_traced(row):
    """`vmap` over samples and over batches; the form as an argument is the form in a closure."""
    draws = [row.draw(seed) for seed in range(2)]
    stacked = jax.tree.map(lambda *x: np.stack(x), *draws)
    of_samples = row.of_samples()

    def run(form, draws, stacked):
        samples = jax.vmap(row.losses, (row.axes(), dict.fromkeys(of_samples, 0)))
        return {
            "batches": [row.reduced(row.make(), arrays) for arrays in draws],
            "stacked": jax.vmap(lambda arrays: row.reduced(form, arrays))(stacked),
            "losses": row.losses(draws[0]),
            "samples": samples(draws[0], of_samples) if row.single else row.losses(draws[0]),
        }

    got = quick(run)(row.make(), draws, stacked)
    np.testing.assert_allclose(got["stacked"], got["batches"], rtol=1e-5)
    np.testing.assert_allclose(got["samples"], got["losses"], rtol=1e-5)


@of(EACH_KIND)
def test_lists_and_numbers_are_taken_as_arrays_are_eagerly_as_compiled(row):
    arrays = row.draw(1)
    listed = lambda x: np.asarray(x).tolist() if np.ndim(x) else x
    plain = {name: listed(x) for name, x in arrays.items()}
    options = {name: listed(option) for name, option in row.given().items()}
    expected = quick(row.losses)(arrays)
    np.testing.assert_allclose(row.losses(plain, options), expected, rtol=1e-5, atol=1e-6)


def _outside(row):
    """Values outside of the domain, of the arrays that have an entry for each sample."""
    batched = [name for name, axis in row.axes().items() if axis is not None]
    return [(name, value) for name in batched for value in row.arrays[name].outside]


OUTSIDE = [row for row in WITH_FORM if _outside(row)]
# Of each function and each set of arrays that have a domain the row with the most options.
OUTSIDE = OUTSIDE if cases.EVERY else richest(OUTSIDE, by=lambda row: frozenset(name for name, _ in _outside(row)))


@of(OUTSIDE)
def test_a_value_outside_the_domain_is_nan_in_its_sample_and_an_error_under_checked(row):
    @quick
    def run(arrays):
        checked = checkify.checkify(jaxloss.checked(lambda arrays: row.losses(arrays)))
        slopes = jax.grad(lambda smooth: row.losses({**arrays, **smooth}).sum())(floating(arrays))
        return checked(arrays), slopes

    (error, clean), _ = run(row.draw(4))
    assert error.get() is None
    others = np.arange(row.samples) != SPOILED
    for name, value in _outside(row):
        (error, got), slopes = run(row.spoiled(row.draw(4), name, value, SPOILED))
        in_own_words(error.get() or "", row, row.fn.__name__, (name, value))
        assert "must" in error.get()
        np.testing.assert_allclose(got[others], clean[others], rtol=1e-6)
        assert np.any(np.isnan(got[SPOILED])) or row.arrays[name].tolerated, (name, value)
        assert all(np.isfinite(slope).all() for slope in slopes.values()), (name, value)


@of(EACH_KIND)
def test_value_and_slope_are_exported_for_every_platform(row):
    """With a batch of any size: one program with the lowering rules of all platforms in it."""
    arrays = row.draw()
    symbol = export.symbolic_shape("b")[0]
    specs = {}
    for name, x in arrays.items():
        axis = None if row.of_samples() else row.axes()[name]
        shape = tuple(symbol if i == axis else n for i, n in enumerate(x.shape))
        specs[name] = jax.ShapeDtypeStruct(shape, x.dtype)
    form = row.make()

    def step(arrays):
        return jax.value_and_grad(lambda smooth: row.reduced(form, {**arrays, **smooth}))(floating(arrays))

    exported = export.export(jax.jit(step), platforms=("cpu", "tpu", "cuda"))(specs)
    assert exported.platforms == ("cpu", "tpu", "cuda")
    assert [x.shape for x in exported.out_avals] == [(), *(specs[name].shape for name in sorted(floating(arrays)))]
