"""How tests compile: quickly, or as users do; and what a compiled program sends between devices."""

import importlib
import math
import re
from contextlib import contextmanager
from functools import partial
from unittest import mock

import jax
import jaxlib

# tests/conftest.py turns most optimizations off: what is masked, sharded or batched does not depend on them.
jit = jax.jit
_AS_USERS = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
if jaxlib.version.__version_info__ < (0, 12):
    _AS_USERS["xla_cpu_use_fusion_emitters"] = True
optimized = partial(jax.jit, compiler_options=_AS_USERS)
"""`jax.jit` for tests of accuracy and of memory: the programs that users get."""


@contextmanager
def quickly():
    """In this context all is compiled as `jit` does: each operation of an eager call, and what others compile.

    JAX has no public setting for that. Where the private function is gone, tests only take longer.
    """
    module = importlib.import_module("jax._src.compiler")
    given = getattr(module, "get_compile_options", None)
    if given is None:
        yield
        return

    def wished(*args, env_options_overrides=None, **more):
        return given(*args, env_options_overrides={**OPTIONS, **(env_options_overrides or {})}, **more)

    with mock.patch.object(module, "get_compile_options", wished):
        yield
    jax.clear_caches()  # so that no test of accuracy finds a program that was compiled here


def sent(compiled):
    """The names of the collectives, and how many elements the largest of their results has."""
    operations = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
    found = re.findall(rf"= (.*?) ({operations})(?:-start)?\(", compiled.as_text())
    shapes = [re.findall(r"\[([\d,]*)\]", types) for types, _ in found]
    elements = [math.prod(int(n) for n in shape.split(",") if n) for one in shapes for shape in one]
    return {name for _, name in found}, max(elements)
