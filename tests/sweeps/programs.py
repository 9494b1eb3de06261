"""Programs that several sweeps ask: each is traced once."""

import functools

import jax
import numpy as np

from tests.cases import BATCH, Case
from tests.compiling import quick


def losses_and_slopes(case: Case, arrays: dict[str, np.ndarray], cotangent: np.ndarray | None = None):
    """The losses of a batch, and the slopes in every array and numeric option under a cotangent of each loss, or 1."""
    ones = np.ones(BATCH, np.float32)
    return _losses_and_slopes(case)(arrays, case.numeric(), ones if cotangent is None else cotangent)


@functools.cache
def _losses_and_slopes(case: Case):
    def run(arrays, numeric, cotangent):
        losses = lambda smooth: case.loss(*case.parted(smooth, arrays))
        values, back = jax.vjp(losses, {k: arrays[k] for k in case.differentiable} | numeric)
        return values, back(cotangent)[0]

    return quick(run, case)
