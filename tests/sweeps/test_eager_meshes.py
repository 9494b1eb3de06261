"""Eager gradients of arrays on explicit meshes: with `--every` of every loss over rows and of each kind, else of a few.

Operation by operation a derivative rule has concrete arrays where `jit` has tracers, and JAX gives what is made from
them, a constant of their shape, another sharding. Two devices show it as eight do.
"""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests import cases
from tests.cases import Case
from tests.compiling import jit

KINDS = cases.kinds()
# How an array is placed does not depend on the formula of one element. Two devices take an even number of classes.
asked = [case for case in cases.each_if_slow() if case in KINDS or not case.elementwise]
asked = [case.sized(c=4 if case.least_classes <= 4 else 6, d=4) for case in asked]


def _placed(case: Case, mesh, values):
    """Arrays cut over the batch and the classes, as many as have those axes."""

    def put(x, axes):
        spec = P(*({"b": "data", "c": "model"}.get(axis) for axis in axes))
        return jax.device_put(x, NamedSharding(mesh, spec))

    arrays, numeric, where = values
    axes = {k: domain.axes.replace("...", "b") for k, domain in case.arrays.items()}
    return (
        {k: put(x, axes[k]) for k, x in arrays.items()},
        {k: put(x, "c" if k in case.per_class else "") for k, x in numeric.items()},
        put(where, "b"),
    )


@pytest.mark.parametrize("case", asked, ids=lambda case: case.id)
def test_a_gradient_that_is_not_compiled(case):
    """In the arrays, and in the options alone: what is not differentiated stays concrete in the function's body."""
    arrays, numeric = case.draw(seed=61, batch=(4,)), case.numeric()
    values = arrays, numeric, np.array([True, False, True, True])

    def in_arrays(arrays, numeric, where):
        mean = lambda some: case.reduced(case.make(numeric), {**arrays, **some}, where=where)
        return jax.value_and_grad(mean)({k: arrays[k] for k in case.differentiable})

    def in_options(arrays, numeric, where):
        mean = lambda numeric: case.reduced(case.make(numeric), arrays, where=where)
        return jax.value_and_grad(mean)(numeric)

    steps = [in_arrays, in_options] if numeric else [in_arrays]
    expected = jit(lambda *values: [step(*values) for step in steps])(*values)
    mesh = jax.make_mesh((1, 2), ("data", "model"), devices=jax.devices()[:2], axis_types=(AxisType.Explicit,) * 2)
    with jax.set_mesh(mesh):
        got = [step(*_placed(case, mesh, values)) for step in steps]
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        b = np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6 * np.abs(b).max(initial=0), err_msg=case.id)
