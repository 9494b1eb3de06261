"""Every case, with its gradient, is lowered for TPUs and GPUs by `jax.export`, stored, read back and called."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from tests import cases
from tests.cases import SIZES, Case
from tests.compiling import jit

PLATFORMS = ("cpu", "tpu", "cuda")


def _step(case: Case):
    form = case.make()

    def mean(p, arrays, where):
        return case.reduced(form, {**arrays, case.predictions: p}, where=where)

    return jax.jit(lambda arrays, where: jax.value_and_grad(mean)(arrays[case.predictions], arrays, where))


@pytest.mark.parametrize("case", cases.richest(), ids=lambda case: case.id)
def test_one_artifact_serves_every_platform_batch_and_number_of_classes(case):
    """Symbolic shapes: of the batch; of the classes, but for a loss with one weight for each; of frames and labels."""
    letters = {"c": "c", "t": "t"}
    fixed = any(isinstance(option, cases.Domain) for option in case.options.values()) or "c" in case.sizes
    if fixed:
        del letters["c"]
    names = ("b", *letters.values())
    symbols = dict(zip(names, export.symbolic_shape(",".join(names)), strict=True))
    sizes = {letter: symbols.get(letters.get(letter), n) for letter, n in (SIZES | case.sizes).items()}
    specs = {}
    for name, domain in case.arrays.items():
        dtype = jnp.float32 if domain.differentiable else jnp.int32
        specs[name] = jax.ShapeDtypeStruct(domain.shape((symbols["b"],), sizes), dtype)
    step = _step(case)
    # One program with the lowering rules of all platforms in it: a primitive without a rule for one of them raises.
    exported = export.export(step, platforms=PLATFORMS)(specs, jax.ShapeDtypeStruct((symbols["b"],), jnp.bool_))
    restored = export.deserialize(bytearray(exported.serialize()))
    assert restored.platforms == PLATFORMS
    if not (cases.EVERY or case in cases.kinds()):
        return  # what is stored of one program is what is stored of another
    both = jit(lambda *arguments: (restored.call(*arguments), step(*arguments)))
    shapes = ((8, SIZES["c"] if fixed else 9), (3, SIZES["c"]))
    for batch, classes in shapes if cases.EVERY else shapes[:1]:
        arrays = case.sized(c=classes).draw(seed=4, batch=(batch,))
        answers = both(arrays, np.arange(batch) != 1)
        for got, expected in zip(*answers, strict=True):
            assert got.shape == expected.shape
            assert np.all(np.isfinite(expected))
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
