"""Random calls beside optax: values and slopes of its functions, over shapes, dtypes, axes, masks and options, and the
means and sums of its losses that the class forms return.

Where ours differ, on purpose, is listed once, in DIFFERENT, or stands in the row. Halves are compared with what optax
returns for the same numbers in float32, in which they are computed here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.scipy.special import logsumexp

import jaxloss
from tests.compiling import quick
from tests.losses.classification import test_margins_beside_peers as margins
from tests.losses.embedding import test_embeddings_beside_peers as embeddings
from tests.losses.segmentation import test_overlaps_beside_peers as overlaps
from tests.random_calls import NOT_SHRUNK, some

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
few = some(3, 8, **NOT_SHRUNK)

SHAPES = [(3, 4), (2, 3, 5)]
AXES = [-1, 0, None, (0, 1)]
LOGS = [-1e4, -1e5]
FORMS = {form.fn: form for form in vars(jaxloss).values() if isinstance(form, type) and hasattr(form, "fn")}


@dataclass(frozen=True)
class Row:
    """A loss of optax: what is drawn for it, and how either library is asked."""

    name: str
    draw: Callable[..., Any]
    """The arrays, from a generator, a shape and the options."""
    options: dict[str, list[Any]] = field(default_factory=dict)
    masks: tuple[str, ...] = ("none", "losses")
    """The masks that are drawn: of losses, which ours alone take, and of the elements of rows."""
    call: Callable[..., Any] | None = None
    theirs: Callable[..., Any] | None = None
    """How optax is asked for the same, if not by the same call."""
    form: Callable[..., Any] = lambda form, *arrays, **more: form(*arrays, **more)
    wrt: tuple[int, ...] = (0, 1)
    """The arrays that are differentiated in, if they are floats."""
    rtol: float = 2e-5

    def asked(self, library, *arrays, **options):
        """The answer of a library."""
        if library is optax.losses and self.theirs:
            return self.theirs(*arrays, **options)
        if self.call:
            return self.call(library, *arrays, **options)
        return getattr(library, self.name)(*arrays, **options)

    @property
    def class_form(self):
        return None if self.call else FORMS.get(getattr(jaxloss, self.name))


# -------------------------------------------------------------------------------------------------- what arrays hold


def _errors(rng, shape, options):
    """With targets, or without, which are 0."""
    return tuple(rng.normal(0, 2, (rng.integers(1, 3), *shape)))


def _vectors(rng, shape, options):
    return tuple(rng.normal(0, 2, (2, *shape)))


def _outcomes(rng, shape, options):
    """Labels of 0 and 1, as integers, or between them."""
    y = rng.uniform(size=shape)
    return rng.normal(0, 2, shape), y.round().astype(np.int32) if rng.integers(2) else y


def _distribution(rng, shape):
    p = rng.gamma(1.0, 1.0, shape) + 1e-3
    return p / p.sum(-1, keepdims=True)


def _distributed(rng, shape, options):
    return rng.normal(0, 2, shape), _distribution(rng, shape)


def _labelled(rng, shape, options):
    axes = np.atleast_1d(options["axis"]) % len(shape)
    rest = [n for i, n in enumerate(shape) if i not in axes]
    return rng.normal(0, 2, shape), rng.integers(0, np.prod(np.take(shape, axes)), rest).astype(np.int32)


def _labels(rng, shape, options):
    return (_distribution(rng, shape),)


def _divergent(rng, shape, options):
    return np.log(_distribution(rng, shape)), _distribution(rng, shape)


def _divergent_logs(rng, shape, options):
    return np.log(_distribution(rng, shape)), np.log(_distribution(rng, shape))


def _sequences(rng, shape, options, padded=True):
    """As many frames as any labels need."""
    (batch, symbols), frames = shape[:2], 9
    y = rng.integers(1, 5, (batch, symbols)).astype(np.int32)
    live, counts = rng.integers(2 * symbols, frames + 1, (batch, 1)), rng.integers(0, symbols + 1, (batch, 1))
    paddings = np.arange(frames) >= live, (np.arange(symbols) >= counts) & padded
    y = np.where(y == options.get("blank_id", 0), np.int32(0), y)
    return rng.normal(0, 2, (batch, frames, 5)), paddings[0].astype(float), y, paddings[1].astype(float)


# ------------------------------------------------------------------------------------------------------------ the rows


def _by_norm(name):
    """Optax clips the square of a length by epsilon, ours, as its documentation says, the length."""
    return lambda *arrays, epsilon, **options: getattr(optax.losses, name)(*arrays, epsilon=epsilon**2, **options)


def _unmasked(logits, labels, *, where=None, **options):
    """The slope in a masked label is 0 here, nan in optax."""
    labels = labels if where is None else jnp.where(where, labels, 0)
    return optax.losses.softmax_cross_entropy(logits, labels, where=where, **options)


def _smoothed(labels, alpha, *, where=None, **options):
    """What is masked is 0 here; optax has a share there too."""
    found = optax.losses.smooth_labels(labels, alpha, where=where, **options)
    return found if where is None else jnp.where(where, found, 0)


def _paths(library, *arrays, log_epsilon, **options):
    """The impossible has exactly `log_epsilon` here, and about that in optax."""
    found = library.ctc_loss_with_forward_probs(*arrays, log_epsilon=log_epsilon, **options)
    return jnp.concatenate([jnp.where(x > log_epsilon / 2, x, log_epsilon).reshape(-1) for x in found])


MAXIMA = {"sum": logsumexp, "tempered": lambda scores: 0.5 * logsumexp(2 * scores), "maximum": jnp.max}


def _fenchel_young(library, x, y, *, maximum):
    return library.make_fenchel_young_loss(MAXIMA[maximum])(x, y)


OF_ROWS = {"axis": AXES}
MASKS = ("none", "losses", "elements")
LENGTHS = {"epsilon": [0.0, 1e-3, 3.0]} | OF_ROWS
CTC = {"blank_id": [0, 3], "log_epsilon": LOGS}
ROWS = [
    Row("squared_error", _errors),
    Row("l2_loss", _errors),
    Row("huber_loss", _errors, {"delta": [0.3, 1.0, 4.0]}),
    Row("log_cosh", _errors),
    Row("cosine_similarity", _vectors, LENGTHS, ("none", "elements"), theirs=_by_norm("cosine_similarity")),
    Row("cosine_distance", _vectors, LENGTHS, MASKS, theirs=_by_norm("cosine_distance")),
    Row("sigmoid_binary_cross_entropy", _outcomes),
    Row("sigmoid_focal_loss", _outcomes, {"alpha": [None, 0.25, 0.9], "gamma": [0.5, 1.0, 2.0, 3.5]}),
    Row("softmax_cross_entropy", _distributed, OF_ROWS, MASKS, theirs=_unmasked),
    Row("softmax_cross_entropy_with_integer_labels", _labelled, {"axis": [-1, 0, 1, (0, 1)]}, MASKS),
    Row("smooth_labels", _labels, {"alpha": [0.0, 0.1, 1.0]} | OF_ROWS, ("none", "elements"), theirs=_smoothed),
    Row("kl_divergence", _divergent, OF_ROWS, MASKS),
    Row("kl_divergence_with_log_targets", _divergent_logs, OF_ROWS, MASKS),
    Row("generalized_kl_divergence", _divergent, OF_ROWS, MASKS),
    Row("convex_kl_divergence", _divergent, OF_ROWS, MASKS),
    Row(
        "ctc_loss",
        _sequences,
        CTC,
        form=lambda form, x, pads, y, paddings, **more: form(
            x, y, logit_paddings=pads, label_paddings=paddings, **more
        ),
        wrt=(0,),
        rtol=1e-3,
    ),
    Row(
        "ctc_loss_with_forward_probs",
        lambda *drawn: _sequences(*drawn, padded=False),
        CTC,
        ("none",),
        _paths,
        wrt=(0,),
        rtol=1e-3,
    ),
    Row("make_fenchel_young_loss", _distributed, {"maximum": [*MAXIMA]}, ("none",), _fenchel_young),
]
ELSEWHERE = {row[0] for table in (margins, embeddings, overlaps) for row in table.OPTAX} | {"ranking_softmax_loss"}
"""What other tests draw at random: those of peers by family, and tests/losses/ranking/test_softmax.py."""


def test_each_loss_of_optax_is_drawn_at_random():
    names = {name for name in dir(optax.losses) if not name.startswith("_") and callable(getattr(optax.losses, name))}
    rows = [row.name for row in ROWS]
    assert sorted([*rows, *ELSEWHERE]) == sorted(names)


# ------------------------------------------------------------------------------------------------------------ the test


@dataclass(frozen=True)
class Call:
    """What is drawn of a call, but for its arrays."""

    dtype: str
    options: dict[str, Any]
    mask: str
    weighted: bool
    reduction: str

    @property
    def wide(self):
        return np.dtype(np.float64 if self.dtype == "float64" else np.float32)

    @property
    def close(self):
        return 1e-9 if self.wide == np.float64 else 4e-6


CALLS = {
    "dtype": st.sampled_from(["float32", "bfloat16", "float64"]),
    "weighted": st.booleans(),
    "reduction": st.sampled_from(["mean", "sum", "sum_over_batch_size", "none"]),
}


def _mask(rng, call, arrays, shape):
    """A mask of the losses, or of the elements of rows, each of which keeps one: that of its label, if it has one."""
    if call.mask == "none":
        return None
    if call.mask == "losses":
        return rng.uniform(size=shape) < 0.7
    mask, axis = rng.uniform(size=arrays[0].shape) < 0.7, call.options["axis"]
    labelled = arrays[-1].dtype == np.int32
    if isinstance(axis, int):
        kept = arrays[-1] if labelled else np.zeros(np.delete(mask.shape, axis), np.int32)
        np.put_along_axis(mask, np.expand_dims(kept, axis), True, axis)
        return mask
    mask[0, ..., 0] = True
    return mask | labelled


def _reduced(losses, weights, where, reduction):
    """The table of `jaxloss.reduce`."""
    kept = jnp.ones_like(losses) if where is None else jnp.asarray(where, losses.dtype)
    w = kept if weights is None else kept * weights
    over = {"mean": w.sum(), "sum_over_batch_size": kept.sum(), "sum": 1.0}.get(reduction)
    return w * losses if over is None else (w * losses).sum() / jnp.where(over == 0, 1, over)


def _ours(row, arrays, call, where, weights):
    masked = {} if where is None else {"where": where}
    yield "losses", row.asked(jaxloss, *arrays, **call.options, **masked)
    if row.class_form is not None:
        form = row.class_form(reduction=call.reduction, **call.options)
        yield "form", row.form(form, *arrays, weights=weights, where=where)


def _optaxs(row, arrays, call, where, weights):
    masked = {"where": where} if call.mask == "elements" else {}
    losses = row.asked(optax.losses, *arrays, **call.options, **masked)
    of_losses = where if call.mask == "losses" else None
    losses = losses if of_losses is None else jnp.where(of_losses, losses, 0)
    yield "losses", losses
    if row.class_form is not None:
        yield "form", _reduced(losses, weights, of_losses, call.reduction)


def _run(ask, row, arrays, call, *more):
    """The answers, and the slopes of their sum in the arrays of floats, as one program."""
    wrt = [i for i, x in enumerate(arrays) if i in row.wrt and x.dtype != np.int32]

    def total(*given):
        answers = dict(ask(row, [given[wrt.index(i)] if i in wrt else x for i, x in enumerate(arrays)], call, *more))
        # A slope in halves is rounded once.
        of = list(answers.values())[-1:] if call.dtype == "bfloat16" else answers.values()
        return sum((x * jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)).sum() for x in of), answers

    program = quick(lambda *given: jax.value_and_grad(total, range(len(wrt)), has_aux=True)(*given))
    (_, answers), slopes = program(*(arrays[i] for i in wrt))
    return answers, {i: (arrays[i].dtype, slope) for i, slope in zip(wrt, slopes, strict=True)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_random_call_is_answered_as_optax_does(row):
    options = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in row.options.items()})
    calls = st.builds(Call, options=options, mask=st.sampled_from(row.masks), **CALLS)

    @few
    @given(st.integers(0, 2**31), st.sampled_from(SHAPES), calls)
    def check(seed, shape, call):
        rng = np.random.default_rng(seed)
        with (
            jax.enable_x64(call.wide == np.float64),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
        ):
            drawn = row.draw(rng, shape, call.options)
            x, *others = [x if x.dtype == np.int32 else x.astype(call.wide) for x in drawn]
            x = jnp.asarray(x, call.dtype)
            theirs = x.astype(call.wide), *others
            losses = jax.eval_shape(lambda: row.asked(optax.losses, *theirs, **call.options))
            where = _mask(rng, call, theirs, losses.shape)
            weights = rng.uniform(0.1, 2, losses.shape).astype(call.wide) if call.weighted else None
            got = _run(_ours, row, (x, *others), call, where, weights)
            expected = _run(_optaxs, row, theirs, call, where, weights)
        _compare(row, call, got, expected)

    check()


def _compare(row, call, got, expected):
    rtol = 1e-9 if call.wide == np.float64 else row.rtol
    for what, answer in got[0].items():
        assert answer.shape == expected[0][what].shape
        assert answer.dtype == expected[0][what].dtype
        np.testing.assert_allclose(answer, expected[0][what], rtol=rtol, atol=call.close, err_msg=what)
    for i, (dtype, slope) in got[1].items():
        assert slope.dtype == dtype
        near = rtol + (2.0**-8 if dtype == jnp.bfloat16 else 0)
        slope, optaxs = np.asarray(slope, call.wide), expected[1][i][1]
        np.testing.assert_allclose(slope, optaxs, rtol=near, atol=call.close, err_msg=f"slope in {i}")


def _loss(f, *arrays, **options):
    return f(*map(jnp.float32, arrays), **options)


def _slope(f, x, *others):
    return jax.grad(lambda x: f(x, *others).sum())(jnp.float32(x))


INF = np.inf
NO_PATH = np.zeros((1, 1, 2), np.float32), np.zeros((1, 1)), np.int32([[1, 1]]), np.zeros((1, 2))
NEVER, HARD = np.float32([0, -INF]), np.float32(0)
CORNERS = np.eye(2, dtype=bool)
DIFFERENT = [
    # What differs: ours, optax's. tests/sweeps/test_peers.py has labels out of range, and what optax rounds to 0.
    ("a label that is no probability", lambda of: _loss(of.sigmoid_binary_cross_entropy, 0, 2), np.nan, np.log(2)),
    (
        "the slope in a label of 0",
        lambda of: _slope(lambda y: of.sigmoid_focal_loss(HARD, y, gamma=1.0), HARD),
        0.0,
        -np.log(2) / 2,
    ),
    ("an impossible class of no label", lambda of: _loss(of.softmax_cross_entropy, NEVER, [1, 0]), 0.0, np.nan),
    ("or of a target of 0", lambda of: _loss(of.kl_divergence, NEVER, [1, 0]), 0.0, np.nan),
    ("in a generalized divergence too", lambda of: _loss(of.generalized_kl_divergence, NEVER, [1, 0]), 0.0, np.nan),
    ("and of logarithms", lambda of: _loss(of.kl_divergence_with_log_targets, [0, 0], NEVER), 0.0, np.nan),
    ("the slope at a negative target", lambda of: _slope(of.kl_divergence, [0, 0], np.float32([1, -1])), 0.0, [-1, 1]),
    (
        "the slope in a masked label",
        lambda of: _slope(lambda y: of.softmax_cross_entropy(np.zeros(2, np.float32), y, where=CORNERS[0]), [1, 0])[1],
        0.0,
        np.nan,
    ),
    ("a share of what is masked", lambda of: of.smooth_labels(jnp.eye(2), 0.5, where=CORNERS)[0], [1, 0], [1, 0.5]),
    ("a sequence without an alignment", lambda of: of.ctc_loss(*NO_PATH), INF, 1e5),
    ("its slope", lambda of: jnp.any(_slope(of.ctc_loss, *NO_PATH) != 0), False, True),
    (
        "the probability of what is impossible",
        lambda of: of.ctc_loss_with_forward_probs(*NO_PATH)[1][0, 0, 2] == -1e5,
        True,
        False,
    ),
    (
        "an option of the maximum, given by its name",
        lambda of: of.make_fenchel_young_loss(lambda x, times=1: times * x.max())(jnp.ones(1), jnp.ones(1), times=3),
        2.0,
        0.0,
    ),
]


@pytest.mark.parametrize(("what", "answer", "ours", "optaxs"), DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_what_differs_from_optax(what, answer, ours, optaxs):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        answers = [quick(lambda of=of: answer(of))() for of in (jaxloss, optax.losses)]
    for got, expected in zip(answers, (ours, optaxs), strict=True):
        np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape), rtol=1e-5)
