"""How tests compile: quickly, or as users do; the equations of a traced program, and what a compiled one sends."""

import math
import os
import re
from functools import partial

import jax
from jax.extend.core import jaxprs_in_params

from tests import cases
from tests.interpreting import interpreted

# tests/conftest.py turns most optimizations off: what is masked, sharded or batched does not depend on them.
jit = jax.jit
_AS_USERS = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
if "xla_cpu_use_fusion_emitters" in os.environ.get("XLA_FLAGS", ""):
    _AS_USERS["xla_cpu_use_fusion_emitters"] = True
optimized = partial(jax.jit, compiler_options=_AS_USERS)
"""`jax.jit` for tests of accuracy and of memory: the programs that users get."""


def quick(function, case=None):
    """A function like `jax.jit(function)`, in the quick tier on CPUs evaluated by NumPy: to compile takes far longer.

    With `--every` it is compiled, but for the cases of a loss that are not its richest.
    """
    compiled = cases.EVERY and (case is None or cases.is_richest(case))
    return jax.jit(function) if compiled or jax.default_backend() != "cpu" else interpreted(function)


def equations(function, *arguments):
    """Each equation of what a function traces to, with the names of the primitives whose inner programs it is in."""

    def within(jaxpr, around):
        for equation in jaxpr.eqns:
            yield equation, around
            for inner in jaxprs_in_params(equation.params):
                yield from within(inner, (*around, equation.primitive.name))

    return list(within(jax.make_jaxpr(function)(*arguments).jaxpr, ()))


def sent(compiled):
    """The names of the collectives, and how many elements the largest of their results has."""
    operations = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
    found = re.findall(rf"= (.*?) ({operations})(?:-start)?\(", compiled.as_text())
    shapes = [re.findall(r"\[([\d,]*)\]", types) for types, _ in found]
    elements = [math.prod(int(n) for n in shape.split(",") if n) for one in shapes for shape in one]
    return {name for _, name in found}, max(elements)
