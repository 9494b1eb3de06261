"""What the fused last layer costs on TPUs, from programs compiled for them ahead of time: no TPU is needed.

    JAX_PLATFORMS=cpu TPU_SKIP_MDS_QUERY=1 python benchmarks/aot.py [--reduced] [--markdown FILE]

libtpu holds the compiler; it counts memory, operations and what is sent between devices, and estimates the time by a
roofline (for each kernel, the longer of its operations and its memory traffic at the peak rates of the chip). None of
these is a timing. A figure above its limit makes the script fail.

XLA counts the body of a loop once. What a body costs is the difference between two programs, one of which has two
bodies in its loop (`unroll=2`). For the fast mode a third, of four, was on the line through both to 0.2% on v5e and
v5p, and 6% below it on v6e. With two bodies of the low-memory loop XLA copies the kernel's gradient, which it does not
with one, so of that mode operations are counted this way, but no time.
"""

import argparse
import math
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import metadata
from os import environ
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

environ.setdefault("JAX_PLATFORMS", "cpu")
environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # there is no device that two processes could fight over

import jax
import jax.numpy as jnp
import numpy as np
import optax
import reporting
from jax import export, lax
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxloss import linear_softmax_cross_entropy, shard_linear_softmax_cross_entropy

TOPOLOGIES: dict[str, dict[str, str]] = {
    chip: {"platform": "tpu", "topology_name": name}
    for chip, name in {"v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2", "8 x v5e": "v5e:2x4"}.items()
}
TOKENS, WIDTH, CLASSES = 8192, 4096, 131072
MANY = 65536  # tokens on eight devices
VOCABULARIES = CLASSES, 262144, 128256, 151936  # the last two are those of Llama 3 and Qwen 2, no multiples of a chunk
MIB = 2**20
PACKAGES = "jax", "jaxlib", "libtpu", "optax"

TEMP, SHARDED_TEMP = 330, 140  # MiB
FLOPS = {"forward": 1.05, "hidden states only": 2.05, "fast": 3.05, "low_memory": 4.05}  # matrix products
ROOFLINE = {"v5e": 1.06, "v5p": 1.0, "v6e": 1.0}  # of the dense loss
SENT = {"vocabulary": 64.2, "FSDP": 1200}  # MiB


class Figure(NamedTuple):
    chip: str
    what: str
    value: float
    unit: str
    limit: float | None = None  # none where it is there for comparison

    @property
    def missed(self) -> bool:
        return self.limit is not None and not self.value <= self.limit


class Cost(NamedTuple):
    """Of a whole program, loops multiplied out."""

    temp: float  # MiB
    products: float  # matrix products of the shape of the last layer
    ms: float  # XLA's roofline

    def plus(self, times: float, other: "Cost", one: "Cost") -> "Cost":
        """With the difference of two others so many times over; memory is not added up."""
        products, ms = (a + times * (b - c) for a, b, c in zip(self[1:], other[1:], one[1:], strict=True))
        return Cost(self.temp, products, ms)


# ---------------------------------------------------------------------------------------------------------- compiling

Loss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def dense(x: jax.Array, w: jax.Array, labels: jax.Array) -> jax.Array:
    """The loss without fusion: optax on logits in float32."""
    logits = jnp.dot(x, w, preferred_element_type=jnp.float32)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def fused(mode: str, chunk: int | None = None) -> Loss:
    return partial(linear_softmax_cross_entropy, mode=mode, chunk_size=chunk)


def compiled(
    loss: Loss,
    chip: str,
    tokens: int = TOKENS,
    classes: int = CLASSES,
    wanted: tuple[int, ...] = (0, 1),
    specs: tuple[P, P, P] | None = None,
    unroll: int = 1,
    options: dict[str, Any] | None = None,
) -> Any:
    """The loss and its gradients in bfloat16 hidden states and kernel, for one device or, with specs, for all."""
    mesh = devices(chip) if specs else devices(chip, 1)
    x, w, labels = (NamedSharding(mesh, spec) for spec in specs or (P(), P(), P()))
    shapes = (
        jax.ShapeDtypeStruct((tokens, WIDTH), jnp.bfloat16, sharding=x),
        jax.ShapeDtypeStruct((WIDTH, classes), jnp.bfloat16, sharding=w),
        jax.ShapeDtypeStruct((tokens,), jnp.int32, sharding=labels),
    )
    run = jax.value_and_grad(loss, wanted) if wanted else loss
    like = (None, tuple((x, w)[i] for i in wanted)) if wanted else None
    jax.clear_caches()  # of what was traced with other loops
    with mock.patch.object(lax, "scan", partial(lax.scan, unroll=unroll)):
        return jax.jit(run, out_shardings=like).lower(*shapes).compile(options)


@cache
def devices(chip: str, number: int | None = None) -> Mesh:
    found = topologies.get_topology_desc(**TOPOLOGIES[chip]).devices
    return Mesh(np.array(found[:number]), ("devices",), axis_types=(AxisType.Auto,))


def cost(loss: Loss, chip: str, tokens: int = TOKENS, classes: int = CLASSES, turns: int = 1, **how: Any) -> Cost:
    """With `turns` of its loop over classes or tokens, or both of its loops; 1 for a loss without one."""
    one = counted(compiled(loss, chip, tokens, classes, **how), tokens, classes)
    if turns == 1:
        return one
    # Two turns at once leave no loop of two: one of four turns, over more tokens, has the same body.
    more = tokens * max(1, 4 // turns)
    first, second = (counted(compiled(loss, chip, more, classes, unroll=n, **how), tokens, classes) for n in (1, 2))
    assert second.products > first.products
    return one.plus(turns - 1, second, first)


def counted(program: Any, tokens: int, classes: int) -> Cost:
    analysis = program.cost_analysis()
    products = analysis["flops"] / (2.0 * tokens * WIDTH * classes)
    return Cost(program.memory_analysis().temp_size_in_bytes / MIB, products, 1e3 * analysis["optimal_seconds"])


# -------------------------------------------------------------------------------------------------------- collectives

SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
# Where it is in two parts, the type of the second is that of the result.
COLLECTIVE = r"= (.*?) (all-gather|all-reduce|reduce-scatter|all-to-all|collective-permute)(?:-done)?\("


def computations(program: Any) -> tuple[dict[str, str], str]:
    """The bodies of its computations by their names, and the name of the one that it enters."""
    parts = re.findall(r"^(ENTRY )?%([\w.-]+) \(.*?\{\n(.*?)^\}", program.as_text(), re.M | re.S)
    return {name: body for _, name, body in parts}, next(name for entry, name, _ in parts if entry)


def size(kind: str) -> float:
    """The bytes of an array, or of a tuple of them, by its type in the text of a program."""
    shapes = re.findall(r"(\w+)\[([\d,]*)\]", kind)
    return float(sum(SIZES[t] * math.prod(int(n) for n in shape.split(",") if n) for t, shape in shapes))


def sent(program: Any) -> tuple[float, Counter[str]]:
    """MiB of the results of the collectives on each device, and how many of each kind; loops multiplied out."""
    bodies, entry = computations(program)

    def turns(condition: str) -> int:
        # XLA for GPUs puts the comparison, and the number with it, into a computation of its own.
        parts = [condition, *re.findall(r"calls=%([\w.-]+)", bodies[condition])]
        return max(int(n) for part in parts for n in re.findall(r" constant\((\d+)\)", bodies[part]))

    def walk(name: str) -> tuple[float, Counter[str]]:
        total, kinds = 0.0, Counter[str]()
        for line in bodies[name].splitlines():
            if found := re.search(COLLECTIVE, line):
                total += size(found[1]) / MIB
                kinds[found[2]] += 1
            loop = re.search(r"condition=%([\w.-]+), body=", line)
            times = turns(loop[1]) if loop else 1
            for called in re.findall(r"(?:calls|body|to_apply)=%([\w.-]+)", line):
                within, more = walk(called)
                total += times * within
                kinds.update({kind: times * n for kind, n in more.items()})
        return total, kinds

    return walk(entry)


# ------------------------------------------------------------------------------------------------------------ figures


def one_device(chip: str) -> Iterator[Figure]:
    naive = cost(dense, chip)
    yield Figure(chip, "dense: temporaries", naive.temp, "MiB")
    yield Figure(chip, "dense: roofline", naive.ms, "ms")
    yield from low_memory(chip, VOCABULARIES)
    whole = cost(fused("low_memory", 4096), chip, turns=CLASSES // 4096)
    yield operations(chip, "low_memory, 4096 classes at a time", whole, "low_memory")
    for chunk in (1024, 2048):
        yield from fast(chip, chunk, naive)
    yield from fast(chip, 4096, naive, ROOFLINE[chip])


def low_memory(chip: str, vocabularies: tuple[int, ...]) -> Iterator[Figure]:
    for classes in vocabularies:
        one = cost(fused("low_memory"), chip, classes=classes)
        limit = TEMP if chip == "v5p" else None
        yield Figure(chip, f"low_memory, {classes} classes: temporaries", one.temp, "MiB", limit)


def fast(chip: str, chunk: int, naive: Cost, limit: float | None = None) -> Iterator[Figure]:
    whole = cost(fused("fast", chunk), chip, turns=TOKENS // chunk)
    what = f"fast, {chunk} tokens at a time"
    yield Figure(chip, f"{what}: temporaries", whole.temp, "MiB")
    yield operations(chip, what, whole, "fast")
    yield Figure(chip, f"{what}: roofline", whole.ms / naive.ms, "x dense", limit)


def operations(chip: str, what: str, whole: Cost, kind: str) -> Figure:
    # Fewer products than the mathematics need are not a feat: the loop has more turns than it was said to have.
    assert whole.products > FLOPS[kind] - 0.06, f"{what}: {whole.products} matrix products cannot be all of them"
    return Figure(chip, f"{what}: operations", whole.products, "matrix products", FLOPS[kind])


def partial_gradients(chip: str) -> Iterator[Figure]:
    for what, wanted in (("forward", ()), ("hidden states only", (0,))):
        whole = cost(fused("fast", 1024), chip, turns=TOKENS // 1024, wanted=wanted)
        yield operations(chip, f"fast, {what}", whole, what)


def spread(chip: str, modes: tuple[str, ...], limit: float | None = None) -> Iterator[Figure]:
    """Eight devices, through `shard_linear_softmax_cross_entropy`; the limit is that of the spread vocabulary."""
    by_classes = P(), P(None, "devices"), P()
    for chunk in (2048, None):
        loss = partial(shard_linear_softmax_cross_entropy(devices(chip), vocab_axis="devices"), mode="low_memory")
        program = compiled(partial(loss, chunk_size=chunk), chip, specs=by_classes)
        what = f"vocabulary spread, low_memory, {f'{chunk} classes at a time' if chunk else 'by default'}"
        temporaries = program.memory_analysis().temp_size_in_bytes / MIB
        yield Figure(chip, f"{what}: temporaries", temporaries, "MiB", limit)
        total, kinds = sent(program)
        yield Figure(chip, f"{what}: sent", total, "MiB", SENT["vocabulary"])
        yield Figure(chip, f"{what}: all-gathers", kinds["all-gather"], "", 0)
    by_width = P("devices"), P("devices"), P("devices")
    for mode in modes:
        loss = partial(shard_linear_softmax_cross_entropy(devices(chip), fsdp_axis="devices"), mode=mode)
        program = compiled(loss, chip, MANY, specs=by_width)
        what = f"FSDP, {MANY} tokens, {mode}"
        yield Figure(chip, f"{what}: temporaries", program.memory_analysis().temp_size_in_bytes / MIB, "MiB")
        total, kinds = sent(program)
        yield Figure(chip, f"{what}: sent", total, "MiB", SENT["FSDP"])
        yield Figure(chip, f"{what}: all-gathers", kinds["all-gather"], "", 1)
        yield Figure(chip, f"{what}: reduce-scatters", kinds["reduce-scatter"], "", 1)


def exported() -> Iterator[Figure]:
    """One artifact for all platforms, which comes back and runs here."""
    platforms = "tpu", "cuda", "rocm", "cpu"
    rng = np.random.default_rng(0)
    x, w = (jnp.asarray(rng.normal(size=shape), jnp.bfloat16) for shape in ((64, 32), (32, 100)))
    labels = jnp.asarray(rng.integers(0, 100, 64))
    for mode in ("fast", "low_memory"):
        run = jax.jit(jax.value_and_grad(fused(mode, 16), (0, 1)))
        data = export.export(run, platforms=platforms)(x, w, labels).serialize()
        back = export.deserialize(data)
        gap = max(
            float(jnp.max(jnp.abs(jnp.float32(a) - jnp.float32(b))))
            for a, b in zip(jax.tree.leaves(back.call(x, w, labels)), jax.tree.leaves(run(x, w, labels)), strict=True)
        )
        what = f"{mode}, one artifact of {len(data) / 1000:.1f} kB"
        yield Figure("all", f"{what}: platforms that it lacks", len({*platforms} - {*back.platforms}), "", 0)
        yield Figure("all", f"{what}: checks disabled", len(back.disabled_safety_checks), "", 0)
        yield Figure("all", f"{what}: difference once read back, on CPU", gap, "", 0)


def figures() -> Iterator[Figure]:
    for chip in ROOFLINE:
        yield from one_device(chip)
    yield from partial_gradients("v5p")
    yield from spread("8 x v5e", ("fast", "low_memory"), SHARDED_TEMP)
    yield from exported()


def reduced() -> Iterator[Figure]:
    """What fits into a few minutes: each kind of figure once, at least."""
    yield from low_memory("v5p", VOCABULARIES[2:])
    naive = cost(dense, "v5e")
    yield from fast("v5e", 2048, naive, ROOFLINE["v5e"])
    yield from spread("8 x v5e", ("fast",), SHARDED_TEMP)
    yield from exported()


# ------------------------------------------------------------------------------------------------------------- report


def number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def table(found: list[Figure]) -> str:
    head = ["chip", "what", "value", "", "at most", ""]
    lines = []
    for f in found:
        limit = "" if f.limit is None else number(f.limit)
        verdict = "" if f.limit is None else "**missed**" if f.missed else "met"
        lines.append([f.chip, f.what, number(f.value), f.unit, limit, verdict])
    return reporting.table(head, lines)


def about(packages: tuple[str, ...]) -> str:
    return "\n".join([
        f"- command: python benchmarks/{' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}",
        f"- versions: Python {platform.python_version()}, " + ", ".join(f"{p} {metadata.version(p)}" for p in packages),
    ])  # fmt: skip


def shapes() -> str:
    return (
        f"- shapes: {TOKENS} tokens, width {WIDTH}, {CLASSES} classes, bfloat16, value and both gradients, where no "
        "other is named"
    )


def report(figures: Iterator[Figure], packages: tuple[str, ...], markdown: Path | None) -> None:
    """Prints each figure once it is known, and then their table; fails if one is above its limit."""
    found: list[Figure] = []
    start = time.monotonic()
    for figure in figures:
        found.append(figure)
        limit = "" if figure.limit is None else f" (at most {number(figure.limit)})"
        mark = "MISSED " if figure.missed else ""
        said = f"{mark}{figure.chip}, {figure.what}: {number(figure.value)} {figure.unit}".rstrip()
        print(f"{time.monotonic() - start:5.0f} s  {said}{limit}", file=sys.stderr, flush=True)
    text = f"{about(packages)}\n{shapes()}\n\n{table(found)}"
    print(text)
    if markdown:
        markdown.write_text(text + "\n")
    if missed := [f for f in found if f.missed]:
        sys.exit(f"{len(missed)} of {len(found)} figures missed: " + "; ".join(f"{f.chip}, {f.what}" for f in missed))


def arguments(doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    return parser


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--reduced", action="store_true", help="a few of them, in a few minutes")
    options = parser.parse_args()
    report(reduced() if options.reduced else figures(), PACKAGES, options.markdown)


if __name__ == "__main__":
    main()
