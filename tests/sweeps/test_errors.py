"""Bad input: what shapes, dtypes and options show is an error while tracing; what a value shows is nan where it is."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

import jaxloss
from tests import cases
from tests.cases import Case
from tests.compiling import jit, quick
from tests.refusing import refused
from tests.sweeps.programs import losses_and_slopes

each_loss = pytest.mark.parametrize("case", cases.each(), ids=lambda case: case.id)
one_of_each = pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)
OF_A_KIND = cases.each_kind()
of_rows = pytest.mark.parametrize("case", [c for c in cases.richest() if c.classes], ids=lambda case: case.id)


def _refused(error, case: Case, words, arrays, form=False, options=None, **more):
    """The call is refused while tracing, with the loss, and each of the words, in the message."""
    call = (lambda: case.reduced(case.make(options), arrays, **more)) if form else None
    name = case.form.__name__ if form else case.fn.__name__
    traced = lambda: jax.eval_shape(call or (lambda: case.loss(arrays, options, **more)))
    message = refused(traced, name, *words, error=error)
    assert message.endswith((".", ".\n", "?")) or ":" in message


@one_of_each
def test_shapes_that_do_not_fit(case):
    arrays = case.draw()
    for name in case.batched[1:]:
        x = arrays[name]
        _refused(ValueError, case, [name, str(x[:-1].shape)], {**arrays, name: x[:-1]})
        _refused(ValueError, case, [name], {**arrays, name: x[..., None]})
    shared = set(arrays) - set(case.batched)
    for name in shared if len(shared) > 1 else ():  # one alone has no other that it might not fit
        with pytest.raises(ValueError, match=case.fn.__name__) as raised:
            jax.eval_shape(lambda: case.loss({**arrays, name: arrays[name][..., :-1]}))
        assert any(other in str(raised.value) for other in shared)
    p = arrays[case.predictions]
    if p.ndim == 1:
        _refused(ValueError, case, ["do not broadcast"], {**arrays, case.predictions: p[:, None]})


@one_of_each
def test_dtypes_that_a_loss_cannot_have(case):
    arrays = case.draw()
    p, t = arrays[case.predictions], arrays[case.targets]
    of = lambda x: {**arrays, case.predictions: x}
    _refused(TypeError, case, ["int32", "cast"], of(p.astype(np.int32)))
    _refused(TypeError, case, ["complex64"], of(p.astype(np.complex64)))
    _refused(TypeError, case, ["str"], of("logits"))
    where = np.ones(cases.BATCH, np.float32)
    _refused(TypeError, case, ["where", "float32", "boolean"], arrays, where=where)
    for name in arrays:
        for wrong in ("text", {"a": 1}):
            _refused(TypeError, case, [name], {**arrays, name: wrong})
        _refused(TypeError, case, [name], {**arrays, name: jax.random.key(0)})
        if inspect.signature(case.fn).parameters[name.partition("[")[0]].default is inspect.Parameter.empty:
            # A forgotten array, as a misspelt key of a batch gives it: taken as zeros it would train in silence.
            _refused(TypeError, case, [name, "None"], {**arrays, name: None})
        if set(case.arrays[name].ends) == {-1.0, 1.0}:
            # Labels that are 0 or 1 for other losses, in the types that data sets have them in.
            for dtype in ("bool", "uint8"):
                words = [name, dtype, f"2 * {name}.astype(int32) - 1"]
                _refused(TypeError, case, words, {**arrays, name: np.abs(arrays[name]).astype(dtype)})
    if case.labels and case.formula is not None and not case.form.__name__.startswith("SoftmaxFocal"):
        _refused(TypeError, case, [case.targets, "float32", "integers"], {**arrays, case.targets: t.astype(np.float32)})


@one_of_each
def test_masks_that_do_not_fit(case):
    arrays = case.draw()
    for shape in ((3,), (1, cases.BATCH), (*arrays[case.predictions].shape, 2)):
        _refused(ValueError, case, ["where", str(shape)], arrays, where=np.ones(shape, bool))


# The base class holds them against the losses.
@pytest.mark.parametrize("case", OF_A_KIND, ids=lambda case: case.id)
def test_weights_that_do_not_fit(case):
    arrays = case.draw()
    for shape in ((3,), (1, cases.BATCH), (*arrays[case.predictions].shape, 2)):
        weights = np.ones(shape, np.float32)
        with pytest.raises(ValueError, match="weights") as raised:
            jax.eval_shape(lambda: case.reduced(case.make(), arrays, weights=weights))
        assert str(shape) in str(raised.value)
    with pytest.raises(TypeError, match="weights"):
        jax.eval_shape(lambda: case.reduced(case.make(), arrays, weights="heavy"))


@of_rows
def test_rows_without_classes(case):
    arrays = {k: x[:, :0] if case.arrays[k].axes == "...c" else x for k, x in case.draw().items()}
    _refused(ValueError, case, ["class"], arrays)


@of_rows
def test_class_indices_for_distributions(case):
    """The first mistake with a loss of distributions; logits and vectors are not made of indices."""
    arrays, target = case.draw(), case.arrays[case.targets]
    indices = {**arrays, case.targets: np.zeros(cases.BATCH, np.int32)}
    takes_both = any(other.labels for other in cases.collect() if other.fn is case.fn)
    if target.axes == "...c" and not takes_both:
        probabilities = target.impossible == 0 and -0.1 in target.outside
        _refused(ValueError, case, ["jax.nn.one_hot"] if probabilities else [case.targets], indices)


OPTIONS = [
    (case, name, value)
    for fn in {case.fn: None for case in cases.collect()}
    for case in [next(case for case in cases.collect() if case.fn is fn)]
    for name, values in case.bad_options.items()
    for value in values
]


@pytest.mark.parametrize(
    ("case", "name", "value"), OPTIONS, ids=[f"{c.fn.__name__}-{n}-{np.shape(v) or v}" for c, n, v in OPTIONS]
)
def test_options_that_no_loss_can_have(case, name, value):
    arrays = case.draw()
    refused(lambda: jax.eval_shape(lambda: case.loss(arrays, {name: value})), case.fn.__name__, name)


# What only a call shows: which axes there are. A form may hold an array of numbers, to be swept by `vmap`.
AT_ONCE = [row for row in OPTIONS if row[1] not in cases.OF_A_CALL and np.ndim(row[2]) == 0]


@pytest.mark.parametrize(
    ("case", "name", "value"), AT_ONCE, ids=[f"{c.form.__name__}-{n}-{np.shape(v) or v}" for c, n, v in AT_ONCE]
)
def test_a_form_checks_its_options_when_it_is_made(case, name, value):
    refused(lambda: case.form(**{name: value}), case.form.__name__, name)


@pytest.mark.parametrize("fn", {case.fn: None for case in cases.collect()}, ids=lambda fn: fn.__name__)
def test_every_option_has_a_bad_value(fn):
    own = [case for case in cases.collect() if case.fn is fn]
    known = set().union(*(case.bad_options for case in own))
    missing = set(cases.options_of(fn)) - known - set(own[0].call) - {"axis_name"}
    assert not missing, (
        f"{fn.__name__}: no bad value for {sorted(missing)}: give bad_options in its row in tests/losses"
    )


def test_unknown_reductions():
    """The base class asks, so one form is enough."""
    with pytest.raises(ValueError, match=r"HuberLoss: reduction must be one of .*'average'"):
        jaxloss.HuberLoss(reduction="average")


# ----------------------------------------------------------------------------------------------------------- values

SPOILED = 3


def _spoiled(case: Case, name: str, value):
    arrays = case.draw()
    x = arrays[name] = arrays[name].copy()
    x[(SPOILED, *[0] * (x.ndim - 1))] = value
    if case.classes and case.labels and name == case.predictions:
        arrays[case.targets] = arrays[case.targets].copy()
        arrays[case.targets][SPOILED] = 0
    return arrays


def _outside(case: Case):
    """(array, value, whether the formula has a value there) for each value outside of the domain."""
    return [(k, v, case.arrays[k].tolerated) for k in case.batched for v in case.arrays[k].outside]


@each_loss
def test_a_value_outside_the_domain_is_nan_in_its_element_alone(case):
    """With gradient 0, in every array and option."""
    run = lambda arrays: losses_and_slopes(case, arrays)
    clean, clean_slopes = jax.tree.map(np.asarray, run(case.draw()))
    others = np.arange(cases.BATCH) != SPOILED
    for name, value, tolerated in _outside(case):
        got, gradient = jax.tree.map(np.asarray, run(_spoiled(case, name, value)))
        what = f"{name} of {value}"
        np.testing.assert_allclose(got[others], clean[others], rtol=1e-6, err_msg=what)
        if tolerated:
            assert np.isfinite(got[SPOILED]), what
            continue
        assert np.isnan(got[SPOILED]), what
        for k, slope in gradient.items():
            if k in case.batched:
                assert not slope[SPOILED].any(), f"{what}: slope in {k}"
                np.testing.assert_allclose(slope[others], clean_slopes[k][others], rtol=1e-6, err_msg=what)
            else:
                assert np.isfinite(slope).all(), f"{what}: slope in {k}"
    # An infinity that a domain does not name may have an infinite loss; where it has none, it is outside.
    for name in case.differentiable:
        for value in (np.inf, -np.inf) if case.arrays[name].axes in ("...", "...c") else ():
            got, gradient = jax.tree.map(np.asarray, run(_spoiled(case, name, value)))
            if np.isnan(got[SPOILED]):
                for k, slope in gradient.items():
                    found = slope[SPOILED] if k in case.batched else slope[~np.isfinite(slope)]
                    assert not found.any(), f"{name} of {value}: the loss is nan, the slope in {k} {found}"


@each_loss
def test_a_value_outside_the_domain_and_a_nan_are_errors_under_checked(case):
    """For the form, and for the function of each kind of inputs; where they are masked they are none."""
    options, form = {**case.given(), **case.call}, jaxloss.checked(case.make(reduction="none"))
    function = jaxloss.checked(case.fn)
    every = np.ones(cases.BATCH, bool)
    others = np.arange(cases.BATCH) != SPOILED

    @partial(quick, case=case)
    def run(arrays, where):
        of_function = checkify.checkify(lambda arrays: function(**case.arguments(arrays), **options))
        of_form = checkify.checkify(lambda arrays: case.reduced(form, arrays, where=where))
        return *([of_function(arrays)] if case in OF_A_KIND else []), of_form(arrays)

    for name, value, _ in _outside(case):
        arrays = _spoiled(case, name, value)
        for error, _ in run(arrays, every):
            assert error.get() is not None, (name, value)
            assert case.fn.__name__ in error.get(), (name, value)
            assert "must" in error.get(), (name, value)
        *_, (error, losses) = run(arrays, others)
        assert error.get() is None, (name, value)
        assert not np.any(losses[SPOILED])
    for error, _ in run(_spoiled(case, case.predictions, np.nan), every):
        assert "nan" in error.get() or "must" in error.get()
    for error, _ in run(case.draw(), every):
        assert error.get() is None


# ------------------------------------------------------------------------------------------------- what is special


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "uint32"])
def test_labels_of_narrow_types_are_those_of_int32(kind):
    rng = np.random.default_rng(0)
    classes, options = 120 if kind == "int8" else 256, {"ignore_index": -100}
    logits, labels = cases.normal(rng, (8, classes)), rng.integers(0, classes, 8).astype(np.int32)
    labels[:2] = 156 % classes, classes - 1  # 156 is -100 in eight bits
    losses = (jaxloss.softmax_cross_entropy_with_integer_labels, jaxloss.nll_loss, jaxloss.softmax_focal_loss)
    form = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**options)
    run = jit(lambda labels: [form(logits, labels), *(loss(logits, labels, **options) for loss in losses)])
    jax.tree.map(np.testing.assert_array_equal, run(labels.astype(kind)), run(labels))


def test_targets_that_are_forgotten_are_no_zeros():
    for form in (jaxloss.PoissonNLL, jaxloss.KLDivergence, jaxloss.SoftmaxCrossEntropy):
        with pytest.raises(TypeError, match="targets are missing"):
            form()(np.zeros((3, 2), np.float32))
    assert jaxloss.HuberLoss()(np.zeros(3, np.float32)) == 0


def test_what_is_compiled_already_cannot_be_checked():
    with pytest.raises(TypeError, match="compiled already"):
        jaxloss.checked(jax.jit(jaxloss.huber_loss))
    error, _ = checkify.checkify(jaxloss.checked(jaxloss.HuberLoss().total))(np.float32([np.nan]), np.float32([0]))
    assert "nan" in error.get()


def test_labels_beyond_int32_are_not_wrapped_into_range():
    with jax.enable_x64(True):
        labels = jnp.asarray(np.array([2**32], np.int64))
        assert np.isnan(jit(jaxloss.softmax_cross_entropy_with_integer_labels)(jnp.zeros((1, 3)), labels))[0]
