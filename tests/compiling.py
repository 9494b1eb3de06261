"""How tests compile: quickly, or as users do; and what a compiled program sends between devices."""

import math
import os
import re
from functools import partial

import jax

# tests/conftest.py turns most optimizations off: what is masked, sharded or batched does not depend on them.
jit = jax.jit
_AS_USERS = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
if "xla_cpu_use_fusion_emitters" in os.environ.get("XLA_FLAGS", ""):
    _AS_USERS["xla_cpu_use_fusion_emitters"] = True
optimized = partial(jax.jit, compiler_options=_AS_USERS)
"""`jax.jit` for tests of accuracy and of memory: the programs that users get."""


def sent(compiled):
    """The names of the collectives, and how many elements the largest of their results has."""
    operations = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
    found = re.findall(rf"= (.*?) ({operations})(?:-start)?\(", compiled.as_text())
    shapes = [re.findall(r"\[([\d,]*)\]", types) for types, _ in found]
    elements = [math.prod(int(n) for n in shape.split(",") if n) for one in shapes for shape in one]
    return {name for _, name in found}, max(elements)
