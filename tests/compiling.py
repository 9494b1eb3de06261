"""A `jit` for tests of structure: what is masked, sharded or batched does not depend on how good the machine code is.

Tests of accuracy and of memory use `jax.jit`, as users do.
"""

import math
import re
from functools import partial

import jax

# XLA's older generator of loops takes half the time; where it is gone (from JAX 0.12 on) it is not asked for.
_WISHES = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def _known(option, value):
    try:
        jax.jit(lambda: 0, compiler_options={option: value})()
    except jax.errors.JaxRuntimeError:
        return False
    return True


OPTIONS = {option: value for option, value in _WISHES.items() if _known(option, value)}
jit = partial(jax.jit, compiler_options=OPTIONS)


def sent(compiled):
    """The names of the collectives, and how many elements the largest of their results has."""
    operations = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
    found = re.findall(rf"= (.*?) ({operations})(?:-start)?\(", compiled.as_text())
    shapes = [re.findall(r"\[([\d,]*)\]", types) for types, _ in found]
    elements = [math.prod(int(n) for n in shape.split(",") if n) for one in shapes for shape in one]
    return {name for _, name in found}, max(elements)
