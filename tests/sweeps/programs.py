"""Programs that several sweeps ask: each is compiled once, or read from the cache where another worker compiled it."""

import functools

import jax

from tests.cases import Case
from tests.compiling import jit


@functools.cache
def losses_and_slopes(case: Case):
    """(arrays, numeric options, a cotangent of each loss) -> losses, and the slopes in every array and option."""

    @jit
    def run(arrays, numeric, cotangent):
        losses = lambda smooth: case.loss(*case.parted(smooth, arrays))
        values, back = jax.vjp(losses, {k: arrays[k] for k in case.differentiable} | numeric)
        return values, back(cotangent)[0]

    return run
