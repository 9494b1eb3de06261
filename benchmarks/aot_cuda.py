"""What the fused last layer costs on H100s, from programs compiled for them ahead of time: no GPU is needed.

    JAX_PLATFORMS=cpu python benchmarks/aot_cuda.py [--markdown FILE]

It is `aot.py` for XLA's compiler for CUDA, which counts memory and what is sent, but estimates no time. A kernel cannot
be timed here, so XLA writes each matrix product in Triton; on a GPU it would choose between that and cuBLAS, which is
compiled too. Limits are in MiB.
"""

import re
from collections.abc import Iterator
from typing import Any

import aot
from aot import VOCABULARIES, Figure

# What NVIDIA says of the H100 SXM: 132 multiprocessors at up to 1.98 GHz, each with 128 cores, 2048 threads, 65536
# registers and 228 KiB of shared memory, of which a block has 48 KiB, or 227 if it asks; 50 MiB of cache, and 80 GB at
# 3.35 TB/s.
H100 = """
platform_name: "CUDA"
gpu_device_info {
  name: "H100 SXM"
  device_vendor: "NVIDIA Corporation"
  cuda_compute_capability { major: 9 minor: 0 }
  clock_rate_ghz: 1.98
  core_count: 132
  fpus_per_core: 128
  threads_per_warp: 32
  threads_per_core_limit: 2048
  threads_per_block_limit: 1024
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_core: 233472
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  l2_cache_size: 52428800
  device_memory_size: 80000000000
  memory_bandwidth: 3350000000000
}
"""
ONE, EIGHT = "H100", "8 x H100"
for chip, topology in (ONE, "1x1x1"), (EIGHT, "1x8x1"):
    aot.TOPOLOGIES[chip] = {"platform": "cuda", "topology_name": "h100", "target_config": H100, "topology": topology}
CUBLAS = {"xla_gpu_enable_triton_gemm": False}

PACKAGES = "jax", "jaxlib", "jax-cuda12-pjrt", "nvidia-cublas-cu12", "nvidia-cuda-nvcc-cu12", "optax"
TEMP = 300  # MiB
LOSSES = {"dense": aot.dense, "fast": aot.fused("fast"), "low_memory": aot.fused("low_memory")}
PRODUCTS = {"dense": 3, "fast": 3, "low_memory": 4}


def products(program: Any) -> list[tuple[str, str]]:
    """The types of the operands of its matrix products, whether within fusions or calls of cuBLAS; loops count once."""
    found = []
    for body in aot.computations(program)[0].values():
        types = dict(re.findall(r"%([\w.-]+) = (\w+)\[", body))
        for line in body.splitlines():
            operands = re.search(r" (?:dot|custom-call)\(%([\w.-]+), %([\w.-]+)", line)
            if operands and (" dot(" in line or "__cublas$" in line):
                found.append((types[operands[1]], types[operands[2]]))
    return found


def traffic(program: Any) -> float:
    """The bytes that the kernels of a program read and write; loops count once.

    Each kernel reads an operand once, or the part that it gathers or slices, and writes its results once.
    """
    bodies, entry = aot.computations(program)
    total = 0.0
    types: dict[str, str] = {}
    for text in bodies[entry].splitlines():
        found = re.match(r"\s*(?:ROOT )?%([\w.-]+) = (\(.*?\)|\S+) ([\w-]+)\((.*?)\)", text)
        if not found:
            continue
        name, kind, operation, operands = found.groups()
        types[name] = kind
        if operation in ("parameter", "constant", "bitcast", "tuple", "get-tuple-element"):
            continue
        called = re.search(r"calls=%([\w.-]+)", text)
        parts = _parts(bodies[called[1]]) if called else {}
        read = {o: parts.get(i) for i, o in enumerate(re.findall(r"%([\w.-]+)", operands))}
        total += aot.size(kind) + sum(aot.size(types.get(o, "")) if part is None else part for o, part in read.items())
    return total


def _parts(body: str) -> dict[int, float]:
    """By the number of a parameter that is only gathered or sliced from: the bytes of the parts."""
    parts: dict[int, float] = {}
    for name, number in re.findall(r"%([\w.-]+) = \S+ parameter\((\d+)\)", body):
        users = [line for line in body.splitlines() if re.search(rf"[(, ]%{re.escape(name)}[,)]", line)]
        sliced = [re.search(r" = (\S+) (?:gather|dynamic-slice)\(%" + re.escape(name) + r"[,)]", u) for u in users]
        if users and all(sliced):
            parts[int(number)] = sum(aot.size(found[1]) for found in sliced if found)
    return parts


def one_device(name: str, options: dict[str, Any] | None = None) -> Iterator[Figure]:
    for what, loss in LOSSES.items():
        wide = total = 0
        for classes in VOCABULARIES:
            program = aot.compiled(loss, ONE, classes=classes, options=options)
            temporaries = program.memory_analysis().temp_size_in_bytes / aot.MIB
            limit = TEMP if what == "low_memory" else None
            yield Figure(name, f"{what}, {classes} classes: temporaries", temporaries, "MiB", limit)
            types = products(program)
            # None at all in float32 would be no feat if some were not found.
            assert len(types) == PRODUCTS[what], f"{what}: {types} are not all of its matrix products"
            wide += sum("f32" in pair for pair in types)
            total += len(types)
        limit = None if what == "dense" else 0
        yield Figure(name, f"{what}: matrix products with a float32 operand", wide, f"of {total}", limit)


def figures() -> Iterator[Figure]:
    yield from one_device(ONE)
    yield from one_device(f"{ONE}, cuBLAS", CUBLAS)
    yield from aot.spread(EIGHT, ("fast", "low_memory"))


if __name__ == "__main__":
    aot.report(figures(), PACKAGES, aot.arguments(__doc__).parse_args().markdown)
