"""Promise 1 wherever a user may differentiate: in every array and option, in every mode, under any cotangent.

The limits are coarse, a thousandth of the largest slope of a sample's array, and the samples are hard: this looks for
slopes that are nan, 0 or another function's. The units in the last place are counted in test_accuracy.py.
"""

import itertools

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import cases, ulp
from tests.cases import Case
from tests.sweeps.test_accuracy import exact

ORDINARY, HARD, AT_ZERO = 2, 7, 3
COTANGENTS = np.float32([1, 3, 1024])
each_loss = pytest.mark.parametrize("case", cases.each(), ids=lambda case: case.id)
Inputs = dict[str, np.ndarray]


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
    names = set(case.arrays)

    def loss(smooth, fixed):
        arrays = {k: smooth[k] if k in smooth else fixed[k] for k in case.arrays}
        return case.loss(arrays, {k: v for k, v in smooth.items() if k not in names})

    return loss


def _slopes(case: Case, smooth: Inputs, fixed: Inputs, along: Inputs):
    """Value, gradient and Hessian products of every sample, by every mode."""
    loss = _sample(case)

    def of_one(smooth, fixed, along):
        f = lambda smooth: loss(smooth, fixed)
        value, gradient = jax.value_and_grad(f)(smooth)
        dot = lambda s: sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(s), jax.tree.leaves(along), strict=True))
        return {
            "value": value,
            "gradient": gradient,
            "forward": jax.jvp(f, (smooth,), (along,))[1],
            "forward over reverse": jax.jvp(jax.grad(f), (smooth,), (along,))[1],
            "reverse over reverse": jax.grad(lambda smooth: dot(jax.grad(f)(smooth)))(smooth),
        }

    return jax.vmap(of_one)(smooth, fixed, along)


def _batched_gradient(case: Case, arrays: Inputs, cotangent):
    """The gradient of a weighted sum over the whole batch, as a training step takes it."""
    smooth = {k: x for k, x in arrays.items() if k in case.differentiable} | case.numeric()
    names = set(case.arrays)

    def total(smooth):
        own = {k: smooth.get(k, arrays[k]) for k in case.arrays}
        return jnp.sum(cotangent * case.loss(own, {k: v for k, v in smooth.items() if k not in names}))

    return jax.grad(total)(smooth)


SIGNS = np.float32([1, -1, 0.5, -2, 1.25])


def _directions(inputs: Inputs) -> Inputs:
    """As large as each input is, with changing signs: the Hessian product along them is how slopes change by rounding.

    Each input has signs of its own, or a loss that is homogeneous in all of them would not bend along them.
    """
    found = {}
    for i, (name, x) in enumerate(inputs.items()):
        size = np.where(np.isfinite(x) & (x != 0), x, np.float32(1))
        found[name] = size * np.resize(np.roll(SIGNS, i), x.shape[-1:] if x.ndim > 1 else x.shape)
    return found


@each_loss
def test_in_every_array_and_option(case):
    mp.mp.dps = ulp.DIGITS
    n = ORDINARY + HARD + AT_ZERO
    arrays = case.samples(ORDINARY, HARD + AT_ZERO, seed=21)
    smooth, fixed = _per_sample(case, arrays, n)
    for name in set(smooth) - set(case.arrays):
        if not any(np.ndim(bad) == 0 and bad == 0 for bad in case.bad_options.get(name, ())):
            smooth[name][-AT_ZERO:] = 0  # a traced 0, which is allowed and at which nothing may be skipped
    along = _directions(smooth)
    cotangents = np.resize(COTANGENTS, n)
    got, batched = jax.jit(lambda *a: (_slopes(case, *a), _batched_gradient(case, arrays, cotangents)))(
        smooth, fixed, along
    )
    got, batched = jax.tree.map(np.asarray, (got, batched))
    static = {k: v for k, v in case.given().items() if k not in smooth}
    noise = 64 * float(np.finfo(np.float32).eps) * case.noise
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
        start = 0
        for name, x in smooth.items():
            own = range(start, start + x[i].size)
            start += x[i].size
            still = lambda j, flat=flat: mp.isinf(flat[j])  # a class of logit -inf moves nothing
            slope = [mp.mpf(0) if still(j) else ulp.first(f, flat, j) for j in own]
            curve = [mp.mpf(0) if still(j) else ulp.second(f, flat, j, steps) for j in own]
            if any(isinstance(s, mp.mpc) for s in slope + curve):
                continue  # one sided: at the end of the domain
            slope, curve = np.array(slope, float), np.array(curve, float)
            if not np.abs([slope, curve]).max() < 1e30:
                continue
            largest, bend = np.abs(slope).max(), np.abs(curve).max()
            sides = {
                "gradient": (slope, 1e-4 * largest + 1e-5 * bend + noise),
                "forward over reverse": (curve, 1e-3 * bend + noise),
                "reverse over reverse": (curve, 1e-3 * bend + noise),
            }
            for what, (truth, slack) in sides.items():
                answer = np.ravel(got[what][name][i])
                if not np.all(np.abs(answer - truth) <= slack + 1e-30):
                    wrong.append((what, name, {k: x[i] for k, x in {**smooth, **fixed}.items()}, answer, truth))
    assert not wrong, f"{case.id}: {len(wrong)}, such as {wrong[0]}"
    dots = sum(np.sum((got["gradient"][k] * along[k]).reshape(n, -1), -1) for k in smooth)
    size = sum(np.sum(np.abs(got["gradient"][k] * along[k]).reshape(n, -1), -1) for k in smooth)
    fine = np.isfinite(size)
    np.testing.assert_array_less(np.abs(got["forward"] - dots)[fine], 1e-5 * size[fine] + 1e-30)
    inside = slice(0, n - AT_ZERO)  # the batch has one value of each option
    for name, slope in batched.items():
        each = got["gradient"][name] * cotangents.reshape(-1, *[1] * (smooth[name].ndim - 1))
        if name in case.batched:
            slack = 1e-5 * np.abs(each).reshape(n, -1).max(1).reshape(n, *[1] * (each.ndim - 1))
            assert np.all((np.abs(slope - each) <= slack)[inside]), f"{name}: the batch's slope is not its samples'"


# --------------------------------------------------------------------------------------------------- closed ends


def _at_ends(case: Case) -> Inputs:
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
    return arrays


@each_loss
def test_at_the_closed_ends_no_slope_is_nan_under_any_cotangent(case):
    """What is finite under a cotangent of 1 is that many times it under 3 and 1024, also at a probability of 0."""
    arrays = _at_ends(case)
    n = len(arrays[case.predictions])
    smooth, fixed = _per_sample(case, arrays, n)
    along = _directions(smooth)

    @jax.jit
    def run(smooth, fixed, along):
        loss = jax.vmap(_sample(case))
        times = lambda c: jax.grad(lambda smooth: jnp.sum(c * loss(smooth, fixed)))(smooth)
        return _slopes(case, smooth, fixed, along), [times(c) for c in COTANGENTS]

    got, slopes = jax.tree.map(np.asarray, run(smooth, fixed, along))
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
    for what in ("forward over reverse", "reverse over reverse"):
        for name in smooth:
            bad = steady & np.isnan(rows(got[what][name])).any(1)
            assert not bad.any(), f"{what}: the curvature in {name} is nan at {show(bad)}"
