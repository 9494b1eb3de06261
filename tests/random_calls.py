"""What tests draw at random, and how often: each call is a program or two to compile, and the quick tier makes few."""

import jax
import numpy as np
from hypothesis import Phase, settings

from tests import cases
from tests.compiling import jit


def some(quick: int, every: int, **more) -> settings:
    """Settings of so many calls, the same in every run."""
    calls = every if cases.EVERY else quick
    return settings(deadline=None, max_examples=calls, database=None, derandomize=True, **more)


few = some(3, 5)
NOT_SHRUNK = {"phases": [Phase.generate]}  # to shrink a call compiles it some hundred times


def drawn(seed, draw):
    """What is drawn from a generator of its own."""
    return draw(np.random.default_rng(seed))


def value_and_slopes(loss, *arrays, wrt=0, **options):
    """The losses and the gradient of their sum, as one program: operations one by one are dozens to compile."""

    @jit
    def run(*arrays):
        total = lambda *arrays: loss(*arrays, **options).sum()
        return loss(*arrays, **options), jax.grad(total, wrt)(*arrays)

    return run(*arrays)
