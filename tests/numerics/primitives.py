"""What the test files of the primitives declare: rows with a truth in mpmath, and the closed ends of the domains.

`Row` and `End` name a function of the file under test. `test_primitives.py` asks them all, the ends in one program.
"""

import importlib
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import mpmath as mp
import numpy as np

from tests import ulp
from tests.compiling import optimized

REALS = np.concatenate([s * 10.0 ** np.arange(-8, 1.6, 0.2) for s in (-1, 1)]).astype(np.float32)
POSITIVE = REALS[REALS > 0]
TINY = float(np.finfo(np.float32).tiny)


class Row(NamedTuple):
    """A primitive of one argument, whose value and slope are asked in units in the last place, strictly."""

    function: Callable
    truth: Callable[[mp.mpf], mp.mpf]
    points: np.ndarray
    value: float
    slope: float | None  # None where the slope is not of that kind


class End(NamedTuple):
    """What a primitive and its slopes are at a special point."""

    function: Callable
    arguments: tuple[float, ...]
    value: float
    slopes: tuple[float, ...]


def worst(function: Callable, truth: Callable, unit: Callable, *points: np.ndarray) -> dict[type, tuple]:
    """For both dtypes the largest error of a function of several arguments, in units in the last place, and where.

    The unit is a function of the arguments too; where the truth is larger, it is the truth.
    """
    answers, found = {}, {np.float32: (0.0,), np.float64: (0.0,)}
    for dtype in found:
        with jax.enable_x64(dtype == np.float64):
            answers[dtype] = np.asarray(optimized(function)(*(p.astype(dtype) for p in points)))
    for i, sample in enumerate(zip(*points, strict=True)):
        at = [ulp.exact(v) for v in sample]
        true = truth(*at)
        size = max(abs(true), unit(*at))
        for dtype, got in answers.items():
            found[dtype] = max(found[dtype], (ulp.ulps(got[i], true, size, dtype), *map(float, sample)))
    return found


def collected(name: str) -> list:
    """The lists of this name in all test files of numerics, as one."""
    files = sorted(pathlib.Path(__file__).parent.glob("test_*.py"))
    modules = [importlib.import_module(f"tests.numerics.{f.stem}") for f in files if f.stem != "test_primitives"]
    return [row for module in modules for row in getattr(module, name, [])]
