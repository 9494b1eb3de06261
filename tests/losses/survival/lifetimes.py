"""What the rows of the laws of lifetimes share: domains, grids, an oracle from the survival function of each law."""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp
import numpy as np

from tests.cases import INF, Case, Domain, Limit, choice

STEP = mp.mpf(10) ** -25


def _between(low, high):
    return lambda rng, shape, sizes: rng.uniform(low, high, shape).astype(np.float32)


def _every_third(place):
    """Flags of which no element has two."""
    return lambda rng, shape, sizes: (np.arange(int(np.prod(shape))) % 3 == place).reshape(shape).astype(np.int32)


# Entries, targets and upper bounds are drawn in this order.
LOCATIONS = Domain(
    _between(-0.5, 1.5), hard=choice(lambda: [-3, -1, 0, 0.3, 1, 2.5]), ends=(0.0, 1e-30, 60.0), alone=(INF, -INF)
)
LIFETIME_SCALES = Domain(
    _between(0.6, 4), hard=choice(lambda: [0.05, 0.4, 1, 12]), ends=(1e-10, 1e10), outside=(0.0, -1.0)
)
SHAPES = Domain(_between(0.5, 2.5), hard=choice(lambda: [0.1, 0.7, 1, 2, 6]), ends=(1e-10, 1e10), outside=(0.0, -1.0))
TIMES = Domain(_between(1.2, 3), hard=choice(lambda: [1.2, 1.7, 2, 3]), ends=(1e-30, 1e30), outside=(-1.0, INF))
EARLY_OR_LATE = Domain(_between(1.2, 3), hard=TIMES.hard, ends=(1.19, 1e30), outside=(-1.0, 0.01, INF))
LOWER = Domain(_between(1.2, 3), hard=TIMES.hard, ends=(0.0,), outside=(-1.0, 100.0))
LOWER_SINCE = Domain(_between(1.2, 3), hard=TIMES.hard, ends=(1.19,), outside=(-1.0, 0.01, 100.0))
UPPER = Domain(_between(3.5, 6), hard=choice(lambda: [3.01, 3.5, 30]), ends=(INF, 1e30), outside=(0.01, -1.0))
ENTRIES = Domain(_between(0.1, 1), hard=choice(lambda: [0.01, 0.5, 1.1]), ends=(0.0,), outside=(-1.0, 50.0))
CENSORED = Domain(_every_third(1), outside=(2, -1), differentiable=False)
LEFT_CENSORED = Domain(_every_third(2), outside=(2, -1), differentiable=False)

SETS = {
    "plain": {},
    "flags": {"censored": CENSORED, "left_censored": LEFT_CENSORED},
    "entry": {"censored": CENSORED, "left_censored": LEFT_CENSORED, "entry": ENTRIES},
    "upper": {"upper": UPPER},
    "upper and entry": {"upper": UPPER, "entry": ENTRIES},
}


class Law(NamedTuple):
    """A law of the standardized logarithm z of a time, in mpmath."""

    survival: Callable
    failure: Callable
    density: Callable
    """Minus the log of the density of z."""
    parts: Callable
    """(z) -> the terms of the slope of that, where it is a sum."""
    number: Callable
    """(predictions, time, parameter) -> z."""
    rate: Callable
    """(parameter) -> the slope of z in the logarithm of time."""
    hazard: Callable
    """(z, z) -> the cumulative hazard between them, from which the probability of an event between them is computed."""


def _kind(t, upper, censored, left_censored):
    if upper is None:
        return "right" if censored else "left" if left_censored else "event"
    # A step of a derivative by differences leaves an event an event.
    return "event" if abs(upper - t) < mp.mpf(10) ** -20 * t else "right" if mp.isinf(upper) else "between"


def _inside(law, low, high):
    """The probability between two numbers, from below everything if the first is None."""
    if low is None:
        return law.failure(high)
    return law.survival(low) - law.survival(high) if law.failure(low) > 0.5 else law.failure(high) - law.failure(low)


def _minus_log(part, rest):
    """-log(part / (part + rest)), from whichever is smaller."""
    return mp.log1p(rest / part) if rest < part else mp.log1p(part / rest) - mp.log(part / rest)


def _core(law, kind, z, start, last):
    """The loss from the numbers of the target, the entry and the upper bound; those that do not count are None."""
    entered = mp.mpf(0) if start is None else _minus_log(law.survival(start), law.failure(start))
    if kind == "event":
        return law.density(z) - entered
    if kind == "right":
        return _minus_log(law.survival(z), _inside(law, start, z))
    if kind == "left":
        return _minus_log(_inside(law, start, z), law.survival(z))
    return _minus_log(_inside(law, z, last), _inside(law, start, z) + law.survival(last))


def _partials(f, x):
    """The gradient of f and its Hessian, by differences."""
    steps = [STEP * (abs(v) or 1) for v in x]

    def at(*moves):
        moved = list(x)
        for i, sign in moves:
            moved[i] += sign * steps[i]
        return f(moved)

    signs, n = (1, -1), range(len(x))
    slopes = [(at((i, 1)) - at((i, -1))) / (2 * steps[i]) for i in n]
    bends = [[mp.mpf(0)] * len(x) for _ in n]
    for i, j in itertools.combinations_with_replacement(n, 2):
        moved = sum(a * b * at((i, a), (j, b)) for a in signs for b in signs)
        bends[i][j] = bends[j][i] = moved / (4 * steps[i] * steps[j])
    return slopes, bends


def _reader(names):
    """(sample) -> its arrays by name, the parameter, what is known of the lifetime."""

    def read(sample):
        own = dict(zip(names, sample, strict=True))
        flags = [own.get(key, 0) for key in ("censored", "left_censored")]
        kind = _kind(own["targets"], own.get("upper"), *flags)
        return own, own.get("concentration", own.get("scale")), kind

    return read


def _numbers(own, kind):
    """The names of the times on which the loss depends."""
    return ["targets", *(["entry"] if "entry" in own else []), *(["upper"] if kind == "between" else [])]


def oracle_of(law, names):
    read = _reader(names)

    def oracle(*sample, **options):
        own, parameter, kind = read(sample)
        number = {k: law.number(own["predictions"], own[k], parameter, **options) for k in _numbers(own, kind)}
        loss = _core(law, kind, number["targets"], number.get("entry"), number.get("upper"))
        return loss + (mp.log(own["targets"] / law.rate(parameter)) if kind == "event" else 0)

    return oracle


LOGARITHM = 2.0**-11
"""The logarithm of a time is held to 2^-33: what its rounding moves is of this size, times the rate of the law."""


def terms_of(law, names):
    """The terms of the loss, its slopes and second derivatives, by the chain rule through the standardized numbers."""
    read = _reader(names)

    @functools.cache
    def three(sample, options):
        own, parameter, kind = read(sample)
        times, options = _numbers(own, kind), dict(options)
        variables = [k for k in ("predictions", *times, "concentration", "scale") if k in own]
        index = {k: i for i, k in enumerate(variables)}
        values = [own[k] for k in variables]

        def number(k):
            place = index.get("concentration", index.get("scale"))
            return lambda v: law.number(v[0], v[index[k]], None if place is None else v[place], **options)

        def core(z):
            of = dict(zip(times, z, strict=True))
            return _core(law, kind, of["targets"], of.get("entry"), of.get("upper"))

        z, of_times = [number(k)(values) for k in times], range(len(times))
        slopes, bends = _partials(core, z)
        rounding, factor, loss = law.rate(parameter) * LOGARITHM, 1, abs(core(z))
        if kind in ("left", "between"):
            # It is -log(1 - e^-B) for the cumulative hazard B between two times, and has the rounding of that.
            hazard = law.hazard(*((z[1:] or [None]) + z[:1] if kind == "left" else [z[0], z[-1]]))
            factor, loss = 1 + hazard, loss + (hazard / mp.expm1(hazard) if hazard else 0)
        bends = [[factor * abs(b) for b in row] for row in bends]
        slopes = [factor * abs(slopes[a]) + rounding * sum(bends[a]) for a in of_times]
        bends = [[b * (1 + rounding) + rounding * slopes[a] for b in bends[a]] for a in of_times]
        zeroth = [loss, *(rounding * s for s in slopes)]
        if kind == "event":
            parts = law.parts(z[0])
            zeroth += [*parts, z[0], mp.log(own["targets"]), mp.log(law.rate(parameter))]
            slopes[0] = max([slopes[0], *map(abs, parts)])
        inner = [_partials(number(k), values) for k in times]
        first, second = {k: [] for k in names}, {k: [] for k in names}
        for p, i in index.items():
            for a in of_times:
                moved = abs(inner[a][0][i])
                if p in ("concentration", "scale"):
                    moved += rounding / own[p]
                first[p].append(slopes[a] * moved)
                for j in index.values():
                    second[p] += [bends[a][b] * moved * inner[b][0][j] for b in of_times]
                    second[p].append(slopes[a] * inner[a][1][i][j])
            if kind == "event" and p in ("targets", "concentration", "scale"):
                first[p].append(1 / own[p])
                second[p].append(1 / own[p] ** 2)
        return zeroth, first, second

    return [lambda *sample, i=i, **options: three(tuple(sample), tuple(options.items()))[i] for i in range(3)]


def case(fn, form, law, arrays, grid, options, **more):
    """A row of a law with one set of the arrays that can be left out."""
    terms, gradient_terms, second_terms = terms_of(law, list(arrays))
    smooth = [name for name, domain in arrays.items() if domain.differentiable]
    return Case(
        fn=fn,
        form=form,
        held=2,  # they are computed in blocks, of which values and slopes are stored
        arrays=arrays,
        oracle=oracle_of(law, list(arrays)),
        options=options,
        grid=grid,
        value=Limit(scaled=6),
        gradient={name: Limit(scaled=6) for name in smooth},
        second={name: Limit(scaled=8) for name in smooth},
        terms=terms,
        gradient_terms=gradient_terms,
        second_terms=second_terms,
        nonnegative=False,
        noise=1.0 if "upper" in arrays else 0.0,  # a slope in the location is a difference of those of both bounds
        name=f"{fn.__name__}[{','.join([*map(str, options.values()), *list(arrays)[2:]])}]",
        **more,
    )


def grid_of(law, names, numbers, parameters, log_input=True):
    """Samples of every standardized number, parameter and spread, drawn so that times are in range: the columns."""

    def columns():
        rng, found = np.random.default_rng(7), []
        while len(found) < (27 if "entry" in names else 48):
            x, z, p = rng.choice([0, 0.3, 3.7, -20, 20]), rng.choice(numbers), rng.choice(parameters)
            before, after = rng.choice([1e-5, 0.01, 0.3, 2, 30], 2)
            rate = law.rate(p)
            log_t = x + z / rate
            times = np.array([log_t - before / rate, log_t, log_t + after / rate])
            if np.abs(times).max() > 27:
                continue
            entry, t, upper = np.float32(np.exp(times))
            if not entry < t < upper:
                continue
            kind = len(found) % 3
            sample = {
                "predictions": x if log_input else np.exp(x),
                "targets": t,
                "concentration": p,
                "scale": p,
                "censored": kind == 1,
                "left_censored": kind == 2,
                "upper": (t, INF, upper)[kind],
                "entry": entry,
            }
            found.append([sample[name] for name in names])
            if not _in_range(law, names, found[-1], log_input):
                found.pop()
        return tuple(np.array(column) for column in zip(*found, strict=True))

    return columns


def _in_range(law, names, sample, log_input):
    """Whether no probability underflows whose product with something large does not."""
    with mp.workdps(110):
        own, parameter, kind = _reader(names)([mp.mpf(float(np.float32(v))) for v in sample])
        times = _numbers(own, kind)
        numbers = [
            law.number(own["predictions"], own[k], parameter, **({} if log_input else {"log_input": False}))
            for k in times
        ]

        def core(z):
            of = dict(zip(times, z, strict=True))
            return _core(law, kind, of["targets"], of.get("entry"), of.get("upper"))

        return all(1e-30 < abs(slope) < 1e30 for slope in _partials(core, numbers)[0])


def rows(fn, form, law, predictions, parameter, numbers, parameters, options, sets, **more):
    """A row for each set of arrays that can be left out."""
    found = []
    for name in sets:
        targets = {
            "plain": TIMES,
            "flags": TIMES,
            "entry": EARLY_OR_LATE,
            "upper": LOWER,
            "upper and entry": LOWER_SINCE,
        }
        arrays = {"predictions": predictions, "targets": targets[name], **parameter, **SETS[name]}
        grid = grid_of(law, list(arrays), numbers, parameters, options.get("log_input", True))
        found.append(case(fn, form, law, arrays, grid, options, **more))
    return found
