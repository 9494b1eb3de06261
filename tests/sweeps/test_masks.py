"""Promise 2: what `where` leaves out changes nothing, bit for bit: no value, no gradient, no second derivative."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import cases
from tests.cases import CLASSES, Case
from tests.compiling import quick
from tests.sweeps.programs import losses_and_slopes

BATCH = (6, 4)
each_loss = pytest.mark.parametrize("case", cases.each(), ids=lambda case: case.id)
one_of_each = pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)
KINDS = cases.kinds()
OF_A_KIND = {case.fn for case in KINDS}
TWICE = cases.richest() if cases.EVERY else KINDS
"""Those that are differentiated twice."""
TWICE_BY = {"losses": "reverse", "samples": "forward", "elements": "forward"}
"""How, by the mask."""
ABSENT = 2
"""The class that the mask of classes leaves out of every row."""


def _masks(case: Case) -> dict[str, np.ndarray]:
    """A mask of every shape that fits, each with a whole sample left out and another kept.

    A mask of elements leaves out whole losses too, so in the quick tier it alone is asked of what is of no new kind.
    """
    rng = np.random.default_rng(3)
    losses = rng.uniform(size=BATCH) < 0.6
    losses[0], losses[1] = True, False
    masks = {"losses": losses}
    if cases.EVERY and case in KINDS:  # how a mask is broadcast does not depend on the loss
        masks["samples"] = np.array([True, False, True, True, False, True])
    if case.elements:
        elements = rng.uniform(size=case.arrays[case.predictions].shape(BATCH, cases.SIZES | case.sizes)) < 0.7
        elements[0], elements[1] = True, False
        masks["elements"] = elements & (np.arange(elements.shape[-1]) != ABSENT)
        if not cases.EVERY and case not in KINDS:
            del masks["losses"]
    return masks


def _left_out(where, shape):
    """Where an array of this shape is not looked at; a row with all of its elements left out has no label either."""
    if where.ndim > len(shape):
        where = where.reshape(*where.shape[: len(shape)], -1).any(-1)
    return np.broadcast_to(~where.reshape(where.shape + (1,) * (len(shape) - where.ndim)), shape)


def _seen(case: Case, second_order: str, arrays, options, where, weights):
    """All that a training step or a second-order method can see, in every array and option.

    What a form makes of a mask and of weights does not depend on the loss, so a sum is enough for most. Its weights are
    finite: the cotangent of a masked loss is a number.
    """
    smooth = {k: x for k, x in arrays.items() if k in case.differentiable} | options
    if case not in TWICE:
        kept = lambda smooth: case.loss(*case.parted(smooth, arrays), where=where)
        losses, back = jax.vjp(kept, smooth)
        finite = jnp.where(jnp.isnan(weights), 1, weights)
        return {"losses": losses}, {"slopes": back(finite)[0], "curvatures": {}}

    def mean(smooth):
        own, options = case.parted(smooth, arrays)
        return case.reduced(case.make(options), own, where=where, weights=weights)

    losses = case.loss(*case.parted(smooth, arrays), where=where)
    step, ones = jax.value_and_grad(mean), jax.tree.map(jnp.ones_like, smooth)
    if second_order == "reverse":  # as a penalty on the gradient differentiates
        (value, slopes), back = jax.vjp(step, smooth)
        (curvatures,) = back((jnp.zeros_like(value), ones))
    else:
        (value, slopes), (_, curvatures) = jax.jvp(step, (smooth,), (ones,))
    return {"losses": losses, "mean": value}, {"slopes": slopes, "curvatures": curvatures}


@each_loss
def test_what_is_masked_changes_nothing_whatever_it_is(case):
    masks, rng = _masks(case), np.random.default_rng(4)
    arrays, numbers = case.draw(seed=5, batch=BATCH), case.numeric()
    weights = rng.uniform(0.5, 2, BATCH).astype(np.float32)

    @partial(quick, case=case)
    def run(inputs):
        return {what: _seen(case, TWICE_BY[what], *inputs[what]) for what in masks}

    def planted(in_arrays, in_options, in_weights):
        """Other values wherever the mask leaves out; the weights are per loss, so elements of a row have none."""
        inputs = {}
        for what, where in masks.items():
            own = dict(arrays)
            for k, value in in_arrays.items():
                own[k] = np.where(_left_out(where, arrays[k].shape), value, arrays[k]).astype(arrays[k].dtype)
            options = dict(numbers)
            if what == "elements":
                for k in case.per_class:
                    options[k] = np.where(np.arange(CLASSES) == ABSENT, in_options, numbers[k]).astype(np.float32)
            w = np.where(_left_out(where, weights.shape), in_weights, weights)
            inputs[what] = own, options, where, w
        return inputs

    expected = run(planted({}, 1.0, weights))
    for what, where in masks.items():
        answers, derivatives = expected[what]
        assert all(np.isfinite(answer).all() for answer in answers.values())
        assert not np.any(np.asarray(answers["losses"])[_left_out(where, BATCH)]), "no loss where masked"
        for of in filter(None, derivatives.values()):
            assert np.all(np.isfinite(of[case.predictions]))
            for name in set(case.differentiable) & set(case.batched):  # those of targets may be infinite, at 0
                out = _left_out(where, arrays[name].shape)
                assert not np.any(np.asarray(of[name])[out]), f"no slope in {name} where masked"
    other = {k: x for k, x in case.draw(seed=6, batch=BATCH).items() if k in case.batched}
    plants = [(other, 3.0, 2 * weights)]
    for name in case.batched:
        bad = (np.nan, np.inf, -np.inf) if case.arrays[name].differentiable else case.arrays[name].outside
        plants += [({name: value}, 1.0, weights) for value in bad]
    plants += [({}, value, weights) for value in (np.nan, np.inf) if case.per_class and case.elements]
    everything = {k: case.arrays[k].bad for k in case.batched}
    plants += [(everything, np.nan, np.float32(np.nan))]
    for plant in plants:
        got = run(planted(*plant))
        for what in masks:
            scalars = [{k: v for k, v in plant[0].items() if np.ndim(v) == 0}, plant[1]]
            message = f"mask of the {what}, planted {scalars}"
            jax.tree.map(partial(np.testing.assert_array_equal, err_msg=message), got[what], expected[what])


@each_loss
def test_padding_may_be_masked_after_the_loss(case):
    """The habit of most JAX code. What is outside of the domain is nan there, and its slopes 0 in every array.

    Each kind of inputs is asked for second derivatives and for the masks themselves, and every loss under the
    cotangents of such masks, which are 0 where they leave out.
    """
    bad = [(k, v) for k in case.batched if not case.arrays[k].tolerated for v in case.arrays[k].outside]
    if not bad:
        return  # every value that its arrays can hold is in the domain
    keep = np.arange(cases.BATCH) % 3 != 1
    arrays, numbers = case.draw(seed=9), case.numeric()

    @partial(quick, case=case)
    def run(arrays):
        smooth = {k: x for k, x in arrays.items() if k in case.differentiable} | numbers
        after = lambda x: jnp.mean(x, where=keep) + 1024 * jnp.sum(jnp.where(keep, x, 0 * x.shape[0]))
        step = jax.value_and_grad(lambda smooth: after(case.loss(*case.parted(smooth, arrays))))
        return jax.jvp(step, (smooth,), (jax.tree.map(jnp.ones_like, smooth),))

    if case.fn not in OF_A_KIND:
        cotangent = np.where(keep, np.float32(1 / keep.sum() + 1024), np.float32(0))
        run = lambda arrays: losses_and_slopes(case, arrays, cotangent)[1]
    expected = run(arrays)
    for name, value in bad:
        x = arrays[name].copy()
        x[~keep] = value
        got = run({**arrays, name: x})
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            message = f"{name} of {value} in what is masked after the loss"
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max(), err_msg=message)


REDUCTIONS = ("mean", "sum", "sum_over_batch_size", "none")


@pytest.mark.parametrize("case", cases.each_structure(), ids=lambda case: case.id)
def test_all_kept_is_no_mask_nothing_kept_is_zero_and_a_part_is_its_own_mean(case):
    """How losses are reduced does not depend on the loss: the quick tier asks it of each plain kind of inputs."""
    arrays = case.draw(seed=5, batch=BATCH)
    p = arrays[case.predictions]
    part = np.arange(BATCH[0]) % 3 != 1
    shapes = [BATCH, *([p.shape] if case.elements else [])]

    @partial(quick, case=case)
    def masked(arrays, where):
        """The gradient of the mean, the value of every reduction, and the mean by every other shape of the mask."""
        mean = lambda p, where: case.reduced(case.make(), {**arrays, case.predictions: p}, where=where)
        values = {r: case.reduced(case.make(reduction=r), arrays, where=where).sum() for r in REDUCTIONS}
        same = [jnp.broadcast_to(where.reshape(where.shape + (1,) * (len(s) - 1)), s) for s in shapes]
        return (
            jax.grad(mean)(arrays[case.predictions], where),
            values,
            [mean(arrays[case.predictions], m) for m in same],
        )

    @partial(quick, case=case)
    def plain(arrays):
        slope = jax.grad(lambda p: case.reduced(case.make(), {**arrays, case.predictions: p}))
        return slope(arrays[case.predictions]), case.loss(arrays)

    gradient, losses = map(np.asarray, plain(arrays))
    for kept in (np.ones_like(part), part):
        slopes, values, means = masked(arrays, kept)
        totals = losses[kept].sum(dtype=np.float64)
        mean = totals / case.counts(arrays)[kept].sum()
        for reduction, expected in zip(REDUCTIONS, (mean, totals, mean, totals), strict=True):
            np.testing.assert_allclose(values[reduction], expected, rtol=1e-6, err_msg=reduction)
        for mean in means:
            np.testing.assert_allclose(mean, values["mean"], rtol=1e-6)
        whole = gradient[kept] * (case.counts(arrays).sum() / case.counts(arrays)[kept].sum())
        np.testing.assert_allclose(np.asarray(slopes)[kept], whole, rtol=1e-5, atol=1e-6 * np.abs(whole).max())

    bad = lambda k: case.arrays[k].bad
    spoiled = {k: np.full_like(x, bad(k)) if k in case.batched else x for k, x in arrays.items()}
    nothing = masked(spoiled, np.zeros_like(part))
    for gradient_or_value in jax.tree.leaves(nothing):
        assert not np.any(gradient_or_value), nothing


OF_CLASSES = [case for case in cases.richest() if case.elements and case.labels and not case.counted]


@pytest.mark.parametrize("case", OF_CLASSES, ids=lambda case: case.id)
def test_a_row_whose_own_class_is_masked_is_in_no_denominator(case):
    """What counts is decided once: the mean, the total, the weights all leave it out."""
    arrays, weights = case.draw(seed=3), np.linspace(0.5, 2, cases.BATCH).astype(np.float32)
    where = np.random.default_rng(0).uniform(size=(cases.BATCH, CLASSES)) < 0.6
    own = where[np.arange(cases.BATCH), arrays[case.targets]]
    assert 0 < own.sum() < cases.BATCH

    @partial(quick, case=case)
    def run(where):
        losses = case.loss(arrays, where=where)
        values = {r: case.reduced(case.make(reduction=r), arrays, where=where, weights=weights) for r in REDUCTIONS}
        return losses, values, case.reduced(case.make().total, arrays, where=where, weights=weights)

    losses, values, total = jax.tree.map(np.asarray, run(where))
    assert not losses[~own].any()
    of_all = (weights * losses)[own].sum(dtype=np.float64)
    expected = {"sum": of_all, "mean": of_all / weights[own].sum(), "sum_over_batch_size": of_all / own.sum()}
    for reduction, value in expected.items():
        np.testing.assert_allclose(values[reduction], value, rtol=1e-6, err_msg=reduction)
    np.testing.assert_allclose(total, [of_all, weights[own].sum()], rtol=1e-6)


@pytest.mark.parametrize("case", [c for c in cases.richest() if c.per_class], ids=lambda case: case.id)
def test_a_class_of_weight_zero_contributes_nothing_however_improbable(case):
    """An impossible class, of every sample: the value and all slopes but that in its own weight are finite."""
    arrays, numbers = case.draw(seed=4), case.numeric()
    impossible = case.arrays[case.predictions].impossible
    for name in case.per_class:
        numbers[name] = np.where(np.arange(CLASSES) == ABSENT, np.float32(0), numbers[name])
    if case.arrays[case.predictions].axes.endswith("c"):
        arrays[case.predictions][..., ABSENT] = impossible
    else:
        arrays["bias"] = np.where(np.arange(CLASSES) == ABSENT, np.float32(-np.inf), arrays["bias"])

    @partial(quick, case=case)
    def run(p):
        loss = lambda p: case.loss({**arrays, case.predictions: p}, numbers)
        return loss(p), [jax.grad(lambda p: jnp.sum(c * loss(p)))(p) for c in (1, 1024)]

    losses, slopes = run(arrays[case.predictions])
    assert np.isfinite(losses).all(), losses
    assert np.isfinite(slopes).all()
    if case.labels:
        with_label = arrays[case.targets] == ABSENT
        assert with_label.any()


# What a reduction does with losses that are all masked does not depend on the loss: a case of each kind is enough.
@pytest.mark.parametrize("case", cases.kinds() if cases.EVERY else cases.each_plain_kind(), ids=lambda case: case.id)
def test_no_reduction_has_a_slope_where_nothing_is_kept(case):
    arrays = case.draw(batch=BATCH)
    p = arrays[case.predictions]

    @partial(quick, case=case)
    def slopes(p, where):
        mean = lambda p, form: case.reduced(form, {**arrays, case.predictions: p}, where=where).sum()
        return {r: jax.grad(mean)(p, case.make(reduction=r)) for r in REDUCTIONS}

    for reduction, slope in slopes(p, np.ones(BATCH, bool)).items():
        assert np.any(slope), reduction
    for reduction, slope in slopes(np.full_like(p, np.nan), np.zeros(BATCH, bool)).items():
        assert not np.any(slope), reduction


@one_of_each
def test_an_empty_batch_has_loss_zero(case):
    arrays = case.draw(batch=(0,))

    @partial(quick, case=case)
    def run(arrays):
        mean = lambda p: case.reduced(case.make(), {**arrays, case.predictions: p})
        return jax.value_and_grad(mean)(arrays[case.predictions]), case.loss(arrays)

    (value, gradient), losses = run(arrays)
    assert value == 0
    assert gradient.shape == arrays[case.predictions].shape
    assert losses.shape == (0,)
