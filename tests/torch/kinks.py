"""What the tests of losses with a margin ask at its kink."""

import jax
import numpy as np

from tests.compiling import jit


def no_slope_at_a_kink(loss):
    """At a number of 1 the loss, and each slope, is 0."""
    value, slope = jit(jax.value_and_grad(loss))(np.ones(1, np.float32))
    assert value == 0
    assert not np.any(slope)
