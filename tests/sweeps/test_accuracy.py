"""Promise 1: value, gradient and second derivative agree with arbitrary precision on every case's hard points."""

import functools
import math
import re
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from tests import cases, ulp
from tests.cases import Case, Limit
from tests.compiling import jit, optimized

HARD = cases.with_grid()
THOROUGH = cases.richest_with_grid() if cases.EVERY else []
"""Those that are asked at every size, for second derivatives, and with all arrays but one constant."""
MANY = 150
"""Of so many points of a grid, drawn, second derivatives are asked: their truth takes longest."""
SOME = 120
"""Of so many points, drawn, values and slopes are asked in the quick tier."""


def points(case: Case) -> list[dict[str, np.ndarray]]:
    """The grid in groups of equal shape, by size, or the middle one; in the quick tier some of that, drawn."""
    groups = {}
    for sample in zip(*case.grid(), strict=True):
        groups.setdefault(tuple(np.shape(x) for x in sample), []).append(sample)
    by_size = sorted(groups, key=lambda shapes: sum(map(math.prod, shapes)))
    found = []
    for group in [groups[shapes] for shapes in (by_size if case in THOROUGH else [_middle(by_size)])]:
        drawn = np.random.default_rng(0).permutation(len(group))[: None if cases.EVERY else SOME]
        group = [group[i] for i in sorted(drawn)]
        columns = zip(case.arrays.items(), zip(*group, strict=True), strict=True)
        found.append({k: np.array(x, np.float32 if d.differentiable else np.int32) for (k, d), x in columns})
    return found


def _middle(groups: list) -> Any:
    return groups[len(groups) // 2]


def limits(case: Case, what: str) -> dict[str, Limit]:
    """The limits by the arrays they are for."""
    limit = getattr(case, what)
    return limit if isinstance(limit, dict) else {case.predictions: limit}


def direction(shape) -> np.ndarray:
    """One direction for every sample."""
    n = shape[-1] if len(shape) > 1 else 1
    one = np.random.default_rng(n).choice([-1.0, 0.5, 2.0], n) if n > 1 else np.ones(1)
    return np.broadcast_to(one.astype(np.float32) if len(shape) > 1 else np.float32(1), shape)


@functools.cache
def _answers(case: Case):
    """What the library says, compiled: value, gradient, and of some the second derivative along a direction."""
    wrt = list(limits(case, "gradient"))

    def run(arrays):
        some = {k: arrays[k] for k in wrt}
        total = lambda some: case.loss({**arrays, **some}).sum()
        if case not in THOROUGH:
            return case.loss(arrays), jax.grad(total)(some), None
        along = {k: direction(x.shape) for k, x in some.items()}
        gradient, curvature = jax.jvp(jax.grad(total), (some,), (along,))
        return case.loss(arrays), gradient, curvature

    return [jax.tree.map(np.asarray, optimized(run)(arrays)) for arrays in points(case)]


@functools.cache
def _answers_alone(case: Case):
    """Value and slope of the middle group by the array that is an argument, while all others are constants.

    What is computed of constants alone is constant too, and XLA adds and multiplies constants before anything else.
    """
    arrays = _middle(points(case))

    def run(name, x):
        loss = lambda x: case.loss({**arrays, name: x})
        return loss(x), jax.grad(lambda x: loss(x).sum())(x)

    wrt = limits(case, "gradient")
    return {k: jax.tree.map(np.asarray, jit(functools.partial(run, k))(arrays[k])) for k in wrt}


def exact(x) -> mp.mpf | list:
    """One sample as it is: a number, or a list of them."""
    return [exact(v) for v in x] if np.ndim(x) else ulp.exact(x)


def largest_term(terms, name, sample, options):
    """The size of the largest term of a formula at one sample, which is the unit of its errors; 0 without terms."""
    found = terms(*sample, **options) if terms else ()
    found = found.get(name, ()) if isinstance(found, dict) else found
    return max((abs(mp.mpmathify(x)) for x in found), default=mp.mpf(0))


def _check(limit: Limit, got, truth, unit, where, worst):
    for kind, bound, size in (("strict", limit.strict, None), ("scaled", limit.scaled, max(unit, abs(truth)))):
        error = ulp.ulps(got, truth, size)
        if bound is not None and error > bound and error > worst.get(kind, (bound,))[0]:
            worst[kind] = (error, where, got, mp.nstr(truth, 12))


# Second derivatives of all others are in test_derivatives.py.
ASKED = [(case, what) for what in ("value", "gradient", "second") for case in (THOROUGH if what == "second" else HARD)]


@pytest.mark.parametrize(("case", "what"), ASKED, ids=lambda x: getattr(x, "id", x))
def test_float32(case, what):
    worst = {}
    mp.mp.dps = ulp.DIGITS
    options = case.given()
    wrt = list(limits(case, "gradient"))
    groups = points(case)
    for arrays, (values, gradients, curvatures) in zip(groups, _answers(case), strict=True):
        asked_alone = case in THOROUGH and what != "second" and arrays is _middle(groups)
        alone = _answers_alone(case) if asked_alone else {}
        drawn = np.random.default_rng(1).permutation(len(values))
        for i in drawn[:MANY] if what == "second" else drawn:
            sample = {k: exact(x[i]) for k, x in arrays.items()}
            where = {k: x[i] for k, x in arrays.items()}
            flat, rebuilt = ulp.flattened({k: sample[k] for k in wrt})
            f = lambda x, sample=sample, rebuilt=rebuilt: case.oracle(*{**sample, **rebuilt(x)}.values(), **options)
            if what == "value":
                truth = f(flat)
                unit = largest_term(case.terms, None, sample.values(), options) if case.terms else abs(truth)
                _check(case.value, values[i], truth, unit, where, worst)
                for name, (of_one, _) in alone.items():
                    _check(case.value, of_one[i], truth, unit, (where, name, "alone"), worst)
                continue
            answers = gradients if what == "gradient" else curvatures
            terms = case.gradient_terms if what == "gradient" else case.second_terms
            along = [ulp.exact(d) for k in wrt for d in np.ravel(direction(arrays[k].shape)[i])]
            start = 0
            for name in wrt:
                got = np.ravel(answers[name][i])
                own = range(start, start + len(got))
                start += len(got)
                # An infinite logit moves nothing.
                slope = lambda j, f=f, flat=flat, along=along: (
                    mp.mpf(0)
                    if mp.isinf(flat[j])
                    else ulp.first(f, flat, j)
                    if what == "gradient"
                    else ulp.second(f, flat, j, along)
                )
                truths = [slope(j) for j in own]
                unit = largest_term(terms, name, sample.values(), options)
                # For rows the unit of a scaled limit is the largest slope of the row.
                unit = max([unit, *map(abs, truths)]) if len(got) > 1 else unit
                for j, truth in enumerate(truths):
                    _check(limits(case, what)[name], got[j], truth, unit, (where, name, j), worst)
                    if name in alone:
                        of_one = np.ravel(alone[name][1][i])[j]
                        _check(limits(case, what)[name], of_one, truth, unit, (where, name, j, "alone"), worst)
    assert not worst, f"{case.id} {what}: {worst}, beyond {getattr(case, what)}"


def _program(f, *args):
    """What a function traces to, up to the addresses of the Python functions in it."""
    return re.sub("0x[0-9a-f]+", "", str(jax.make_jaxpr(f)(*args)))


# Both are widened by the same function, so bfloat16 is asked of a case of each kind of inputs.
HALVES = [(case, "float16") for case in cases.richest()] + [(case, "bfloat16") for case in cases.kinds() if cases.EVERY]


@pytest.mark.parametrize(("case", "dtype"), HALVES, ids=lambda x: getattr(x, "id", x))
def test_half_precision_is_computed_in_float32(case, dtype):
    """A call on half-precision predictions is float32's program on the widened ones, its gradient rounded once."""
    arrays = case.draw()
    p = arrays.pop(case.predictions).astype(dtype)
    loss = lambda p: case.loss({case.predictions: p, **arrays})
    total = lambda p: loss(p).sum()
    value, gradient = jax.eval_shape(jax.value_and_grad(total), p)
    assert value.dtype == np.float32
    assert gradient.dtype == p.dtype
    if (
        case.call or case.trees
    ):  # a program of its own, which widens inside; a last layer multiplies in half precision, as it should
        own, wide = jit(lambda p: (loss(p), loss(p.astype(np.float32))))(p)
        np.testing.assert_allclose(own, wide, rtol=1e-6 if "kernel" not in arrays else 2e-2)
        return
    assert _program(loss, p) == _program(lambda p: loss(p.astype(np.float32)), p)
    assert _program(jax.grad(total), p) == _program(jax.grad(lambda p: total(p.astype(np.float32))), p)


@pytest.mark.parametrize("fn", {case.fn: None for case in cases.collect()}, ids=lambda fn: fn.__name__)
def test_every_option_of_a_loss_is_in_some_case(fn):
    """An option that no case sets to something else than its default is an option that no oracle has seen."""
    own = [case for case in cases.collect() if case.fn is fn]
    # Axes and mesh axes are shapes of the arrays: test_axes.py, test_devices.py.
    options = set(cases.options_of(fn)) - set(cases.OF_A_CALL)
    seen = set().union(*(case.options.keys() | case.call.keys() for case in own))
    assert options <= seen, f"{fn.__name__}: no case in tests/losses sets {sorted(options - seen)}"
