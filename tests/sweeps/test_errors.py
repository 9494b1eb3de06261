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
from tests.cases import CLASSES
from tests.compiling import jit

CASES = cases.programs()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
every_row = pytest.mark.parametrize("case", [c for c in CASES if c.rows], ids=lambda case: case.id)


def _refused(error, case, words, *args, form=False, **kwargs):
    """The call is refused while tracing, with the loss, and each of the words, in the message."""
    call = case.make() if form else case.loss
    with pytest.raises(error) as raised:
        jax.eval_shape(lambda: call(*args, **kwargs))
    message = str(raised.value)
    name = case.form.__name__ if form else case.fn.__name__
    for word in (name, *words):
        assert word in message, f"{word!r} is not in {message!r}"
    assert message.endswith((".", ".\n")) or ":" in message


@every_case
def test_shapes_that_do_not_fit(case):
    p, t = case.draw()
    _refused(ValueError, case, [str(p.shape), str(t[:-1].shape)], p, t[:-1])
    _refused(ValueError, case, [str(p.shape)], p, t[..., None])
    if not case.rows:
        _refused(ValueError, case, ["do not broadcast"], p[:, None], t)


@every_case
def test_dtypes_that_a_loss_cannot_have(case):
    p, t = case.draw()
    _refused(TypeError, case, ["int32", "cast"], p.astype(np.int32), t)
    _refused(TypeError, case, ["complex64"], p.astype(np.complex64), t)
    _refused(TypeError, case, ["str"], "logits", t)
    _refused(TypeError, case, ["where", "float32", "boolean"], p, t, where=np.ones(t.shape, np.float32))
    if case.labels and case.fn is not jaxloss.softmax_focal_loss:
        _refused(TypeError, case, ["labels", "float32", "integers"], p, t.astype(np.float32))


@every_case
def test_masks_that_do_not_fit(case):
    p, t = case.draw()
    for shape in ((3,), (1, cases.BATCH), (*p.shape, 2)):
        _refused(ValueError, case, ["where", str(shape)], p, t, where=np.ones(shape, bool))


@every_case
def test_weights_that_do_not_fit(case):
    p, t = case.draw()
    for shape in ((3,), (1, cases.BATCH), (*p.shape, 2)):
        _refused(ValueError, case, ["weights", str(shape), "axis"], p, t, form=True, weights=np.ones(shape, np.float32))
    _refused(TypeError, case, ["weights"], p, t, form=True, weights="heavy")


@every_row
@pytest.mark.parametrize("axis", [2, -3, (0, 0), "classes", 0.5])
def test_axes_that_are_not_there(case, axis):
    p, t = case.draw()
    with pytest.raises((ValueError, TypeError)) as raised:
        case.fn(p, t, axis=axis, **case.kwargs)
    assert case.fn.__name__ in str(raised.value)
    assert "axis" in str(raised.value)


@every_row
def test_rows_without_classes(case):
    p, t = case.draw()
    t = t if case.labels else t[:, :0]
    _refused(ValueError, case, ["class"], p[:, :0], t)


# Values that no option of this name can have, and the words that must be in the message.
BAD_OPTIONS = {
    "delta": (0.0, -1.0, "wide", np.ones(3, np.float32)),
    "full": ("stirlings", 1, None),
    "log_input": (1, "yes"),
    "eps": (-1e-3, "small"),
    "label_smoothing": (-0.1, 1.5, "a little", np.ones(2, np.float32), True),
    "pos_weight": (0.0, -2.0),
    "gamma": (-1.0, "two"),
    "alpha": (-0.5, np.ones((2, 2), np.float32)),
    "class_weights": (1.0, np.ones(CLASSES + 1, np.float32), "balanced"),
    "ignore_index": (0.5, "pad"),
    "z_loss": (-1e-4, "some"),
    "vocab_axis_name": ("nowhere", ("nowhere", "else")),
}
OPTIONS = [
    (case, name, value)
    for case in {c.fn: c for c in CASES}.values()
    for name in inspect.signature(case.fn).parameters
    if name in BAD_OPTIONS
    for value in BAD_OPTIONS[name]
]


@pytest.mark.parametrize(
    ("case", "name", "value"), OPTIONS, ids=[f"{c.fn.__name__}-{n}-{np.shape(v) or v}" for c, n, v in OPTIONS]
)
def test_options_that_no_loss_can_have(case, name, value):
    p, t = case.draw()
    with pytest.raises((ValueError, TypeError)) as raised:
        jax.eval_shape(lambda: case.fn(p, t, **{**case.kwargs, name: value}))
    assert case.fn.__name__ in str(raised.value)
    assert name in str(raised.value)


def test_every_option_has_a_bad_value():
    known = {*BAD_OPTIONS, "axis", "where"}
    for case in CASES:
        for name, parameter in list(inspect.signature(case.fn).parameters.items())[2:]:
            assert name in known, f"{case.fn.__name__}: no bad value for {parameter}"


@every_case
def test_unknown_reductions(case):
    with pytest.raises(ValueError, match=f"{case.form.__name__}: reduction must be one of .*'average'"):
        case.make(reduction="average")


# ----------------------------------------------------------------------------------------------------------- values


def _spoiled(case, which, value):
    p, t = case.draw()
    array = (p if which == "prediction" else t).copy()
    element = (3, 1) if array.ndim == 2 else (3,)
    array[element] = value
    if case.labels and which == "prediction":
        t = t.copy()
        t[3] = 1  # the probability that is spoiled is the label's
    return (array, t) if which == "prediction" else (p, array)


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


def _bad_values(case):
    for which, values in (("prediction", case.bad_predictions), ("target", case.bad_targets)):
        for value in values:
            yield which, value


with_domain = pytest.mark.parametrize("case", [c for c in CASES if any(_bad_values(c))], ids=lambda case: case.id)


@with_domain
def test_a_value_outside_the_domain_is_nan_in_its_element_alone(case):
    run = jit(lambda p, t: (case.loss(p, t), jax.grad(lambda p: case.loss(p, t).sum())(p)))
    clean, _ = run(*case.draw())
    others = np.arange(cases.BATCH) != 3
    for which, value in _bad_values(case):
        if case.fn is jaxloss.poisson_nll and not case.kwargs.get("full") and which == "target":
            continue  # without its constant the formula has a value at a negative count
        got, gradient = run(*_spoiled(case, which, value))
        assert np.isnan(got[3]), (which, value)
        assert np.isnan(gradient[3]).any(), (which, value)
        np.testing.assert_allclose(got[others], clean[others], rtol=1e-6)
        assert np.isfinite(gradient[others]).all()


@every_case
def test_a_value_outside_the_domain_and_a_nan_are_errors_under_checked(case):
    for call in (case.loss, case.make()):
        step = jit(checkify.checkify(jaxloss.checked(call)))
        for which, value in _bad_values(case):
            error, _ = step(*_spoiled(case, which, value))
            assert case.fn.__name__ in error.get(), (which, value)
            assert "must" in error.get(), (which, value)
        error, _ = step(*_spoiled(case, "prediction", np.nan))
        assert "nan" in error.get() or "must" in error.get()
        error, _ = step(*case.draw())
        assert error.get() is None


@with_domain
def test_a_masked_value_outside_the_domain_is_no_error(case):
    where = np.arange(cases.BATCH) != 3
    step = jit(checkify.checkify(partial(jaxloss.checked(case.loss), where=where)))
    for which, value in _bad_values(case):
        error, losses = step(*_spoiled(case, which, value))
        assert error.get() is None
        assert losses[3] == 0


def test_labels_beyond_int32_are_not_wrapped_into_range():
    with jax.enable_x64(True):
        labels = jnp.asarray(np.array([2**32], np.int64))
        assert np.isnan(jit(jaxloss.softmax_cross_entropy_with_integer_labels)(jnp.zeros((1, 3)), labels))[0]
