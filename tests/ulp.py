"""Units in the last place, against numbers of arbitrary precision."""

import mpmath as mp
import numpy as np

DIGITS = 110
STEP = mp.mpf(10) ** -25


def exact(x) -> mp.mpf:
    """A float as it is."""
    return mp.mpf(float(x))


def ulps(got: float, truth: mp.mpf, unit: mp.mpf | None = None, dtype=np.float32) -> float:
    """The error of `got` in the spacing of the dtype at `unit` (the truth itself if left out).

    A truth too large for the dtype must be infinite. One below the smallest normal number may be 0, since XLA on CPU
    flushes it. nan is infinitely wrong.
    """
    limits = np.finfo(dtype)
    if mp.isnan(truth):
        raise ValueError("the truth is nan: the grid leaves the domain")
    if abs(truth) > mp.mpf(float(limits.max)):
        return 0.0 if got == (np.inf if truth > 0 else -np.inf) or abs(got) > 0.999 * float(limits.max) else np.inf
    if not np.isfinite(got):
        return np.inf
    if abs(truth) < mp.mpf(float(limits.tiny)) and abs(got) <= float(limits.tiny):
        return 0.0
    size = max(abs(truth) if unit is None else abs(unit), mp.mpf(float(limits.tiny)))
    spacing = np.spacing(dtype(float(min(size, mp.mpf(float(limits.max)) / 4))))
    return float(abs(exact(got) - truth) / exact(spacing))


def first(f, x: list, i: int) -> mp.mpf:
    """The derivative of f in its i-th argument, by a central difference in 110 digits."""
    h = step_of(x[i])
    return (f(moved(x, i, h)) - f(moved(x, i, -h))) / (2 * h)


def second(f, x: list, i: int, direction: list) -> mp.mpf:
    """The derivative in the i-th argument of the derivative along a direction."""
    h = step_of(x[i])
    if len(x) == 1:
        return direction[0] * (f(moved(x, 0, h)) - 2 * f(x) + f(moved(x, 0, -h))) / h**2
    # One step for all directions: logits and probabilities of a row are of one size in the grids.
    k = min(map(step_of, x))
    along = lambda s: [v + s * k * d for v, d in zip(x, direction, strict=True)]
    up, down = along(1), along(-1)
    return (f(moved(up, i, h)) - f(moved(up, i, -h)) - f(moved(down, i, h)) + f(moved(down, i, -h))) / (4 * h * k)


def slopes_and_curves(f, x: list, direction: list, places) -> tuple[list, list]:
    """`first` and `second` at each of the places, from a third of the calls: steps of all places leave the same points.

    The steps are to one side, which is 25 digits, far more than what is not counted in units in the last place needs.
    """
    k = min(map(step_of, x))
    points = [[v + s * k * d for v, d in zip(x, direction, strict=True)] for s in (1, -1)]
    bases = [f(point) for point in points]
    slopes, curves = [], []
    for i in places:
        h = step_of(x[i])
        up, down = ((f(moved(point, i, h)) - base) / h for point, base in zip(points, bases, strict=True))
        slopes.append((up + down) / 2)
        curves.append((up - down) / (2 * k))
    return slopes, curves


def flattened(inputs):
    """Numbers and nested lists of them as one list, and what makes a list of their length into such again."""
    leaves = []

    def walk(x):
        if isinstance(x, dict):
            return {k: walk(v) for k, v in x.items()}
        if isinstance(x, list):
            return [walk(v) for v in x]
        leaves.append(x)
        return len(leaves) - 1

    tree = walk(inputs)

    def rebuilt(numbers, node=tree):
        if isinstance(node, dict):
            return {k: rebuilt(numbers, v) for k, v in node.items()}
        return [rebuilt(numbers, v) for v in node] if isinstance(node, list) else numbers[node]

    return leaves, rebuilt


def step_of(x: mp.mpf) -> mp.mpf:
    """The step of a difference at x."""
    return STEP * (abs(x) if x and not mp.isinf(x) else 1)


def moved(x: list, i: int, h: mp.mpf) -> list:
    """The arguments with a step in one of them."""
    return [v + h if j == i else v for j, v in enumerate(x)]


def through_chebyshev_points(function, start, end, count: int) -> list[float]:
    """The coefficients, the constant first, of the polynomial through so many Chebyshev points of an interval.

    It is what `mp.chebyfit` gives, whose order of coefficients depends on the version of mpmath.
    """
    middle, half = (mp.mpf(start) + end) / 2, (mp.mpf(end) - start) / 2
    points = [middle + half * mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)]
    powers = mp.matrix([[x**i for i in range(count)] for x in points])
    return [float(c) for c in mp.lu_solve(powers, mp.matrix([function(x) for x in points]))]


def on_the_half_line(function, centre, count: int) -> list[float]:
    """The first so many Chebyshev coefficients of a function from 0 to infinity, in z = (k - c) / (k + c)."""
    points = 64
    angles = [mp.pi * (2 * j + 1) / (2 * points) for j in range(points)]
    values = [function(centre * (1 + mp.cos(a)) / (1 - mp.cos(a))) for a in angles]
    of = lambda i: mp.fsum(v * mp.cos(i * a) for v, a in zip(values, angles, strict=True)) * 2 / points
    return [float(of(i)) / (1 if i else 2) for i in range(count)]
