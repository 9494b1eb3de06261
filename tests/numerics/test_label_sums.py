"""The sums of a row around its label, on the branch of every platform; no TPU is told to gather."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics import _label_sums
from tests.compiling import optimized
from tests.numerics.branches import on_branch

X = np.float32([[1, 3, 2], [30, 0, 1], [-np.inf, 2, 0]])
LABELS = np.int32([[1], [2], [0]])
FACTORS = np.float32([[0.1, 0.2, 0.3], [0, 1, 0], [0, 0.5, 0]])


@pytest.mark.parametrize("branch", ["cpu", "cuda", "default"])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_sums_on_every_branch(branch, axis):
    x, labels, factors = (np.moveaxis(a, 1, axis) for a in (X, LABELS, FACTORS))
    sums = on_branch(branch, lambda: optimized(lambda *a: _label_sums.label_sums(*a, axis))(x, labels, factors))
    top, rest, logit, mass, half = (np.ravel(s) for s in sums)
    np.testing.assert_array_equal(top, [3, 30, 2])
    np.testing.assert_allclose(rest, [np.exp(-2) + np.exp(-1), 1 + np.exp(-30), 1 + np.exp(-2)], rtol=1e-6)
    np.testing.assert_array_equal(logit, [3, 1, -np.inf])
    np.testing.assert_allclose(mass, [0.6, 1, 0.5], rtol=1e-6)
    np.testing.assert_allclose(half, [0.25, 15, 0], rtol=1e-6)


def test_programs_for_tpus_find_the_label_without_a_gather():
    """A TPU reads a whole tile for each element that it gathers."""

    def run(x, labels):
        return _label_sums.label_sums(x, labels, None, 1)

    shapes = jax.ShapeDtypeStruct((4, 300), jnp.float32), jax.ShapeDtypeStruct((4, 1), jnp.int32)
    text = {p: jax.export.export(jax.jit(run), platforms=[p])(*shapes).mlir_module() for p in ("cpu", "tpu")}
    assert "stablehlo.gather" in text["cpu"]
    assert "stablehlo.gather" not in text["tpu"]
