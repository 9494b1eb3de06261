"""`jaxloss.torch` beside PyTorch itself, over options and reductions; what differs on purpose; and its class forms."""

import copy
import dataclasses
import doctest
import importlib.util
import inspect
import json
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

import jaxloss
import jaxloss.torch as ours
from jaxloss.torch import functional as F
from tests.cases import bits, counts, distribution, log_distribution, normal, positive, probability
from tests.compiling import jit

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
IGNORED, FRAMES = -100, 9
FORMS = {
    "binary_cross_entropy": ours.BCELoss,
    "binary_cross_entropy_with_logits": ours.BCEWithLogitsLoss,
    "cross_entropy": ours.CrossEntropyLoss,
    "ctc_loss": ours.CTCLoss,
    "gaussian_nll_loss": ours.GaussianNLLLoss,
    "huber_loss": ours.HuberLoss,
    "kl_div": ours.KLDivLoss,
    "l1_loss": ours.L1Loss,
    "mse_loss": ours.MSELoss,
    "nll_loss": ours.NLLLoss,
    "poisson_nll_loss": ours.PoissonNLLLoss,
    "smooth_l1_loss": ours.SmoothL1Loss,
}


@dataclass(frozen=True)
class Row:
    name: str
    arguments: Callable[[np.random.Generator], tuple]
    options: dict[str, Any] = field(default_factory=dict)
    arrays: Callable[[np.random.Generator], dict[str, np.ndarray]] = lambda rng: {}

    @property
    def id(self):
        shape = "x".join(map(str, self.arguments(np.random.default_rng(0))[0].shape))
        return "-".join([self.name, shape, *self.options, *self.arrays(np.random.default_rng(0))])

    def draw(self, seed):
        rng = np.random.default_rng(seed)
        return self.arguments(rng), self.arrays(rng)

    def call(self, arguments, arrays, reduction="mean"):
        return getattr(F, self.name)(*arguments, reduction=reduction, **self.options, **arrays)

    def form(self, arrays, reduction="mean"):
        return FORMS[self.name](reduction=reduction, **self.options, **arrays)

    @property
    def has_form(self):
        fields = {f.name for f in dataclasses.fields(FORMS[self.name])}
        return fields >= set(self.arrays(np.random.default_rng(0)))


def both(first, second, shape=(6, 4)):
    return lambda rng: (first(rng, shape), second(rng, shape))


def labels(shape, ignored=0, classes=5):
    def draw(rng):
        rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
        target = rng.integers(0, classes, rows)
        return np.where(rng.random(rows) < ignored, IGNORED, target).astype(np.int32)

    return draw


def log_softmax(x, axis):
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def classified(shape, ignored=0.0, log=False):
    def draw(rng):
        x = normal(rng, shape)
        return (log_softmax(x, min(1, x.ndim - 1)) if log else x), labels(shape, ignored)(rng)

    return draw


def distributions(shape):
    axis = min(1, len(shape) - 1)
    last = shape[:axis] + shape[axis + 1 :] + shape[axis : axis + 1]
    return lambda rng: (normal(rng, shape), np.moveaxis(distribution(rng, last), -1, axis))


def ends(rng):
    p = np.float32([0, 1, 0, 1, 0, 1, 1e-13, 1e-30, 1 - 2**-24])
    return p, np.float32([0, 1, 1, 0, 0.5, 0.25, 1, 0, 0])


def sequences(kind, blank=0):
    def draw(rng):
        x = log_softmax(normal(rng, (FRAMES, 3, 5)), -1)
        targets = rng.integers(1, 5, (3, 4)).astype(np.int32)
        targets = np.where(targets == blank, 0, targets).astype(np.int32)
        frames, lengths = np.array([9, 8, 9], np.int32), np.array([4, 0, 2], np.int32)
        if kind == "single":
            return x[:, 0], targets[0, :3], np.int32(8), np.int32(3)
        if kind == "concatenated":
            targets = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
        return x, targets, frames, lengths

    return draw


def gaussian(shape, bound=False):
    return lambda rng: (normal(rng, (6, 4)), normal(rng, (6, 4)), positive(rng, shape))


def weights(**shapes):
    return lambda rng: {name: rng.uniform(0.2, 2, shape).astype(np.float32) for name, shape in shapes.items()}


SMOOTH = {"label_smoothing": 0.15}
ROWS = [
    *(Row(name, both(normal, normal)) for name in ("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss")),
    *(Row(name, both(normal, normal), {}, weights(weight=(6, 4))) for name in ("l1_loss", "mse_loss")),
    Row("huber_loss", both(normal, normal), {"delta": 0.7}, weights(weight=(6, 4))),
    Row("smooth_l1_loss", both(normal, normal), {"beta": 2.5}),
    Row("smooth_l1_loss", both(normal, normal), {"beta": 0.0}),
    Row("poisson_nll_loss", both(normal, counts)),
    Row("poisson_nll_loss", both(normal, counts), {"full": True}),
    Row("poisson_nll_loss", both(positive, counts), {"log_input": False}),
    Row("poisson_nll_loss", both(positive, counts), {"log_input": False, "full": True, "eps": 0.05}),
    Row("binary_cross_entropy", both(probability, bits)),
    Row("binary_cross_entropy", both(probability, probability), {}, weights(weight=(4,))),
    Row("binary_cross_entropy", ends),
    Row("binary_cross_entropy_with_logits", both(normal, bits)),
    Row("binary_cross_entropy_with_logits", both(normal, probability), {}, weights(weight=(6, 1), pos_weight=(4,))),
    Row("binary_cross_entropy_with_logits", both(normal, normal), {}, weights(pos_weight=())),
    Row("cross_entropy", classified((6, 5))),
    Row("cross_entropy", classified((6, 5), 0.4), {}, weights(weight=(5,))),
    Row("cross_entropy", classified((6, 5), 0.4), SMOOTH),
    Row("cross_entropy", classified((6, 5)), {**SMOOTH, "ignore_index": 2}, weights(weight=(5,))),
    Row("cross_entropy", classified((3, 5, 4, 2), 0.3), SMOOTH, weights(weight=(5,))),
    Row("cross_entropy", classified((5,)), {}, weights(weight=(5,))),
    Row("cross_entropy", distributions((6, 5))),
    Row("cross_entropy", distributions((3, 5, 4)), SMOOTH, weights(weight=(5,))),
    Row("cross_entropy", distributions((5,))),
    Row("nll_loss", classified((6, 5), log=True)),
    Row("nll_loss", classified((6, 5), 0.4, log=True), {}, weights(weight=(5,))),
    Row("nll_loss", classified((3, 5, 4, 2), log=True), {"ignore_index": 1}, weights(weight=(5,))),
    Row("nll_loss", classified((5,), log=True)),
    Row("kl_div", both(log_distribution, distribution, (3, 4, 5))),
    Row("kl_div", both(log_distribution, log_distribution, (3, 4, 5)), {"log_target": True}),
    Row("gaussian_nll_loss", gaussian((6, 4))),
    Row("gaussian_nll_loss", gaussian((6,)), {"full": True}),
    Row("gaussian_nll_loss", gaussian((6, 1)), {"eps": 0.9}),
    Row("gaussian_nll_loss", gaussian((1, 4))),
    Row("ctc_loss", sequences("padded")),
    Row("ctc_loss", sequences("concatenated")),
    Row("ctc_loss", sequences("single")),
    Row("ctc_loss", sequences("padded", blank=2), {"blank": 2, "zero_infinity": True}),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
FIRST = list({row.name: row for row in reversed(ROWS)}.values())
one_row_each = pytest.mark.parametrize("row", FIRST, ids=lambda row: row.name)
every_name = pytest.mark.parametrize("name", FORMS)
# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")


def _floating(x):
    return x.dtype.kind == "f"


def _answers(row, arguments, arrays):
    """The value of each reduction, and the slopes of a weighted sum of it in every argument of floats."""
    answers = {}
    for reduction in FORMS[row.name].reductions if row in FIRST else ("mean",):

        def loss(*floats, reduction=reduction):
            given = iter(floats)
            filled = [next(given) if _floating(x) else x for x in arguments]
            return row.form(arrays, reduction)(*filled) if row.has_form else row.call(filled, arrays, reduction)

        value, pull_back = jax.vjp(loss, *filter(_floating, arguments))
        answers[reduction] = value, pull_back(jnp.cos(jnp.arange(value.size, dtype=value.dtype)).reshape(value.shape))
    return answers


def _torchs(row, arguments, arrays, reduction):
    import torch

    def tensor(x, grad=False):
        return torch.tensor(x, requires_grad=grad) if _floating(x) else torch.tensor(x.astype(np.int64))

    tensors = [tensor(x, grad=True) for x in arguments]
    options = {**row.options, **{name: tensor(x) for name, x in arrays.items()}, "reduction": reduction}
    value = getattr(torch.nn.functional, row.name)(*tensors, **options)
    if row.has_form:
        assert torch.equal(getattr(torch.nn, FORMS[row.name].__name__)(**options)(*tensors), value)
    (value * torch.cos(torch.arange(value.numel(), dtype=value.dtype)).reshape(value.shape)).sum().backward()
    return value.detach().numpy(), [t.grad.numpy() for t in tensors if t.requires_grad]


@needs_torch
@every_row
def test_values_and_slopes_are_torchs(row):
    run = jit(lambda arguments, arrays: _answers(row, arguments, arrays))
    for seed in range(3):
        arguments, arrays = row.draw(seed)
        for reduction, (value, slopes) in jax.tree.map(np.asarray, run(arguments, arrays)).items():
            expected, of_slopes = _torchs(row, arguments, arrays, reduction)
            assert value.shape == expected.shape
            assert value.dtype == expected.dtype
            close = partial(np.testing.assert_allclose, rtol=2e-5, err_msg=f"{reduction}, {seed}")
            close(value, expected, atol=5e-6)
            for slope, of_slope in zip(slopes, of_slopes, strict=True):
                assert np.isfinite(slope).all()
                finite = np.isfinite(of_slope)  # torch's slope in a target is nan at a count of 0, inf at a certainty
                close(slope[finite], of_slope[finite], atol=3e-5 if row.name == "ctc_loss" else 5e-6)


@needs_torch
@every_name
def test_signatures_are_torchs(name):
    import torch

    pairs = [(getattr(F, name), getattr(torch.nn.functional, name))]
    pairs.append((FORMS[name], getattr(torch.nn, FORMS[name].__name__)))
    for mine, theirs in pairs:
        a, b = ([(p.name, p.default, p.kind) for p in inspect.signature(f).parameters.values()] for f in (mine, theirs))
        assert a == b


@needs_torch
@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_the_deprecated_arguments_override_the_reduction_as_in_torch(size_average, reduce):
    import torch

    legacy = {"size_average": size_average, "reduce": reduce}
    for row in FIRST:
        if "reduce" not in inspect.signature(getattr(F, row.name)).parameters:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(torch.nn, FORMS[row.name].__name__)(**legacy, reduction="sum").reduction
        given = {**legacy, "reduction": "sum"}
        if size_average is None and reduce is None:
            assert FORMS[row.name](**given).reduction == theirs == "sum"
            continue
        with pytest.warns(DeprecationWarning, match=f"{FORMS[row.name].__name__}.*{theirs!r}"):
            form = FORMS[row.name](**given)
        assert form.reduction == theirs
        arguments, _ = row.draw(0)
        with pytest.warns(DeprecationWarning, match=f"{row.name}.*{theirs!r}"):
            value = jax.eval_shape(lambda a=arguments, row=row: getattr(F, row.name)(*a, **given, **row.options))
        assert (value.shape != ()) == (theirs == "none")


def test_a_warning_of_the_deprecated_points_at_the_caller():
    for call in (lambda: ours.MSELoss(reduce=True), lambda: F.mse_loss(jnp.ones(2), jnp.ones(2), reduce=True)):
        with pytest.warns(DeprecationWarning, match="deprecated") as caught:
            call()
        assert [w.filename for w in caught] == [__file__]


@needs_torch
@pytest.mark.filterwarnings("ignore:.*target size:UserWarning")
def test_shapes_broadcast_where_torchs_do():
    import torch

    x, y = np.float32([[0.5], [0.75], [0.125]]), np.float32([0.25, 0.5, 0.125, 0.75])
    wide, weight = np.tile(y, (3, 1)), np.float32([[1], [2], [3]])
    calls = [
        (name, (x, y, *arrays), reduction)
        for name in ("l1_loss", "mse_loss", "huber_loss", "smooth_l1_loss", "poisson_nll_loss", "kl_div")
        for reduction in FORMS[name].reductions
        for arrays in ([(), (weight,)] if name in ("l1_loss", "mse_loss", "huber_loss") else [()])
    ] + [("gaussian_nll_loss", (x, wide, x), "none"), ("gaussian_nll_loss", (x, y, 2.0), "sum")]

    def answers(library, calls):
        for name, (a, b, *rest), reduction in calls:
            named = {"var" if name.startswith("gaussian") else "weight": c for c in rest}
            yield getattr(library, name)(a, b, reduction=reduction, **named)

    with pytest.warns(UserWarning, match=r"target \(4,\) and input \(3, 1\) differ in shape"):
        got = jit(lambda: list(answers(F, calls)))()
    as_torch = lambda x: torch.tensor(x) if isinstance(x, np.ndarray) else x
    theirs = answers(torch.nn.functional, [(n, tuple(map(as_torch, a)), r) for n, a, r in calls])
    for call, value, expected in zip(calls, got, theirs, strict=True):
        np.testing.assert_allclose(value, expected.numpy(), rtol=1e-5, err_msg=str(call))


MIXED = [
    ("float32", "bfloat16", "float32"),
    ("bfloat16", "float16", "float32"),
    ("float16", "float64", "float64"),
    ("bfloat16", "int32", "bfloat16"),
]


@needs_torch
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_the_result_has_torchs_dtype(dtype):
    import torch

    for row in FIRST:
        if row.name == "ctc_loss" and dtype != "float64":
            continue  # torch has none
        arguments, _ = row.draw(0)
        tensors = [torch.tensor(x).to(getattr(torch, dtype) if _floating(x) else torch.int64) for x in arguments]
        theirs = getattr(torch.nn.functional, row.name)(*tensors)
        with jax.enable_x64(dtype == "float64"):
            kinds = [jnp.asarray(x, dtype if _floating(x) else None) for x in arguments]
            value = jax.eval_shape(lambda *arguments, row=row: row.call(arguments, {}), *kinds)
        assert f"torch.{value.dtype}" == str(theirs.dtype) == f"torch.{dtype}"


@pytest.mark.parametrize(("first", "second", "result"), MIXED)
def test_inputs_of_two_dtypes_have_the_wider(first, second, result):
    with jax.enable_x64("float64" in (first, second)):
        x, y = jnp.ones((2, 3), first), jnp.ones((2, 3), second)
        for name in ("mse_loss", "poisson_nll_loss", "binary_cross_entropy", "cross_entropy", "kl_div"):
            if (name, second) != ("cross_entropy", "int32"):
                assert jax.eval_shape(getattr(F, name), x, y).dtype == result
        assert jax.eval_shape(partial(F.mse_loss, weight=np.ones((2, 3), np.float32)), x, x).dtype == first


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_number_is_not_rounded_to_a_half(dtype):
    """Computed in float32 and rounded once: a variance of 1e5 is no infinity in float16."""
    x, y = jnp.asarray([[0.5, -2.0]], dtype), jnp.asarray([[0.25, 1.0]], dtype)
    wide = x.astype(jnp.float32), y.astype(jnp.float32)
    calls = [(F.gaussian_nll_loss, {"var": var}) for var in (0.7, 1e5, np.float32(0.7), jnp.float32(1e5))]
    calls += [(F.huber_loss, {"delta": 1e5}), (F.smooth_l1_loss, {"beta": 0.7})]
    for loss, options in calls:
        half = jit(partial(loss, **options, reduction="none"))(x, y)
        expected = jit(partial(loss, **options, reduction="none"))(*wide)
        assert half.dtype == dtype
        assert np.isfinite(np.float32(half)).all()
        np.testing.assert_array_equal(half, expected.astype(dtype))


# ---------------------------------------------------------------------------------------------- what differs on purpose


SHARED = [(), (1, 1, 1), (3, 1, 1), (1, 4, 1), (1, 1, 2), (3, 4, 1), (3, 1, 2), (3, 4), (3, 4, 2)]


@pytest.mark.parametrize("shape", SHARED)
def test_a_variance_may_be_the_same_along_any_axes(shape):
    rng = np.random.default_rng(0)
    x, y, variance = normal(rng, (3, 4, 2)), normal(rng, (3, 4, 2)), np.asarray(positive(rng, shape), np.float32)
    along = variance[..., None] if shape == (3, 4) else variance
    run = jit(jax.value_and_grad(lambda v, x: F.gaussian_nll_loss(x, y, v, reduction="sum")))
    value, slope = run(variance, x)
    error = (x.astype(np.float64) - y) ** 2
    np.testing.assert_allclose(value, 0.5 * np.sum(np.log(along) + error / along), rtol=1e-5)
    terms = np.broadcast_to(0.5 * (1 / along - error / along.astype(np.float64) ** 2), x.shape)
    axes = tuple(i for i, n in enumerate(along.shape) if n != x.shape[i]) if along.ndim else None
    np.testing.assert_allclose(slope, terms.sum(axes).reshape(shape) if shape != (3, 4) else terms.sum(-1), rtol=1e-4)


def _answer(loss, x, *rest):
    """The loss and the slope of its sum in its first argument."""
    run = lambda x, *rest: jax.value_and_grad(lambda x: jnp.sum(loss(x, *rest)))(x)
    return jit(run)(x, *rest)


CLASSED = [F.cross_entropy, F.nll_loss, ours.CrossEntropyLoss([1.0, 2.0, 3.0, 4.0], label_smoothing=0.1)]


@pytest.mark.parametrize("loss", CLASSED)
def test_the_mean_of_nothing_is_zero_and_an_ignored_row_is_inert(loss):
    x, target = normal(np.random.default_rng(0), (3, 4)), np.array([1, IGNORED, 2])
    value, slope = _answer(loss, x, np.full(3, IGNORED))
    assert value == 0
    assert not np.any(slope)
    spoiled = x.copy()
    spoiled[1] = np.nan
    value, slope = _answer(loss, x, target)
    assert np.isfinite(slope).all()
    jax.tree.map(np.testing.assert_array_equal, _answer(loss, spoiled, target), (value, slope))


def test_the_mean_over_no_weight_or_no_element_is_zero():
    x, empty = np.ones((3, 4), np.float32), np.zeros((0, 4), np.float32)
    nothing = [jit(loss)(x, 2 * x, weight=0 * x) for loss in (F.mse_loss, F.l1_loss)]
    pairs = (
        F.mse_loss,
        F.poisson_nll_loss,
        F.binary_cross_entropy,
        F.cross_entropy,
        partial(F.kl_div, reduction="batchmean"),
    )
    nothing += [jit(loss)(empty, empty) for loss in pairs]
    nothing.append(jit(F.cross_entropy)(empty, np.zeros(0, np.int32)))
    assert not np.any(nothing)


def test_what_is_impossible_and_has_no_mass_costs_nothing():
    x, none = np.float32([[0, -np.inf]]), np.float32([[1, 0]])
    summed = partial(F.kl_div, reduction="sum")
    for loss, target in ((F.cross_entropy, none), (summed, none), (partial(summed, log_target=True), x)):
        value, slope = _answer(loss, x, target)
        assert value == 0
        assert np.isfinite(slope).all()


def test_a_sequence_without_an_alignment_has_no_slope():
    (x, targets, _, lengths), _ = Row("ctc_loss", sequences("padded")).draw(0)
    loss = partial(F.ctc_loss, reduction="none")
    joined = np.concatenate([np.tile(targets[0], 4), targets[2, :2]])  # far more labels than frames

    @jit
    def run(x):
        # The shift is normalised away.
        infeasible, pull_back = jax.vjp(lambda x: loss(x + 3, targets, np.array([2, 9, 9]), lengths), x)
        return infeasible, loss(x, joined, np.array([9, 9, 9]), np.array([16, 0, 2])), pull_back(jnp.ones(3))[0]

    infeasible, longer, slope = run(x)
    assert np.isinf(infeasible).tolist() == [True, False, False]
    np.testing.assert_allclose(longer, infeasible, rtol=1e-5)
    assert np.isfinite(slope).all()
    assert not np.any(slope[:, 0])


BAD_VALUES = [
    (F.cross_entropy, lambda: (np.zeros((2, 3), np.float32), np.array([0, 3])), "labels must be"),
    (F.nll_loss, lambda: (np.zeros((2, 3), np.float32), np.array([0, -1])), "labels must be"),
    (F.binary_cross_entropy, lambda: (np.float32([0.5, 1.5]), np.float32([1, 1])), "input must be in"),
    (F.binary_cross_entropy, lambda: (np.float32([0.5, 0.5]), np.float32([1, 2])), "target must be in"),
    (F.gaussian_nll_loss, lambda: (*np.ones((2, 2), np.float32), np.float32([1, -1])), "variance must be"),
    (
        partial(F.poisson_nll_loss, log_input=False),
        lambda: (np.float32([1, -1]), np.float32([1, 1])),
        "rates of at least 0",
    ),
    (partial(F.poisson_nll_loss, full=True), lambda: (np.float32([1, 1]), np.float32([1, -1])), "counts of at least"),
    (
        F.ctc_loss,
        lambda: (np.zeros((4, 2, 3), np.float32), np.array([[1], [1]]), (4, 5), (1, 1)),
        "lengths must not be",
    ),
    (
        F.ctc_loss,
        lambda: (np.zeros((4, 2, 3), np.float32), np.array([[1], [1]]), (4, 4), (1, 2)),
        "lengths must not be",
    ),
    (F.ctc_loss, lambda: (np.zeros((4, 2, 3), np.float32), np.array([[1], [0]]), (4, 4), (1, 1)), "not the blank"),
]


@pytest.mark.parametrize(("loss", "arguments", "words"), BAD_VALUES, ids=[row[2] for row in BAD_VALUES])
def test_a_value_outside_the_domain_is_nan_in_its_element_and_an_error_under_checked(loss, arguments, words):
    each = partial(loss, reduction="none")
    error, got = jit(checkify.checkify(jaxloss.checked(lambda *a: each(*a))))(*arguments())
    assert words in error.get()
    assert np.isnan(got).tolist() == [False, True]


def test_concatenated_targets_of_another_length_than_their_lengths_are_nan():
    (x, targets, frames, lengths), _ = Row("ctc_loss", sequences("concatenated")).draw(0)
    each = partial(F.ctc_loss, reduction="none")
    wrong = [(targets[:-1], lengths), (np.append(targets, 1), lengths), (targets[:0], 0 * lengths)]
    answers = jit(lambda: [each(x, given, frames, said) for given, said in wrong])()
    assert np.isnan(answers).all(1).tolist() == [True, True, False]
    assert np.isfinite(answers[2]).all()


def test_a_traced_beta_of_zero_is_the_absolute_error():
    x, y = normal(np.random.default_rng(0), (2, 5))
    y[0] = x[0]
    run = jit(jax.value_and_grad(lambda x, beta: F.smooth_l1_loss(x, y, beta=beta)))
    value, slope = run(x, 0.0)
    expected, of_slope = _answer(F.l1_loss, x, y)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(slope, of_slope, rtol=1e-6)


# ------------------------------------------------------------------------------------------------------------- errors

X, Y = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
LABELS, LP = np.zeros(3, np.int32), np.zeros((5, 3, 4), np.float32)
ERRORS = [
    *((loss, (X, Y[:, :3]), {}, ValueError, ["do not broadcast", "(3, 3)"]) for loss in (F.mse_loss, F.l1_loss)),
    *((loss, (X, Y), {"weight": Y[0]}, ValueError, ["weight", "(4,)"]) for loss in (F.mse_loss, F.huber_loss)),
    (F.mse_loss, (X.astype(int), Y), {}, TypeError, ["input", "int"]),
    (F.mse_loss, (X, "targets"), {}, TypeError, ["target", "str"]),
    (F.huber_loss, (X, Y), {"delta": 0.0}, ValueError, ["delta", "above 0"]),
    (F.smooth_l1_loss, (X, Y), {"beta": -1.0}, ValueError, ["beta", "at least 0"]),
    (F.poisson_nll_loss, (X, Y), {"full": "exact"}, ValueError, ["full"]),
    (F.poisson_nll_loss, (X, Y), {"eps": -1.0}, ValueError, ["eps"]),
    (F.binary_cross_entropy, (X, Y[0]), {}, ValueError, ["target", "(4,)", "(3, 4)"]),
    (F.binary_cross_entropy, (X, Y), {"weight": LABELS}, ValueError, ["weight", "(3,)"]),
    (F.binary_cross_entropy_with_logits, (X, Y[:2]), {}, ValueError, ["target", "(2, 4)"]),
    (F.binary_cross_entropy_with_logits, (X, Y), {"pos_weight": LABELS}, ValueError, ["pos_weight", "(3,)"]),
    (F.cross_entropy, (X, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
    (F.cross_entropy, (X, Y[:, 0]), {}, TypeError, ["target", "integers", "float32"]),
    (F.cross_entropy, (X, Y.astype(int)), {}, TypeError, ["target", "distributions", "int"]),
    (F.cross_entropy, (X, Y), {"ignore_index": 1}, ValueError, ["ignore_index", "distributions"]),
    (F.cross_entropy, (X, LABELS), {"weight": np.ones(3)}, ValueError, ["weight", "(4,)", "(3,)"]),
    (F.cross_entropy, (X, LABELS), {"label_smoothing": 1.5}, ValueError, ["label_smoothing", "1.5"]),
    (F.cross_entropy, (np.float32(1), np.float32(1)), {}, ValueError, ["input", "classes"]),
    (F.cross_entropy, (X, [[1.0], [1.0, 2.0]]), {}, TypeError, ["target", "list"]),
    (F.cross_entropy, (X[:, :0], LABELS), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.cross_entropy, (X[:, :0], Y[:, :0]), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.nll_loss, (X[:, :0], LABELS), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.nll_loss, (X, Y), {}, TypeError, ["target", "integers"]),
    (F.nll_loss, (X, LABELS), {"weight": "heavy"}, TypeError, ["weight"]),
    (F.kl_div, (X, Y[:2]), {"reduction": "sum"}, ValueError, ["do not broadcast"]),
    (F.gaussian_nll_loss, (X, Y, Y[:, 0, None, None]), {}, ValueError, ["var", "(3, 1, 1)"]),
    (F.gaussian_nll_loss, (X, Y, Y[:2, :1]), {}, ValueError, ["var", "(2, 1)"]),
    (F.gaussian_nll_loss, (X, Y, [[1.0], [1.0, 2.0]]), {}, TypeError, ["var", "list"]),
    (F.gaussian_nll_loss, (X, Y, -1.0), {}, ValueError, ["var", "-1"]),
    (F.ctc_loss, (LP[..., None], LABELS, LABELS, LABELS), {}, ValueError, ["log_probs"]),
    (F.ctc_loss, (LP, LABELS[:, None][:2], LABELS, LABELS), {}, ValueError, ["targets", "(2, 1)"]),
    (F.ctc_loss, (LP, LABELS, LABELS[:2], LABELS), {}, ValueError, ["input_lengths", "(2,)"]),
    (F.ctc_loss, (LP, LABELS, LABELS, Y[:, 0]), {}, TypeError, ["target_lengths", "float32"]),
    (F.ctc_loss, (LP, LABELS[:, None], LABELS, LABELS), {"blank": 9}, ValueError, ["blank 9"]),
    (F.ctc_loss, (LP, LABELS[:, None], LABELS, LABELS), {"blank": 1.5}, TypeError, ["blank must", "1.5"]),
    (F.ctc_loss, (LP, LABELS[:, None], LABELS, LABELS), {"zero_infinity": "no"}, ValueError, ["zero_infinity must"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    with pytest.raises(error) as raised:
        jax.eval_shape(lambda: loss(*arguments, **options))
    assert str(raised.value).startswith(f"{loss.__name__}: ")
    for word in words:
        assert word in str(raised.value)


@one_row_each
def test_unknown_reductions_are_refused(row):
    arguments, arrays = row.draw(0)
    wrong = ["average", None, 1] + (["batchmean"] if row.name != "kl_div" else [])
    for reduction in wrong:
        with pytest.raises(ValueError, match=f"{row.name}: reduction must be one of 'none'.* got {reduction!r}"):
            row.call(arguments, arrays, reduction)
        with pytest.raises(ValueError, match=f"{FORMS[row.name].__name__}: reduction must be one of"):
            row.form({}, reduction)


def test_a_misleading_mean_is_warned_of():
    with pytest.warns(UserWarning, match="batchmean"):
        jax.eval_shape(F.kl_div, X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.eval_shape(partial(F.kl_div, reduction="batchmean"), X, Y)


# -------------------------------------------------------------------------------------------------------- class forms

with_form = pytest.mark.parametrize("row", [row for row in ROWS if row.has_form], ids=lambda row: row.id)


@with_form
def test_equal_forms_are_equal_hash_alike_and_survive_copies(row):
    _, arrays = row.draw(0)
    form, name = row.form(arrays, "sum"), FORMS[row.name].__name__
    for same in (
        row.form({k: jnp.asarray(v) for k, v in arrays.items()}, "sum"),
        row.form({k: v.tolist() for k, v in arrays.items()}, "sum"),
        pickle.loads(pickle.dumps(form)),
        copy.deepcopy(form),
        form.replace(reduction="none").replace(reduction="sum"),
        ours.Loss.from_config(json.loads(json.dumps(form.get_config()))),
        type(form).from_config(form.get_config()),
        jax.tree.map(lambda leaf: leaf, form),
    ):
        assert same == form
        assert hash(same) == hash(form)
    assert row.form(arrays, "mean") != form
    assert form.get_config()["class"] == f"jaxloss.torch.{name}"
    assert repr(form).startswith(name)
    with pytest.raises(dataclasses.FrozenInstanceError):
        form.reduction = "mean"


def test_a_configuration_names_its_library():
    with pytest.raises(ValueError, match="import its module"):
        ours.Loss.from_config(jaxloss.HuberLoss().get_config())
    with pytest.raises(ValueError, match="MSELoss"):
        ours.MSELoss.from_config(ours.L1Loss().get_config())


@pytest.mark.parametrize("name", FORMS)
def test_the_class_form_is_that_of_its_function(name):
    form = FORMS[name]
    assert form.fn is getattr(F, name)
    assert form.__doc__ == f"The class form of `functional.{name}`."
    taken = {f.name: f.default for f in dataclasses.fields(form)}
    assert taken.items() <= {p.name: p.default for p in inspect.signature(form.fn).parameters.values()}.items()
    hints, of_function = inspect.get_annotations(form), inspect.get_annotations(form.fn)
    assert {k: hints[k] for k in taken} == {k: of_function[k] for k in taken}


@one_row_each
def test_jit_and_vmap_take_a_form_as_static_and_as_an_array(row):
    draws = [row.draw(seed)[0] for seed in range(3)]
    form, traces = row.form(row.draw(0)[1]), []

    def run(form, arguments):
        traces.append(form)
        return form(*arguments)

    static = jit(run, static_argnums=0)
    expected = [static(pickle.loads(pickle.dumps(form)), arguments) for arguments in draws]
    assert len(traces) == 1
    stacked = [np.stack(arrays) for arrays in zip(*draws, strict=True)]
    np.testing.assert_allclose(jit(jax.vmap(run, (None, 0)))(form, stacked), expected, rtol=1e-5)
    assert jax.eval_shape(lambda: form.forward(*draws[0])).shape == ()


@pytest.mark.parametrize(
    ("row", "axes"),
    [
        (Row("cross_entropy", classified((6, 5), 0.3)), (0, 0)),
        (Row("nll_loss", classified((6, 5), 0.3)), (0, 0)),
        (Row("ctc_loss", sequences("padded")), (1, 0, 0, 0)),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_vmap_of_single_examples_is_the_batched_call(row, axes):
    arguments, _ = row.draw(0)
    each = partial(getattr(F, row.name), reduction="none")
    np.testing.assert_allclose(jit(jax.vmap(each, axes))(*arguments), jit(each)(*arguments), rtol=1e-5)


def test_numbers_of_a_form_are_swept_and_learned():
    x, y = normal(np.random.default_rng(0), (2, 5))
    swept = jit(jax.vmap(lambda loss: loss(x, y)))(ours.HuberLoss(delta=np.float32([0.5, 1.0])))
    np.testing.assert_allclose(swept, [jit(ours.HuberLoss(delta=d))(x, y) for d in (0.5, 1.0)], rtol=1e-6)
    loss = ours.CrossEntropyLoss(np.ones(5, np.float32), label_smoothing=0.1)
    slopes = jit(jax.grad(lambda loss: loss(x[None], np.array([1]))))(loss)
    assert np.isfinite(slopes.weight).all()
    assert np.isfinite(slopes.label_smoothing)


# ------------------------------------------------------------------------------------ what PyTorch's documentation runs


class _Beside:
    """A loss of PyTorch's that compares each of its answers, and its slope, with ours."""

    def __init__(self, theirs, mine, answers):
        self.theirs, self.mine, self.answers = theirs, mine, answers

    def __call__(self, *tensors):
        import torch

        value = self.theirs(*tensors)
        arrays = [t.detach().numpy() for t in tensors]
        np.testing.assert_allclose(self.mine(*arrays), value.detach().numpy(), rtol=2e-5)
        if tensors[0].requires_grad:
            (slope,) = torch.autograd.grad(value, tensors[0], retain_graph=True)
            mine = jax.grad(lambda x: self.mine(x, *arrays[1:]))(arrays[0])
            np.testing.assert_allclose(mine, slope.numpy(), rtol=2e-4, atol=1e-6)
        self.answers.append(value)
        return value


class _Module:
    """`torch`, `torch.nn` or `torch.nn.functional` with their losses beside ours."""

    def __init__(self, theirs, answers):
        self._theirs, self._answers = theirs, answers

    def __getattr__(self, name):
        found = getattr(self._theirs, name)
        if name in ("nn", "functional"):
            return _Module(found, self._answers)
        if name in F.__all__:
            return _Beside(found, getattr(F, name), self._answers)
        if name not in ours.__all__:
            return found
        plain = lambda options: {k: v.numpy() if hasattr(v, "numpy") else v for k, v in options.items()}
        return lambda **options: _Beside(found(**options), getattr(ours, name)(**plain(options)), self._answers)


@needs_torch
@pytest.mark.parametrize("name", [*F.__all__, *(form.__name__ for form in FORMS.values())])
def test_every_example_of_pytorchs_documentation_comes_out(name):
    import torch

    answers = []
    beside = _Module(torch, answers)
    home = torch.nn.functional if name in F.__all__ else torch.nn
    doc = inspect.getdoc(getattr(home, name))
    torch.manual_seed(0)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        names = {"torch": beside, "nn": beside.nn, "F": beside.nn.functional}
        for example in doctest.DocTestParser().get_examples(doc):
            exec(example.source, names)
    assert bool(answers) == (">>>" in doc)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_lists_and_numbers_are_taken_as_arrays_are(row):
    arguments, arrays = row.draw(0)
    listed = lambda x: np.asarray(x).tolist()
    plain = [listed(x) for x in arguments], {name: listed(x) for name, x in arrays.items()}
    expected = row.call(arguments, arrays)
    np.testing.assert_allclose(row.call(*plain), expected, rtol=1e-6)
    if row.has_form:
        np.testing.assert_allclose(row.form(plain[1])(*plain[0]), expected, rtol=1e-6)
