"""Times the fused last layer beside its peers in one run, in seconds of CPU and in matrix products.

    python benchmarks/last_layer.py [--only SHAPE] [--peers NAME ...] [--repeats N] [--dtype float32] [--markdown FILE]

What is timed is the value of the mean and its gradients in hidden states and kernel, compiled by `jit` (torch: eager).
Seconds are those of all cores, which other work on the machine disturbs least; each repeat runs every contender once,
in an order that is shuffled, and a ratio is the median over the repeats of the ratio within one. A matrix product is
[N, D] times [D, V] in the same run and dtype: three are the least that a value with both gradients takes, and the
contender "three products" is these three in one program, with nothing between them.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import reporting
from jax import lax
from peers import torch
from run import about, agrees, threads
from tqdm import tqdm

import jaxloss

SHAPES = {
    "2048x512x32768": (2048, 512, 32768),
    "4096x256x32768": (4096, 256, 32768),
    "1024x1024x65536": (1024, 1024, 65536),
    "4096x512x131072": (4096, 512, 131072),
}
CHUNK = 1024  # tokens, of the checkpointed scan


def fused(mode: str) -> Callable[..., Any]:
    return lambda h, w, t: jaxloss.linear_softmax_cross_entropy(h, w, t, mode=mode)


def dense(h: Any, w: Any, t: Any) -> Any:
    logits = jnp.dot(h, w, preferred_element_type=jnp.float32)
    return optax.softmax_cross_entropy_with_integer_labels(logits, t).mean()


def checkpointed(h: Any, w: Any, t: Any) -> Any:
    """What is written by hand today: a scan over chunks of tokens whose logits are computed again."""

    @jax.checkpoint
    def of_chunk(h: Any, t: Any) -> Any:
        logits = jnp.dot(h, w, preferred_element_type=jnp.float32)
        return optax.softmax_cross_entropy_with_integer_labels(logits, t).sum()

    chunks = h.reshape(-1, min(CHUNK, len(h)), h.shape[1]), t.reshape(-1, min(CHUNK, len(h)))
    return lax.scan(lambda total, c: (total + of_chunk(*c), None), jnp.float32(0), chunks)[0] / len(h)


def contenders() -> dict[str, Callable[..., Any]]:
    found = {"fast": fused("fast"), "low_memory": fused("low_memory"), "optax": dense, "checkpoint": checkpointed}
    with suppress(ImportError):
        from jax_cce import linear_cross_entropy

        found["jax-cce"] = lambda h, w, t: linear_cross_entropy(h, w.T, t)
    with suppress(ImportError):  # Python 3.12 or newer
        from tokamax import linear_softmax_cross_entropy_loss as tokamax

        for kind in "xla", "chunked_xla":
            found[f"tokamax {kind}"] = partial(
                lambda h, w, t, kind: tokamax(h, t, w, reduction="mean", implementation=kind), kind=kind
            )
    return found


def three_products(h: Any, w: Any, t: Any) -> Any:
    """The floor: the matrix products that a value with both gradients takes, and nothing else."""
    logits = jnp.dot(h, w, preferred_element_type=jnp.float32).astype(h.dtype)
    return logits[0, 0], (logits @ w.T, h.T @ logits)


def torch_loss(h: Any, w: Any, t: Any, fused: bool) -> Any:
    f = torch.nn.functional
    if fused:  # in chunks, of the size that it chooses; without options it is the dense one
        return f.linear_cross_entropy(h, w, t, options=torch.nn.LinearCrossEntropyOptions())
    return f.cross_entropy((h @ w.T).float(), t)


def torch_step(h: Any, w: Any, t: Any, fused: bool) -> Any:
    loss = torch_loss(h, w, t, fused)
    return loss.detach(), torch.autograd.grad(loss, (h, w))


def cpu_seconds(call: Callable[[], Any]) -> float:
    start = time.process_time()
    result = jax.block_until_ready(call())
    elapsed = time.process_time() - start
    del result
    return elapsed


def plain(x: Any) -> np.ndarray:
    """An array of JAX or of torch in float32."""
    return np.asarray(x.astype(jnp.float32) if isinstance(x, jax.Array) else x.float())


def measure(
    shape: tuple[int, int, int], dtype: str, repeats: int, peers: list[str] | None
) -> tuple[dict[str, Any], list[str]]:
    n, d, v = shape
    rng = np.random.default_rng(0)
    h = rng.standard_normal((n, d), np.float32)
    w = rng.standard_normal((d, v), np.float32) / np.float32(np.sqrt(d))
    arrays = jnp.asarray(h, dtype), jnp.asarray(w, dtype), jnp.asarray(rng.integers(0, v, n), jnp.int32)
    steps = {name: jax.jit(jax.value_and_grad(f, (0, 1))) for name, f in contenders().items()}
    steps |= {"product": jax.jit(lambda h, w, t: h @ w), "three products": jax.jit(three_products)}
    wanted = {"fast", "low_memory", "optax", "product", *(peers or ())}
    timed = lambda name: peers is None or name in wanted  # noqa: E731
    programs = {name: step.lower(*arrays).compile() for name, step in steps.items() if timed(name)}
    calls = {name: partial(program, *arrays) for name, program in programs.items()}
    if torch is not None:
        kind = getattr(torch, dtype)
        given = [torch.from_numpy(x).to(kind).requires_grad_() for x in (h, np.ascontiguousarray(w.T))]
        labels = torch.from_numpy(np.asarray(arrays[2])).long()
        ways = {"torch dense": False, "torch linear_cross_entropy": True}
        calls |= {name: partial(torch_step, *given, labels, chunked) for name, chunked in ways.items() if timed(name)}
    value, (slope, _) = calls["fast"]()
    differs = []
    for name, call in calls.items():
        if name not in ("fast", "product", "three products"):
            other, (other_slope, _) = call()
            if not agrees((value, plain(slope)), (plain(other), plain(other_slope))):
                differs.append(name)
    del value, slope, other, other_slope
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in tqdm(range(repeats), desc="x".join(map(str, shape)), leave=False):
        for name in random.sample(list(calls), len(calls)):
            times[name].append(cpu_seconds(calls[name]))
    median = {name: statistics.median(t) for name, t in times.items()}
    rows = {
        name: {
            "seconds": median[name],
            "products": median[name] / median["product"],
            "of optax": statistics.median(a / b for a, b in zip(times[name], times["optax"], strict=True)),
            "temp MB": programs[name].memory_analysis().temp_size_in_bytes / 1e6 if name in programs else None,
        }
        for name in calls
        if name != "product"
    }
    return rows, differs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only shapes with this in their name")
    parser.add_argument("--peers", nargs="*", help="beside optax only these (default all)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each contender (default 5)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(threads())
    head = ["N x D x V", "contender", "CPU seconds", "matrix products", "of optax", "temp MB", "of optax's temp"]
    lines: list[list[str]] = []
    for shape, sizes in SHAPES.items():
        if options.only not in shape:
            continue
        rows, differs = measure(sizes, options.dtype, options.repeats, options.peers)
        jax.clear_caches()
        for name, row in rows.items():
            memory = row["temp MB"]
            share = "" if memory is None else f"1/{rows['optax']['temp MB'] / memory:.1f}"
            cells = [shape, name + ("*" if name in differs else ""), f"{row['seconds']:.2f}", f"{row['products']:.2f}"]
            cells += [f"**{row['of optax']:.2f}**", "" if memory is None else f"{memory:.0f}", share]
            lines.append(cells)
    report = f"{about()}\n\n{reporting.table(head, lines)}"
    print(report)
    if options.markdown:
        options.markdown.write_text(report + "\n")


if __name__ == "__main__":
    main()
