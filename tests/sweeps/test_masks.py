"""Promise 2: what `where` leaves out changes nothing, bit for bit: no value, no gradient, no second derivative."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import cases
from tests.cases import CLASSES, Case
from tests.compiling import jit

BATCH = (6, 4)
every_case = pytest.mark.parametrize("case", cases.programs(), ids=lambda case: case.id)
each_loss = pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)


def _masks(case: Case) -> dict[str, np.ndarray]:
    """A mask of every shape that fits, each with a whole sample left out and another kept."""
    rng = np.random.default_rng(3)
    losses = rng.uniform(size=BATCH) < 0.6
    losses[0], losses[1] = True, False
    masks = {"losses": losses, "samples": np.array([True, False, True, True, False, True])}
    if case.rows:
        elements = rng.uniform(size=(*BATCH, CLASSES)) < 0.7
        elements[0], elements[1] = True, False
        masks["elements"] = elements
    return masks


def _left_out(where, shape):
    """Where an array of this shape is not looked at; a row with all of its elements left out has no label either."""
    if where.ndim > len(shape):
        where = where.any(-1)
    return np.broadcast_to(~where.reshape(where.shape + (1,) * (len(shape) - where.ndim)), shape)


def _answers(case: Case, form, second_order, p, t, where, weights):
    """All that a training step or a second-order method can see."""
    mean = lambda p, t: form(p, t, where=where, weights=weights)
    gradient = jax.grad(mean, (0,) if case.labels else (0, 1))
    answers = {"losses": case.loss(p, t, where=where), "mean": mean(p, t)}
    if not second_order:
        slopes, back = jax.vjp(gradient, p, t)  # twice in reverse, as a penalty on the gradient differentiates
        *twice, _ = (*back(jax.tree.map(jnp.ones_like, slopes)), None)
        return answers, {"slopes": slopes, "curvatures": tuple(twice[: len(slopes)])}
    along = lambda x: np.zeros(x.shape, jax.dtypes.float0) if case.labels and x is t else jnp.ones_like(x)
    slopes, curvatures = jax.jvp(gradient, (p, t), (along(p), along(t)))
    return answers, {"slopes": slopes, "curvatures": curvatures}


@every_case
def test_what_is_masked_changes_nothing_whatever_it_is(case):
    form, masks, rng = case.make(), _masks(case), np.random.default_rng(4)
    p, t = case.draw(seed=5, batch=BATCH)
    weights = rng.uniform(0.5, 2, BATCH).astype(np.float32)

    @jit
    def run(inputs):
        return {what: _answers(case, form, what != "samples", *inputs[what]) for what in masks}

    def planted(in_predictions, in_targets, in_weights):
        """Other values wherever the mask leaves out; the weights are per loss, so elements of a row have none."""
        inputs = {}
        for what, where in masks.items():
            q = np.where(_left_out(where, p.shape), in_predictions, p)
            s = np.where(_left_out(where, t.shape), in_targets, t)
            w = np.where(_left_out(where, weights.shape), in_weights, weights)
            inputs[what] = q, s.astype(t.dtype), where, w
        return inputs

    expected = run(planted(p, t, weights))
    for what, where in masks.items():
        answers, derivatives = expected[what]
        assert np.isfinite(answers["mean"])
        assert not np.any(np.asarray(answers["losses"])[_left_out(where, BATCH)]), "no loss where masked"
        for of_predictions, *_ in derivatives.values():  # those of targets may be infinite, at a target of 0
            assert np.all(np.isfinite(of_predictions))
        for derivative in jax.tree.leaves(derivatives):
            assert not np.any(np.asarray(derivative)[_left_out(where, p.shape)]), "no slope where masked"
    other_p, other_t = case.draw(seed=6, batch=BATCH)
    plants = [(other_p, other_t, 2 * weights)]
    bad_targets = (CLASSES, -1, -100) if case.labels else (np.nan, np.inf, -np.inf)
    plants += [(np.float32(bad), t, weights) for bad in (np.nan, np.inf, -np.inf)]
    plants += [(p, np.asarray(bad, t.dtype), weights) for bad in bad_targets]
    plants += [(np.float32(np.nan), np.asarray(bad_targets[0], t.dtype), np.float32(np.nan))]
    for plant in plants:
        got = run(planted(*plant))
        for what in masks:
            message = f"mask of the {what}, planted {[x for x in plant if np.ndim(x) == 0] or 'other numbers'}"
            jax.tree.map(partial(np.testing.assert_array_equal, err_msg=message), got[what], expected[what])


REDUCTIONS = ("mean", "sum", "sum_over_batch_size", "none")


@each_loss
def test_all_kept_is_no_mask_nothing_kept_is_zero_and_a_part_is_its_own_mean(case):
    p, t = case.draw(seed=5, batch=BATCH)
    part = np.arange(BATCH[0]) % 3 != 1
    shapes = [BATCH, *([p.shape] if case.rows else [])]

    @jit
    def masked(p, t, where):
        """The gradient of the mean, the value of every reduction, and the mean by every other shape of the mask."""
        mean = lambda p: case.make()(p, t, where=where)
        values = {r: case.make(reduction=r)(p, t, where=where).sum() for r in REDUCTIONS}
        same = [jnp.broadcast_to(where.reshape(where.shape + (1,) * (len(s) - 1)), s) for s in shapes]
        return jax.grad(mean)(p), values, [case.make()(p, t, where=m) for m in same]

    @jit
    def plain(p, t):
        return jax.grad(case.make())(p, t), case.loss(p, t)

    gradient, losses = map(np.asarray, plain(p, t))
    for kept in (np.ones_like(part), part):
        slopes, values, means = masked(p, t, kept)
        totals = losses[kept].sum(dtype=np.float64)
        for reduction, expected in zip(
            REDUCTIONS, (losses[kept].mean(), totals, losses[kept].mean(), totals), strict=True
        ):
            np.testing.assert_allclose(values[reduction], expected, rtol=1e-6, err_msg=reduction)
        for mean in means:
            np.testing.assert_allclose(mean, values["mean"], rtol=1e-6)
        whole = gradient[kept] * (len(kept) / kept.sum())
        np.testing.assert_allclose(np.asarray(slopes)[kept], whole, rtol=1e-5, atol=1e-6 * np.abs(whole).max())

    no_target = np.full_like(t, -1) if case.labels else np.full_like(t, np.nan)
    nothing = masked(np.full_like(p, np.nan), no_target, np.zeros_like(part))
    for gradient_or_value in jax.tree.leaves(nothing):
        assert not np.any(gradient_or_value), nothing


# What a reduction does with losses that are all masked does not depend on the loss: a case of each kind is enough.
KINDS = {(case.rows, case.labels): case for case in cases.collect()}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", KINDS.values(), ids=lambda case: case.id)
def test_no_reduction_has_a_slope_where_nothing_is_kept(case, reduction):
    p, t = case.draw(batch=BATCH)
    loss = jit(jax.grad(lambda p, t, where: case.make(reduction=reduction)(p, t, where=where).sum()))
    assert np.any(loss(p, t, np.ones(BATCH, bool)))
    assert not np.any(loss(np.full_like(p, np.nan), t, np.zeros(BATCH, bool)))


@each_loss
def test_an_empty_batch_has_loss_zero(case):
    p, t = case.draw(batch=(0,))
    reductions = ("mean", "sum", "sum_over_batch_size")

    @jit
    def run(p, t):
        return jax.grad(case.make())(p, t), case.loss(p, t), [case.make(reduction=r)(p, t) for r in reductions]

    gradient, losses, values = run(p, t)
    assert gradient.shape == p.shape
    assert losses.shape == (0,)
    assert values == [0, 0, 0]
