"""Eight host devices, strict promotion, a compilation cache: set before jax is imported; and how much is swept.

On a platform that JAX_PLATFORMS names, tests whose mesh is larger than its devices are skipped.
"""

import gc
import math
import os
import pathlib
from importlib.metadata import version
from types import SimpleNamespace

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compilation is most of the time of these tests, and what they ask is rarely how good the machine code is: a test of
# accuracy or of memory asks for the programs that users get by `compiling.optimized`. Before 0.12 jaxlib has an older
# generator of loops too, which takes a third of the time. Each program is compiled by one thread: the workers of a run
# have all the cores, and parts of a program to be compiled side by side are more work than the whole.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=8 --xla_cpu_parallel_codegen_split_count=1 "
    + ("--xla_cpu_use_fusion_emitters=false " if int(version("jaxlib").split(".")[1]) < 12 else "")
    + os.environ.get("XLA_FLAGS", "")  # of a flag that is given twice, the last holds
)
os.environ.setdefault("KERAS_BACKEND", "jax")
# Refusals are most of what the sweeps of errors ask for, and to filter their tracebacks takes longer than to trace.
os.environ.setdefault("JAX_TRACEBACK_FILTERING", "off")
# Compilations, short ones too, are kept from run to run and shared by the workers of a run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(__file__).parent.parent / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import pytest

from tests import cases

# What has been traced stays, and is looked through at every collection.
gc.set_threshold(500_000, 50, 100)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

_PLAIN = SimpleNamespace(params={})
_make_mesh = jax.make_mesh


def make_mesh(axis_shapes, *args, **options):
    """`jax.make_mesh`; a test that asks for more devices than one GPU, or a few, is skipped."""
    if jax.device_count() < min(8, math.prod(axis_shapes)):
        pytest.skip(f"a mesh of {axis_shapes} is more than {jax.device_count()} devices", allow_module_level=True)
    return _make_mesh(axis_shapes, *args, **options)


jax.make_mesh = make_mesh


def pytest_addoption(parser):
    parser.addoption("--every", action="store_true", help="sweep every program of every loss, not one of each loss")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What the sweeps ask of one loss comes together: each worker takes tests in a row, and traces a program once."""
    places = {}

    def place(item):
        case = next((x for x in getattr(item, "callspec", _PLAIN).params.values() if isinstance(x, cases.Case)), None)
        return -1 if case is None else places.setdefault((case.fn, case.id), len(places))

    items.sort(key=place)


def pytest_collection_finish():
    gc.freeze()  # thousands of tests, which stay


def pytest_sessionfinish():
    gc.freeze()  # what is left goes with the process: pytest looks through it five times otherwise


def pytest_configure(config):
    cases.EVERY = config.getoption("--every")  # before the modules that ask for cases are imported
