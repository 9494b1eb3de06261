"""Promise 1 at the ends of the floats: where the loss is a float, so are its slopes, however large what it is made of.

Differences, squares and sums overflow long before what divides or weighs them brings them back. The domains of real
numbers, log-odds, logits and scales have such numbers, which a row may leave out with its reason beside it; they are
planted in one array, in two, and in all.
"""

import itertools

import jax
import mpmath as mp
import numpy as np
import pytest

from tests import cases, ulp
from tests.compiling import optimized, quick
from tests.sweeps.test_accuracy import exact, largest_term

MOST = mp.mpf(float(np.finfo(np.float32).max))
EXTREME = [case for case in cases.collect() if any(case.arrays[name].extremes for name in case.batched)]
if not cases.EVERY:
    EXTREME = cases.richest_of(EXTREME)


def _planted(case):
    """Ordinary samples with extremes in them: an array of several numbers has some of every size."""
    rng = np.random.default_rng(0)
    values = {name: case.arrays[name].extremes for name in case.batched if case.arrays[name].extremes}
    plants = [{name: v} for name, own in values.items() for v in own]
    plants += [{a: v, b: w} for a, b in itertools.combinations(values, 2) for v in values[a] for w in values[b]]
    plants += [{name: rng.choice(own) for name, own in values.items()} for _ in range(2 * len(values))]
    arrays = case.draw(seed=23, batch=(len(plants),))
    for i, plant in enumerate(plants):
        for name, value in plant.items():
            shape = arrays[name][i].shape
            planted = value * rng.uniform(0.8, 1, shape) if abs(value) > 1e3 else value
            arrays[name][i] = np.where(rng.random(shape) < 0.7, planted, arrays[name][i])
    return arrays


@pytest.mark.parametrize("case", EXTREME, ids=lambda case: case.id)
def test_nothing_overflows_before_the_loss_does(case):
    mp.mp.dps = 2 * ulp.DIGITS
    options, arrays, wrong = case.given(), _planted(case), []
    total = lambda some: case.loss({**arrays, **some}).sum()
    some = {name: arrays[name] for name in case.differentiable if case.arrays[name].batched}
    run = lambda some: (case.loss({**arrays, **some}), jax.grad(total)(some))
    values, slopes = (optimized if cases.EVERY else quick)(run)(some)
    for i, got in enumerate(np.asarray(values)):
        sample = {name: exact(x[i] if case.arrays[name].batched else x) for name, x in arrays.items()}
        flat, rebuilt = ulp.flattened({name: sample[name] for name in some})
        f = lambda x, sample=sample, rebuilt=rebuilt: case.oracle(*{**sample, **rebuilt(x)}.values(), **options)
        truths = [f(flat), *(ulp.first(f, flat, j) for j in range(len(flat)))]
        if abs(truths[0]) > MOST:
            continue
        found = [got, *np.concatenate([np.ravel(slopes[name][i]) for name in some])]
        # What large terms leave of their difference is asked of grids, by the sizes of the terms.
        size = max(abs(x) for x in flat) if case.extreme_terms else 0
        terms = lambda of, name, sample=sample: largest_term(of, name, sample.values(), options)
        units = [max(size, terms(case.terms, None))]
        for name in some:
            units += np.size(arrays[name][i]) * [max(case.extreme_terms, terms(case.gradient_terms, name))]
        for answer, truth, unit in zip(found, truths, units, strict=True):
            # At an end of the domain a step may leave it, to a number that is not real.
            if isinstance(truth, mp.mpc) or abs(truth) >= MOST:
                continue
            if not abs(answer - truth) <= 1e-5 * max(abs(truth), unit) + 1e-37:
                wrong.append((answer, mp.nstr(truth, 8), {name: arrays[name][i] for name in case.batched}))
    assert not wrong, f"{case.id}: {len(wrong)}, such as {wrong[0]}"
