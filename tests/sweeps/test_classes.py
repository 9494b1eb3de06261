"""Any number of classes, from one to a vocabulary, and any axes for them: value, gradient, and both in one program.

The three are different programs to a compiler. The truth is a textbook formula in float64; a sum over K classes may be
off by a few units in the last place times log2 K, which no sum of one after the other is.
"""

import math
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import cases
from tests.cases import Case
from tests.compiling import optimized, quick
from tests.interpreting import interpreted

ROWS = 2
EPS = float(np.finfo(np.float32).eps)
SIZES = (1, 2, 5, 1000, 50257)
RICHEST = cases.richest()
over_classes = [case for case in cases.each() if "c" in case.arrays[case.predictions].axes or case.formula]
each_loss = pytest.mark.parametrize("case", over_classes, ids=lambda case: case.id)
of_rows = pytest.mark.parametrize("case", [c for c in over_classes if c.classes], ids=lambda case: case.id)


@pytest.mark.parametrize("case", over_classes, ids=lambda case: case.id)
def test_a_loss_over_classes_has_a_formula(case):
    assert case.formula, f"{case.id}: give its row in tests/losses a `formula` in float64"


def _has_absent(case: Case) -> bool:
    """Whether there is a class that changes nothing, wherever it stands in a row."""
    return case.classes and case.arrays[case.predictions].impossible is not None


def _ways(case: Case, classes: int):
    """Ordinary rows, and rows in which one array holds one number many times, whose rounding does not cancel."""
    arrays, options = case.draw(seed=31, batch=(ROWS,)), case.numeric()
    yield "ordinary", arrays, options
    options = {k: np.ones_like(v) if np.ndim(v) else v for k, v in options.items()}
    for name, domain in case.arrays.items():
        if domain.differentiable and domain.axes == "...c" and classes > 2:
            flat = np.broadcast_to(arrays[name].mean(-1, keepdims=True), arrays[name].shape)
            yield f"flat {name}", {**arrays, name: flat.copy()}, options


@cache
def _textbook(case: Case):
    """Losses, gradients, and by how much rounding moves each, in float64 by the textbook formula."""

    def run(smooth, fixed, options):
        structure = {k: v for k, v in case.given().items() if k not in options}
        every = lambda smooth: [smooth.get(k, fixed.get(k)) for k in case.arrays]
        losses = lambda smooth: case.formula(*every(smooth), **structure, **options)
        gradient = jax.grad(lambda smooth: losses(smooth).sum())
        signs = lambda x: jnp.where(jnp.arange(x.shape[-1]) % 3 == 0, -x, x)
        slopes, bend = jax.linearize(gradient, smooth)
        bends = [bend(jax.tree.map(f, smooth)) for f in (signs, lambda x: x)]
        moved = sum(jnp.abs(x * slopes[k]).reshape(ROWS, -1).sum(1) for k, x in smooth.items() if x.shape[0] == ROWS)
        units = jax.tree.map(lambda a, b: jnp.abs(a) + jnp.abs(b), *bends)
        for name, terms in case.slope_terms(*every(smooth), **structure, **options).items() if case.slope_terms else ():
            units[name] += terms
        return losses(smooth), moved, slopes, units

    return interpreted(run)


def _truth(case: Case, arrays, options):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        wide = lambda x: np.asarray(x, np.float64 if np.issubdtype(x.dtype, np.floating) else np.int64)
        own, numbers = jax.tree.map(wide, arrays), jax.tree.map(wide, options)
        smooth = {k: own.pop(k) for k in case.differentiable}
        return jax.tree.map(np.asarray, _textbook(case)(smooth, own, numbers))


@pytest.mark.parametrize("classes", SIZES if cases.EVERY else (1, 50257))
@each_loss
def test_values_and_gradients_are_those_of_float64(case, classes):
    """Each loss at every size, its other programs at the sizes at which sums lose digits."""
    if classes < case.least_classes or (classes < 1000 and case not in RICHEST):
        return
    case, ulps = case.sized(c=classes), 8 * max(1, math.log2(classes))

    def gradient(arrays, options):
        smooth = {k: arrays[k] for k in case.differentiable}
        return jax.grad(lambda smooth: case.loss({**arrays, **smooth}, options).sum())(smooth)

    # A few classes are other loops, which test_accuracy.py looks at.
    compiled = optimized if classes > 5 else partial(quick, case=case)
    value, slope = compiled(case.loss), compiled(gradient)  # each alone is another program, and as long
    both = compiled(lambda *inputs: (case.loss(*inputs), gradient(*inputs)))
    for way, arrays, options in _ways(case, classes):
        expected, moved, slopes, bends = _truth(case, arrays, options)
        also, also_slopes = both(arrays, options)
        alone = also, also_slopes
        if cases.EVERY and classes == SIZES[-1]:
            alone = value(arrays, options), slope(arrays, options)
        for what, got in (("alone", alone[0]), ("with its gradient", also)):
            unit = np.abs(expected) + moved + 1e-30
            error = np.max(np.abs(np.asarray(got, np.float64) - expected) / (EPS * unit))
            assert error <= ulps, f"{way}, value {what}: {error:.0f} ulp"
        for what, got in (("alone", alone[1]), ("with its value", also_slopes)):
            for name, truth in slopes.items():
                assert np.isfinite(got[name]).all()
                known = np.isfinite(truth)  # the textbook has no slope of a single class
                size = np.abs(np.where(known, truth, 0))
                unit = size + size.mean() + np.where(np.isfinite(bends[name]), bends[name], 0) + 1e-30
                off = np.abs(np.asarray(got[name], np.float64) - truth) / (EPS * unit)
                error = np.max(off, where=known, initial=0)
                assert error <= ulps, f"{way}, gradient in {name} {what}: {error:.0f} ulp"


@of_rows
def test_the_classes_may_be_on_any_axes_which_are_taken_in_the_order_they_are_named(case):
    """Every choice of axes with and without a mask; in the quick tier one axis without one, and two axes with one."""
    shape, named = (3, 4, 5), [(1,), (2, 1), (0, 2), (0,), (-1,), (1, 0)]
    rng = np.random.default_rng(7)

    def back(x, axes):
        """Rows whose last axis is the product of the named ones, laid out on those."""
        rest = [i for i in range(3) if i not in [a % 3 for a in axes]]
        split = x.reshape(*x.shape[:-1], *(shape[a] for a in axes))
        return np.transpose(split, np.argsort([*rest, *(a % 3 for a in axes)]))

    rows, laid = {}, {}
    for axes in named if cases.EVERY else named[:2]:
        n = math.prod(shape[i] for i in axes)
        rest = tuple(m for i, m in enumerate(shape) if i not in [a % 3 for a in axes])
        arrays, options = case.sized(c=n).draw(seed=8, batch=rest), case.sized(c=n).numeric()
        where = rng.uniform(size=(*rest, n)) < 0.7
        rows[axes] = arrays, options, where
        laid[axes] = (
            {k: back(x, axes) if case.arrays[k].axes == "...c" else x for k, x in arrays.items()},
            {k: v.reshape([shape[a] for a in axes]) if np.ndim(v) else v for k, v in options.items()},
            back(where, axes),
        )

    @partial(quick, case=case)
    def run(rows, laid):
        def answers(axes, arrays, options, where, **more):
            masks = ({}, {"where": where}) if cases.EVERY else ({"where": where} if len(axes) > 1 else {},)
            return [case.loss(arrays, options, **more, **mask) for mask in masks]

        own = {axes: answers(axes, *x, axis=axes if len(axes) > 1 else axes[0]) for axes, x in laid.items()}
        return own, {axes: answers(axes, *x) for axes, x in rows.items()}

    got, expected = run(rows, laid)
    for axes, answers in got.items():
        for a, b in zip(answers, expected[axes], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=f"axis {axes}")


@of_rows
def test_all_axes_may_be_classes(case):
    arrays, options = case.sized(c=12).draw(seed=9, batch=()), case.sized(c=12).numeric()
    split = {k: x.reshape(3, 4) if case.arrays[k].axes == "...c" else x for k, x in arrays.items()}
    axis = (0, 1)
    numbers = {k: v.reshape(3, 4) if np.ndim(v) else v for k, v in options.items()}
    run = quick(lambda: (case.loss(arrays, options), case.loss(split, numbers, axis=axis)), case)
    np.testing.assert_allclose(*run(), rtol=1e-5)


@pytest.mark.parametrize("case", [case for case in over_classes if _has_absent(case)], ids=lambda case: case.id)
def test_absent_classes_change_nothing_however_many(case):
    """A class of logit minus infinity, or of probability 0, that no target has."""
    rng = np.random.default_rng(10)
    few, many = 3, 700
    arrays, options = case.sized(c=few).draw(seed=10, batch=(4,)), case.sized(c=few).numeric()
    if any(k in options for k in ("label_smoothing",)):
        options["label_smoothing"] = np.float32(0)  # which would be spread over the absent classes
    at = np.sort(rng.choice(many, few, replace=False))
    wide = {}
    for name, x in arrays.items():
        domain = case.arrays[name]
        if domain.axes == "...c":
            wide[name] = np.full((4, many), domain.impossible, np.float32)
            wide[name][:, at] = x
        else:
            wide[name] = at[x].astype(np.int32) if case.labels and name == case.targets else x
    spread = {k: np.ones(many, np.float32) if np.ndim(v) else v for k, v in options.items()}
    for k, v in options.items():
        if np.ndim(v):
            spread[k][at] = v
    slope = lambda a, o: jax.grad(lambda p: case.loss({**a, case.predictions: p}, o).sum())(a[case.predictions])
    run = quick(lambda a, o: (case.loss(a, o), slope(a, o)), case)
    (got, got_slope), (expected, expected_slope) = run(wide, spread), run(arrays, options)
    if case.averaged:
        got, got_slope = (np.asarray(x) * many / few for x in (got, got_slope))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(got_slope)[:, at], expected_slope, rtol=2e-5, atol=1e-7)
