"""Promise 1 wherever a user may differentiate: in every array and option, in every mode, under any cotangent.

The limits are coarse, a thousandth of the largest slope of a sample's array, and the samples are hard: this looks for
slopes that are nan, 0 or another function's. The units in the last place are counted in test_accuracy.py.
"""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import cases, ulp
from tests.cases import Case
from tests.compiling import quick
from tests.sweeps.programs import losses_and_slopes
from tests.sweeps.test_accuracy import exact

ORDINARY, HARD, AT_ZERO = (2, 7, 3) if cases.EVERY else (1, 4, 2)
SAMPLES = ORDINARY + HARD + AT_ZERO
COTANGENTS = np.float32([1, 3, 1024])
Inputs = dict[str, np.ndarray]
BACKWARDS = cases.richest() if cases.EVERY else cases.kinds()
"""Those whose gradient is differentiated in reverse too: jax transposes there what forward mode makes linear."""


def _tiled(x, n: int) -> np.ndarray:
    return np.broadcast_to(x, (n, *np.shape(x))).copy()


def _per_sample(case: Case, arrays: Inputs, n: int) -> tuple[Inputs, Inputs]:
    """What can be differentiated and what cannot, each with an axis of samples: of options too."""
    arrays = {k: x if case.arrays[k].batched else _tiled(x, n) for k, x in arrays.items()}
    options = {k: _tiled(v, n) for k, v in case.numeric().items()}
    smooth = {k: x for k, x in arrays.items() if k in case.differentiable}
    return smooth | options, {k: x for k, x in arrays.items() if k not in smooth}


def _sample(case: Case):
    """The loss of one sample: (what can be differentiated, what cannot) -> a number."""
    return lambda smooth, fixed: case.loss(*case.parted(smooth, fixed))


def _slopes(case: Case, smooth: Inputs, fixed: Inputs, along: Inputs, cotangent):
    """Value, gradient and Hessian products of every sample, times its cotangent."""
    loss = _sample(case)

    def of_one(smooth, fixed, along, cotangent):
        step = jax.value_and_grad(lambda smooth: cotangent * loss(smooth, fixed))
        back = {}
        if case in BACKWARDS:
            (value, gradient), linear = jax.linearize(step, smooth)
            forward, curvature = linear(along)
            (back["reverse over reverse"],) = jax.linear_transpose(linear, smooth)((jnp.zeros_like(value), along))
        else:
            (value, gradient), (forward, curvature) = jax.jvp(step, (smooth,), (along,))
        return {"value": value, "gradient": gradient, "forward": forward, "forward over reverse": curvature, **back}

    return jax.vmap(of_one)(smooth, fixed, along, cotangent)


def _batched_gradients(case: Case, smooth: Inputs, fixed: Inputs, cotangent):
    """The gradient of a weighted sum over a batch, as a training step takes it: of one batch after the other."""
    n, own = len(cotangent), {**smooth, **fixed}

    def of(rows):
        arrays = {k: own[k][rows] if domain.batched else own[k][0] for k, domain in case.arrays.items()}
        return losses_and_slopes(case, arrays, cotangent[rows])[1]

    found = [of(np.arange(start, start + cases.BATCH) % n) for start in range(0, n, cases.BATCH)]
    return {k: np.concatenate([part[k] for part in found])[:n] for k in found[0] if k in case.batched}


OFFSET = 100
SIGNS = np.float32([1.13, -0.91, 0.57, -1.79, 1.27])


def _directions(inputs: Inputs) -> Inputs:
    """As large as each input is, with changing signs: the Hessian product along them is how slopes change by rounding.

    What all logits of a row are offset by is no size of theirs: nothing changes along it.

    Each input has numbers of its own, no two sums of which agree, or a loss that is homogeneous in some of them would
    not bend along them.
    """
    found = {}
    for i, (name, x) in enumerate(inputs.items()):
        size = np.clip(np.where(np.isfinite(x) & (x != 0), x, np.float32(1)), -OFFSET, OFFSET)
        found[name] = size * np.resize(np.roll(SIGNS, i), x.shape[-1:] if x.ndim > 1 else x.shape)
    return found


# ----------------------------------------------------------------------------------------- one program of each loss


def _at_samples(case: Case) -> tuple[Inputs, Inputs]:
    """Ordinary samples and hard ones, the last of them with numeric options of 0."""
    smooth, fixed = _per_sample(case, case.samples(ORDINARY, HARD + AT_ZERO, seed=21), SAMPLES)
    for name in set(smooth) - set(case.arrays):
        if not any(np.ndim(bad) == 0 and bad == 0 for bad in case.bad_options.get(name, ())):
            smooth[name][-AT_ZERO:] = 0  # a traced 0, which is allowed and at which nothing may be skipped
    return smooth, fixed


def _at_ends(case: Case) -> tuple[Inputs, Inputs]:
    """Ordinary samples with one array at an end of its domain, or two, at every place of a row that is special."""
    planted, places = [], (0, 1) if case.classes else (0,)
    ends = {k: domain.ends for k, domain in case.arrays.items() if domain.batched}
    for name, values in ends.items():
        planted += [{name: v} for v in values + case.arrays[name].alone]
    for (a, of_a), (b, of_b) in itertools.combinations(ends.items(), 2):
        planted += [{a: v, b: w} for v in of_a for w in of_b]
    planted = [(place, plant) for plant in planted for place in places]
    arrays = case.draw(seed=22, batch=(len(planted),))
    for i, (place, plant) in enumerate(planted):
        for name, value in plant.items():
            arrays[name][(i, place, 0)[: arrays[name].ndim]] = value
    return _per_sample(case, arrays, len(planted))


@dataclass(frozen=True)
class Answers:
    """What one program says of samples, then of ends."""

    case: Case
    smooth: Inputs
    fixed: Inputs
    along: Inputs
    slopes: list[dict[str, Any]]
    """Under each of the cotangents."""
    batched: Inputs
    """The gradient of a batch's sum, each sample with the next cotangent in turn."""

    def of(self, part: slice) -> "Answers":
        every = self.smooth, self.fixed, self.along, self.slopes, self.batched
        return Answers(self.case, *jax.tree.map(lambda x: x[part], every))


@pytest.fixture(scope="module", params=cases.each(), ids=lambda case: case.id)
def answers(request) -> Answers:
    case = request.param
    both = zip(_at_samples(case), _at_ends(case), strict=True)
    smooth, fixed = ({k: np.concatenate([a[k], b[k]]) for k in a} for a, b in both)
    along = _directions(smooth)

    run = quick(partial(_slopes, case), case)
    n = len(next(iter(smooth.values())))
    slopes = [jax.tree.map(np.asarray, run(smooth, fixed, along, np.full(n, cotangent))) for cotangent in COTANGENTS]
    batched = _batched_gradients(case, smooth, fixed, np.resize(COTANGENTS, n))
    return Answers(case, smooth, fixed, along, slopes, batched)


# ------------------------------------------------------------------------------------------------------- hard samples


def test_in_every_array_and_option(answers):
    mp.mp.dps, n = ulp.DIGITS, SAMPLES
    own = answers.of(slice(n))
    case, smooth, fixed, along, got = own.case, own.smooth, own.fixed, own.along, own.slopes[0]
    static = {k: v for k, v in case.given().items() if k not in smooth}
    noise = 64 * float(np.finfo(np.float32).eps) * case.noise
    furthest = np.max([np.abs(d).reshape(n, -1).max(1) for d in along.values()], 0)
    wrong = []
    for i in range(n):
        inputs = {k: exact(x[i]) for k, x in smooth.items()}
        flat, rebuilt = ulp.flattened(inputs)
        steps = [ulp.exact(d) for k in smooth for d in np.ravel(along[k][i])]
        plain = {k: exact(x[i]) for k, x in fixed.items()}

        def f(x, rebuilt=rebuilt, plain=plain):
            values = {**plain, **rebuilt(x)}
            positional = [values.pop(k) for k in case.arrays]
            return case.oracle(*positional, **static, **values)

        value = f(flat)
        if mp.isinf(value) or abs(value) > 1e30:
            continue
        moving = [j for j, v in enumerate(flat) if not mp.isinf(v)]  # a class of logit -inf moves nothing
        slopes, curves = (
            dict(zip(moving, all_, strict=True)) for all_ in ulp.slopes_and_curves(f, flat, steps, moving)
        )
        start = 0
        for name, x in smooth.items():
            place = range(start, start + x[i].size)
            start += x[i].size
            slope, curve = ([of.get(j, mp.mpf(0)) for j in place] for of in (slopes, curves))
            if any(isinstance(s, mp.mpc) for s in slope + curve):
                continue  # one sided: at the end of the domain
            slope, curve = np.array(slope, float), np.array(curve, float)
            if not np.abs([slope, curve]).max() < 1e30:
                continue
            largest, bend = np.abs(slope).max(), np.abs(curve).max()
            sides = {
                "gradient": (slope, 1e-4 * largest + 1e-5 * bend + noise),
                "forward over reverse": (curve, 1e-3 * bend + noise * furthest[i]),
                "reverse over reverse": (curve, 1e-3 * bend + noise * furthest[i]),
            }
            for what, (truth, slack) in sides.items():
                if what not in got:
                    continue
                answer = np.ravel(got[what][name][i])
                if not np.all(np.abs(answer - truth) <= slack + 1e-30):
                    wrong.append((what, name, {k: x[i] for k, x in {**smooth, **fixed}.items()}, answer, truth))
    assert not wrong, f"{case.id}: {len(wrong)}, such as {wrong[0]}"
    with np.errstate(invalid="ignore"):  # slopes of an infinite loss may be infinities of both signs
        dots = sum(np.sum((got["gradient"][k] * along[k]).reshape(n, -1), -1) for k in smooth)
    size = sum(np.sum(np.abs(got["gradient"][k] * along[k]).reshape(n, -1), -1) for k in smooth)
    fine = np.isfinite(size)
    off, slack = np.abs(got["forward"][fine] - dots[fine]), 1e-5 * size + noise * furthest + 1e-30
    np.testing.assert_array_less(off, slack[fine])
    inside = slice(0, n - AT_ZERO)  # the batch has one value of each option
    for name, slope in own.batched.items():
        cotangents = np.resize(COTANGENTS, n).reshape(-1, *[1] * (slope.ndim - 1))
        each = got["gradient"][name] * cotangents
        known = np.isfinite(each)  # a slope in a target may be infinite, of a class that is impossible
        size = np.max(np.abs(each), tuple(range(1, each.ndim)), keepdims=True, where=known, initial=0)
        off = np.abs(np.subtract(slope, each, where=known, out=np.zeros_like(each)))
        same = np.where(known, off <= 1e-5 * size + noise * cotangents, slope == each)
        assert np.all(same[inside]), f"{name}: the batch's slope is not its samples'"


# --------------------------------------------------------------------------------------------------- closed ends


def test_at_the_closed_ends_no_slope_is_nan_under_any_cotangent(answers):
    """What is finite under a cotangent of 1 is that many times it under 3 and 1024, also at a probability of 0."""
    own = answers.of(slice(SAMPLES, None))
    case, smooth, fixed, got = own.case, own.smooth, own.fixed, own.slopes[0]
    slopes = [found["gradient"] for found in own.slopes]
    n = len(got["value"])
    show = lambda bad: {k: x[np.flatnonzero(bad)[0]] for k, x in {**smooth, **fixed}.items()}
    rows = lambda x: x.reshape(n, -1)
    value = got["value"]
    assert not np.isnan(value).any(), f"a value is nan at {show(np.isnan(value))}"
    fine = np.isfinite(value)
    for name in smooth:
        for cotangent, slope in zip(COTANGENTS, slopes, strict=True):
            bad = np.isnan(rows(slope[name])).any(1)
            bad = bad if name == case.predictions else bad & fine  # an infinite loss may have any slope elsewhere
            assert not bad.any(), f"the slope in {name} is nan under {cotangent} at {show(bad)}"
            ones = rows(slopes[0][name])
            finite = np.isfinite(ones) & (np.abs(ones) < 1e30)
            with np.errstate(invalid="ignore"):
                unit = np.max(np.abs(ones), 1, keepdims=True, where=finite, initial=1e-30)
                off = (np.abs(rows(slope[name]) / cotangent - ones) > 1e-5 * unit + 1e-6 * case.noise) & finite
            assert not off.any(), f"the slope in {name} is not {cotangent} times that under 1 at {show(off.any(1))}"
    steep = np.isin(rows(smooth[case.predictions]), case.steep)
    bad = fine & ~(np.isfinite(rows(slopes[0][case.predictions])) | steep).all(1)
    assert not bad.any(), f"the loss is finite, its slope in the predictions is not, at {show(bad)}"
    steady = fine & np.all(
        [np.isfinite(rows(s)).all(1) & (np.abs(rows(s)) < 1e18).all(1) for s in slopes[0].values()], 0
    )
    for what in {"forward over reverse", "reverse over reverse"} & set(got):
        for name in smooth:
            bad = steady & np.isnan(rows(got[what][name])).any(1)
            assert not bad.any(), f"{what}: the curvature in {name} is nan at {show(bad)}"
