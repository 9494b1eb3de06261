"""What is special in `jaxloss.torch`: what is deprecated, how shapes broadcast, and what differs on purpose."""

import inspect
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
import jaxloss.torch as ours
from jaxloss.torch import functional as F
from tests.cases import normal, positive
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.dropins.rows import plainest
from tests.torch.rows import ROWS

needs_torch = pytest.mark.skipif(missing("torch"), reason="torch is not installed")
PLAIN = plainest(row for row in ROWS if row.samples)
# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")


@needs_torch
@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_the_deprecated_arguments_override_the_reduction_as_in_torch(size_average, reduce):
    import torch

    legacy = {"size_average": size_average, "reduce": reduce}
    for row in PLAIN:
        if "reduce" not in inspect.signature(row.fn).parameters:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(torch.nn, row.form.__name__)(**legacy, reduction="sum").reduction
        given = {**legacy, "reduction": "sum"}
        if size_average is None and reduce is None:
            assert row.form(**given).reduction == theirs == "sum"
            continue
        with pytest.warns(DeprecationWarning, match=f"{row.form.__name__}.*{theirs!r}"):
            form = row.form(**given)
        assert form.reduction == theirs
        arguments = row.ordered(row.draw())
        with pytest.warns(DeprecationWarning, match=f"{row.fn.__name__}.*{theirs!r}"):
            value = jax.eval_shape(lambda a=arguments, fn=row.fn: fn(*a, **given))
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

    reductions = {row.fn.__name__: row.reductions for row in ROWS}
    x, y = np.float32([[0.5], [0.75], [0.125]]), np.float32([0.25, 0.5, 0.125, 0.75])
    wide, weight = np.tile(y, (3, 1)), np.float32([[1], [2], [3]])
    calls = [
        (name, (x, y, *arrays), reduction)
        for name in ("l1_loss", "mse_loss", "huber_loss", "smooth_l1_loss", "poisson_nll_loss", "kl_div")
        for reduction in reductions[name]
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


@pytest.mark.parametrize(("first", "second", "result"), MIXED)
def test_inputs_of_two_dtypes_have_the_wider(first, second, result):
    with jax.enable_x64("float64" in (first, second)):
        x, y = jnp.ones((2, 3), first), jnp.ones((2, 3), second)
        for name in ("mse_loss", "poisson_nll_loss", "binary_cross_entropy", "cross_entropy", "kl_div"):
            if (name, second) != ("cross_entropy", "int32"):
                assert jax.eval_shape(getattr(F, name), x, y).dtype == result
        assert jax.eval_shape(partial(F.mse_loss, weight=np.ones((2, 3), np.float32)), x, x).dtype == first


# ---------------------------------------------------------------------------------------------- what differs on purpose

CTC = next(row for row in PLAIN if row.fn is F.ctc_loss)


def _answer(loss, x, *rest):
    """The loss and the slope of its sum in its first argument."""
    run = lambda x, *rest: jax.value_and_grad(lambda x: jnp.sum(loss(x, *rest)))(x)
    return jit(run)(x, *rest)


def test_the_mean_over_no_weight_is_zero():
    x = np.ones((3, 4), np.float32)
    assert not np.any(jit(lambda x: [loss(x, 2 * x, weight=0 * x) for loss in (F.mse_loss, F.l1_loss)])(x))


def test_what_is_impossible_and_has_no_mass_costs_nothing():
    x, none = np.float32([[0, -np.inf]]), np.float32([[1, 0]])
    summed = partial(F.kl_div, reduction="sum")
    for loss, target in ((F.cross_entropy, none), (summed, none), (partial(summed, log_target=True), x)):
        value, slope = _answer(loss, x, target)
        assert value == 0
        assert np.isfinite(slope).all()


def test_a_sequence_without_an_alignment_has_no_slope():
    x, targets, _, lengths = CTC.ordered(CTC.draw())
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


def test_concatenated_targets_are_padded_ones():
    """Of another length than their lengths add up to, they are nan."""
    x, targets, frames, lengths = CTC.ordered(CTC.draw())
    each = partial(F.ctc_loss, reduction="none")
    joined = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
    wrong = [(joined[:-1], lengths), (np.append(joined, 1), lengths), (joined[:0], 0 * lengths)]

    @jit
    def run(x):
        pairs = [jax.vjp(lambda x: each(x, y, frames, lengths), x) for y in (targets, joined)]
        return [(value, pull_back(value)) for value, pull_back in pairs], [each(x, y, frames, n) for y, n in wrong]

    (padded, concatenated), answers = run(x)
    np.testing.assert_allclose(concatenated[0], padded[0], rtol=1e-6)
    np.testing.assert_allclose(concatenated[1], padded[1], rtol=1e-5, atol=1e-6)
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


# ------------------------------------------------------------------------------------------------------------- errors

X, Y = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
LABELS, LP = np.zeros(3, np.int32), np.zeros((5, 3, 4), np.float32)
ERRORS = [
    *((loss, (X, Y[:, :3]), {}, ValueError, ["do not broadcast", "(3, 3)"]) for loss in (F.mse_loss, F.l1_loss)),
    *((loss, (X, Y), {"weight": Y[0]}, ValueError, ["weight", "(4,)"]) for loss in (F.mse_loss, F.huber_loss)),
    (F.mse_loss, (X.astype(int), Y), {}, TypeError, ["input", "int"]),
    (F.mse_loss, (X, "targets"), {}, TypeError, ["target", "str"]),
    (F.binary_cross_entropy, (X, Y[0]), {}, ValueError, ["target", "(4,)", "(3, 4)"]),
    (F.binary_cross_entropy, (X, Y), {"weight": LABELS}, ValueError, ["weight", "(3,)"]),
    (F.binary_cross_entropy_with_logits, (X, Y[:2]), {}, ValueError, ["target", "(2, 4)"]),
    (F.binary_cross_entropy_with_logits, (X, Y), {"pos_weight": LABELS}, ValueError, ["pos_weight", "(3,)"]),
    (F.cross_entropy, (X, LABELS[:2]), {}, ValueError, ["target", "(3,)", "(2,)"]),
    (F.cross_entropy, (X, Y[:, 0]), {}, TypeError, ["target", "integers", "float32"]),
    (F.cross_entropy, (X, Y.astype(int)), {}, TypeError, ["target", "distributions", "int"]),
    (F.cross_entropy, (X, Y), {"ignore_index": 1}, ValueError, ["ignore_index", "distributions"]),
    (F.cross_entropy, (X, LABELS), {"weight": np.ones(3)}, ValueError, ["weight", "(4,)", "(3,)"]),
    (F.cross_entropy, (np.float32(1), np.float32(1)), {}, ValueError, ["input", "classes"]),
    (F.nll_loss, (X, Y), {}, TypeError, ["target", "integers"]),
    (F.nll_loss, (X, LABELS), {"weight": "heavy"}, TypeError, ["weight"]),
    (F.kl_div, (X, Y[:2]), {"reduction": "sum"}, ValueError, ["do not broadcast"]),
    (F.gaussian_nll_loss, (X, Y, Y[:, 0, None, None]), {}, ValueError, ["var", "(3, 1, 1)"]),
    (F.gaussian_nll_loss, (X, Y, Y[:2, :1]), {}, ValueError, ["var", "(2, 1)"]),
    (F.gaussian_nll_loss, (X, Y, [[1.0], [1.0, 2.0]]), {}, TypeError, ["var", "list"]),
    (F.cross_entropy, (X, [[1.0], [1.0, 2.0]]), {}, TypeError, ["target", "list"]),
    (F.cross_entropy, (X[:, :0], LABELS), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.cross_entropy, (X[:, :0], Y[:, :0]), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.nll_loss, (X[:, :0], LABELS), {}, ValueError, ["input (3, 0)", "no class"]),
    (F.gaussian_nll_loss, (X, Y, -1.0), {}, ValueError, ["var", "-1"]),
    (F.ctc_loss, (LP[..., None], LABELS, LABELS, LABELS), {}, ValueError, ["log_probs"]),
    (F.ctc_loss, (LP, LABELS[:, None][:2], LABELS, LABELS), {}, ValueError, ["targets", "(2, 1)"]),
    (F.ctc_loss, (LP, LABELS, LABELS[:2], LABELS), {}, ValueError, ["input_lengths", "(2,)"]),
    (F.ctc_loss, (LP, LABELS, LABELS, Y[:, 0]), {}, TypeError, ["target_lengths", "float32"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    with pytest.raises(error) as raised:
        jax.eval_shape(lambda: loss(*arguments, **options))
    assert str(raised.value).startswith(f"{loss.__name__}: ")
    for word in words:
        assert word in str(raised.value)


def test_a_misleading_mean_is_warned_of():
    with pytest.warns(UserWarning, match="batchmean"):
        jax.eval_shape(F.kl_div, X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.eval_shape(partial(F.kl_div, reduction="batchmean"), X, Y)


# -------------------------------------------------------------------------------------------------------- class forms


def test_a_configuration_names_its_library():
    with pytest.raises(ValueError, match="import its module"):
        ours.Loss.from_config(jaxloss.HuberLoss().get_config())
    with pytest.raises(ValueError, match="MSELoss"):
        ours.MSELoss.from_config(ours.L1Loss().get_config())


def test_numbers_of_a_form_are_swept_and_learned():
    x, y = normal(np.random.default_rng(0), (2, 5))
    swept = jit(jax.vmap(lambda loss: loss(x, y)))(ours.HuberLoss(delta=np.float32([0.5, 1.0])))
    np.testing.assert_allclose(swept, [jit(ours.HuberLoss(delta=d))(x, y) for d in (0.5, 1.0)], rtol=1e-6)
    loss = ours.CrossEntropyLoss(np.ones(5, np.float32), label_smoothing=0.1)
    slopes = jit(jax.grad(lambda loss: loss(x[None], np.array([1]))))(loss)
    assert np.isfinite(slopes.weight).all()
    assert np.isfinite(slopes.label_smoothing)
