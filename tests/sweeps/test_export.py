"""Every case, with its gradient, is lowered for TPUs and GPUs by `jax.export`, stored, read back and called."""

import jax
import numpy as np
import pytest
from jax import export

from tests import cases
from tests.compiling import jit

PLATFORMS = ("cpu", "tpu", "cuda")


@pytest.mark.parametrize("case", cases.extremes(), ids=lambda case: case.id)
def test_value_and_gradient_are_exported_for_every_platform(case):
    p, t = case.draw(seed=2)
    where = np.arange(len(p)) % 4 != 0
    form = case.make()
    step = jax.jit(lambda p, t, where: jax.value_and_grad(form)(p, t, where=where))
    # One program with the lowering rules of all platforms in it: a primitive without a rule for one of them raises.
    stored = export.export(step, platforms=PLATFORMS)(p, t, where).serialize()
    restored = export.deserialize(bytearray(stored))
    assert restored.platforms == PLATFORMS
    assert [x.shape for x in restored.out_avals] == [(), p.shape]
    answers = jit(lambda *arrays: (restored.call(*arrays), step(*arrays)))(p, t, where)
    for got, expected in zip(*answers, strict=True):
        assert np.all(np.isfinite(expected))
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
