"""Promise 1: value, gradient and second derivative agree with arbitrary precision on every case's hard points."""

import functools
import inspect
import re

import jax
import mpmath as mp
import numpy as np
import pytest

from tests import cases, ulp
from tests.cases import Case, Limit

CASES = [case for case in cases.collect() if case.grid is not None]


def _points(case: Case):
    """Groups of equal shape: (predictions, targets) arrays."""
    predictions, targets = case.grid()
    if not case.rows:
        return [(np.asarray(predictions, np.float32), np.asarray(targets, np.float32))]
    groups = {}
    for row, target in zip(predictions, targets, strict=True):
        groups.setdefault(len(row), []).append((row, target))
    kind = np.int32 if case.labels else np.float32
    return [
        tuple(map(np.array, (list(r), np.array(t, kind)))) for r, t in (zip(*g, strict=True) for g in groups.values())
    ]


def _direction(n):
    return np.random.default_rng(n).choice([-1.0, 0.5, 2.0], n).astype(np.float32) if n > 1 else np.ones(1, np.float32)


@functools.cache
def _answers(index: int, dtype: str):
    """What the library says, compiled: value, gradient, second derivative along a direction."""
    case, answers = CASES[index], []
    for p, t in _points(case):
        v = np.broadcast_to(_direction(p.shape[-1] if case.rows else 1), p.shape)

        def total(p, t=t):
            return case.loss(p, t).sum()

        def run(p, v=v, total=total, t=t):
            p = p.astype(dtype)
            gradient, curvature = jax.jvp(jax.grad(total), (p,), (v.astype(p.dtype),))
            return case.loss(p, t), gradient, curvature

        with jax.numpy_dtype_promotion("standard"):
            answers.append([np.asarray(a, np.float32) for a in jax.jit(run)(p)])
    return answers


def _largest(terms, *args, **kwargs):
    found = terms(*args, **kwargs)
    return max((abs(mp.mpf(x)) for x in found), default=mp.mpf(0))


def _check(limit: Limit, got, truth, unit, where, worst, dtype=np.float32):
    strict = ulp.ulps(got, truth, dtype=dtype)
    scaled = ulp.ulps(got, truth, max(unit, abs(truth)), dtype=dtype)
    for kind, bound, error in (("strict", limit.strict, strict), ("scaled", limit.scaled, scaled)):
        if bound is not None and error > bound and error > worst.get(kind, (bound,))[0]:
            worst[kind] = (error, where, got, mp.nstr(truth, 12))


def _inputs(p, t, i, case):
    x = [ulp.exact(v) for v in np.atleast_1d(p[i])]
    target = [ulp.exact(v) for v in t[i]] if case.rows and not case.labels else ulp.exact(t[i])
    return x, target


@pytest.mark.parametrize("what", ["value", "gradient", "second"])
@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: CASES[i].id)
def test_float32(index, what):
    case, worst = CASES[index], {}
    mp.mp.dps = ulp.DIGITS
    limit = getattr(case, what)
    for (p, t), (values, gradients, curvatures) in zip(_points(case), _answers(index, "float32"), strict=True):
        direction = [ulp.exact(d) for d in _direction(p.shape[-1] if case.rows else 1)]
        for i in range(len(p)):
            x, target = _inputs(p, t, i, case)
            f = lambda x, target=target: case.oracle(x if case.rows else x[0], target, **case.kwargs)
            argument = x if case.rows else x[0]
            if what == "value":
                truth = f(x)
                unit = _largest(case.terms, argument, target, **case.kwargs) if case.terms else abs(truth)
                _check(limit, values[i], truth, unit, (p[i], t[i]), worst)
                continue
            terms = case.gradient_terms if what == "gradient" else case.second_terms
            unit = _largest(terms, argument, target, **case.kwargs) if terms else mp.mpf(0)
            got = np.atleast_1d((gradients if what == "gradient" else curvatures)[i])
            truths = []
            for j in range(len(x)):
                if mp.isinf(x[j]):
                    truths.append(mp.mpf(0))  # a masked class moves nothing
                else:
                    truths.append(ulp.first(f, x, j) if what == "gradient" else ulp.second(f, x, j, direction))
            # For rows the unit of a scaled limit is the largest slope of the row.
            unit = max([unit, *map(abs, truths)]) if case.rows else unit
            for j, truth in enumerate(truths):
                _check(limit, got[j], truth, unit, (p[i], t[i], j), worst)
    assert not worst, f"{case.id} {what}: {worst}, beyond {limit}"


def _program(f, *args):
    """What a function traces to, up to the addresses of the Python functions in it."""
    return re.sub("0x[0-9a-f]+", "", str(jax.make_jaxpr(f)(*args)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("case", cases.programs(), ids=lambda case: case.id)
def test_half_precision_is_computed_in_float32(case, dtype):
    """A call on half-precision predictions is float32's program on the widened ones, its gradient rounded once."""
    p, t = case.draw()
    p = p.astype(dtype)
    total = lambda p: case.loss(p, t).sum()
    assert _program(case.loss, p, t) == _program(lambda p, t: case.loss(p.astype(np.float32), t), p, t)
    assert _program(jax.grad(total), p) == _program(jax.grad(lambda p: total(p.astype(np.float32))), p)
    value, gradient = jax.eval_shape(jax.value_and_grad(total), p)
    assert value.dtype == np.float32
    assert gradient.dtype == p.dtype


def test_every_argument_of_a_loss_is_in_some_case():
    """An option that no case sets to something else than its default is an option that no oracle has seen."""
    elsewhere = {"where", "vocab_axis_name"}  # the latter, which needs a mesh, in losses/test_vocab_parallel.py
    for fn in {case.fn for case in cases.collect()}:
        options = {name for name, p in inspect.signature(fn).parameters.items() if p.kind is p.KEYWORD_ONLY} - elsewhere
        seen = set().union(*(case.kwargs for case in cases.collect() if case.fn is fn))
        assert options <= seen, f"{fn.__name__}: no case sets {sorted(options - seen)}"
