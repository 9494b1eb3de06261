"""Times every loss beside its peers in one run.

    python benchmarks/run.py [--only NAME] [--processes N] [--repeats N] [--seconds S] [--markdown FILE]

What is timed is `value_and_grad` of the mean loss in the predictions, compiled by `jit` (torch: eager, with autograd),
until the result is ready. Machines are noisy, so a repeat times every contender once, in an order that is shuffled from
repeat to repeat, and the ratio of a process is the median over its repeats of the ratio within one repeat. A contender
far behind is timed three times only, those close to us nine times or more. Where the programs and their arrays happen
to lie in memory favours one of two equal programs by up to a tenth, for as long as the process lives: so several
processes measure, and the ratio of a row is the median of theirs.
"""

import argparse
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from os import environ, getloadavg, sched_getaffinity
from pathlib import Path
from typing import Any

import embeddings
import jax
import jax.numpy as jnp
import likelihoods
import margins
import numpy as np
import peers
import reporting
from peers import Row, torch
from tqdm import tqdm

SAMPLE = 0.01  # seconds that a sample lasts at least: short calls are repeated within it
SLOWER = 0.95
LEAST = 3  # repeats, however slow
CLOSE = 2  # a contender that takes this many times our time, or more, is not asked more often than LEAST
LEAST_OF_CLOSE = 9
PACKAGES = (
    "jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin", "optax", "torch", "triton", "keras", "jax-cce",
    "tokamax", "liger-kernel", "numpy",
)  # fmt: skip
COLUMNS = ("optax", "torch", "keras", "jax")
HELD = ("optax", "keras", "jax")  # of whose programs XLA counts the temporaries
NOTED = 0.1  # MB of temporaries that a program holds more than a peer's, at least, before it is listed


@dataclass
class Result:
    name: str
    shape: str
    ms: dict[str, float]  # the median of each contender, "ours" and "copy" among them
    ratios: dict[str, list[float]]  # peer / ours, in each process
    floor: float  # ms
    temp: dict[str, float]  # MB of temporaries of the compiled program
    temp_share: float  # ours, of the predictions
    differs: list[str]  # peers whose value or gradient is not ours

    def ratio(self, peer: str) -> float:
        return statistics.median(self.ratios[peer])


def compiled(loss: Callable[..., Any], arrays: tuple[jax.Array, ...]) -> Any:
    step = jax.jit(jax.value_and_grad(lambda x, y: jnp.mean(loss(x, y))))
    return step.lower(*arrays).compile()


def torch_step(loss: Callable[..., Any], x: Any, y: Any) -> tuple[Any, Any]:
    value = loss(x, y)
    return value.detach(), torch.autograd.grad(value, x)[0]


def sample(call: Callable[[], Any], calls: int) -> float:
    """Milliseconds per call. Results are dropped outside the clock: all of them cost the same to free."""
    elapsed = 0.0
    for _ in range(calls):
        start = time.perf_counter()
        result = jax.block_until_ready(call())
        elapsed += time.perf_counter() - start
        del result
    return 1e3 * elapsed / calls


def agrees(ours: Any, theirs: Any, tolerance: float = 1e-3) -> bool:
    """Whether values and gradients agree as float32 of different roundings do; of the gradients the first million."""
    value, slope, other, other_slope = (np.asarray(a).reshape(-1)[: 1 << 20] for a in (*ours, *theirs))
    scale = np.abs(slope).max()
    return np.allclose(value, other, rtol=tolerance) and bool(np.abs(slope - other_slope).max() <= tolerance * scale)


def measure(row: Row, shape: str, repeats: int, seconds: float) -> Result:
    host = row.data(row.shapes[shape])
    arrays = tuple(jnp.asarray(a) for a in host)
    # The floor's yardstick: read an array of the predictions' size, write one into fresh memory, as a gradient is.
    programs = {"copy": jax.jit(lambda x, y: -x, keep_unused=True).lower(*arrays).compile()}
    calls = {}
    contenders = [("ours", row.ours), *row.peers.items()]
    random.shuffle(contenders)
    for name, loss in contenders:
        if name == "torch":
            if torch is not None:
                x = torch.from_numpy(host[0]).requires_grad_()
                y = torch.from_numpy(host[1])
                y = y.long() if y.dtype == torch.int32 else y
                calls[name] = partial(torch_step, loss, x, y)
        else:
            programs[name] = compiled(loss, arrays)
    calls |= {name: partial(program, *arrays) for name, program in programs.items()}

    calls["copy"]()
    ours = calls["ours"]()
    differs = [n for n in calls if n not in ("ours", "copy") and not agrees(ours, calls[n]())]
    del ours

    counts = {}  # every contender has run once, for the comparison
    for name, call in calls.items():
        counts[name] = max(1, min(50, int(1e3 * SAMPLE / sample(call, 1))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, start = list(calls), time.perf_counter()
    for repeat in range(repeats):
        if repeat >= LEAST_OF_CLOSE and time.perf_counter() - start > seconds:
            break
        if repeat == LEAST:
            far = CLOSE * statistics.median(times["ours"])
            order = [name for name in calls if statistics.median(times[name]) < far]
        random.shuffle(order)
        for name in order:
            time.sleep(0.002)  # threads of the last contender that still spin, waiting for work, have gone to sleep
            times[name].append(sample(calls[name], counts[name]))

    ms = {name: statistics.median(t) for name, t in times.items()}
    ratios = {
        name: [statistics.median(theirs / mine for theirs, mine in zip(times[name], times["ours"], strict=False))]
        for name in times
        if name not in ("ours", "copy")
    }
    predictions, targets = (a.nbytes for a in host)
    temp = {name: p.memory_analysis().temp_size_in_bytes / 1e6 for name, p in programs.items()}
    return Result(
        name=row.name,
        shape=shape,
        ms=ms,
        ratios=ratios,
        # Predictions and targets are read once and the gradient is written once, at the speed of the copy.
        floor=ms["copy"] * (2 * predictions + targets) / (2 * predictions),
        temp=temp,
        temp_share=temp["ours"] * 1e6 / predictions,
        differs=differs,
    )


def measured(process: str, only: str, repeats: int, seconds: float) -> list[Result]:
    """What one process measures of all the rows that are asked for."""
    if torch is not None:
        torch.set_num_threads(threads())
    rows = (*peers.rows(), *margins.rows(), *embeddings.rows(), *likelihoods.rows())
    chosen = [(r, s) for r in rows for s in r.shapes if any(name in f"{r.name} {s}" for name in only.split(","))]
    results = []
    for row, shape in (bar := tqdm(chosen, process, unit="row")):
        bar.set_postfix_str(f"{row.name} {shape}")
        results.append(measure(row, shape, repeats, seconds))
        jax.clear_caches()
    return results


def merged(results: tuple[Result, ...]) -> Result:
    """One row of the table, from what each process measured of it."""
    return replace(
        results[0],
        ms={name: statistics.median(r.ms[name] for r in results) for name in results[0].ms},
        ratios={name: [ratio for r in results for ratio in r.ratios[name]] for name in results[0].ratios},
        floor=statistics.median(r.floor for r in results),
        differs=sorted({name for r in results for name in r.differs}),
    )


# ------------------------------------------------------------------------------------------------------------- report


def table(results: list[Result]) -> str:
    columns = [c for c in COLUMNS if any(c in r.ms for r in results)]
    head = ["loss", "shape", "ours ms", "floor ms", "ours / floor"]
    head += [h for c in columns for h in (f"{c} ms", f"{c} / ours")]
    held = [c for c in HELD if any(c in r.temp for r in results)]
    head += ["temp MB", "temp % of predictions", *(f"{c} temp MB" for c in held)]
    lines = []
    for r in results:
        cells = [r.name, r.shape, f"{r.ms['ours']:.2f}", f"{r.floor:.2f}", f"{r.ms['ours'] / r.floor:.2f}"]
        for c in columns:
            mark = "*" if c in r.differs else ""
            cells += [f"{r.ms[c]:.2f}", f"**{r.ratio(c):.2f}**{mark}"] if c in r.ms else ["", ""]
        cells += [f"{r.temp['ours']:.2f}", f"{100 * r.temp_share:.2f}"]
        cells += [f"{r.temp[c]:.2f}" if c in r.temp else "" for c in held]
        lines.append(cells)
    return reporting.table(head, lines)


def slower(results: list[Result]) -> str:
    rows = [
        f"- {r.name}, {r.shape}: {peer} / ours {r.ratio(peer):.2f}, in each process {listed(ratios)}"
        for r in results
        for peer, ratios in r.ratios.items()
        if r.ratio(peer) < SLOWER
    ]
    return "\n".join(rows) or "none"


def fuller(results: list[Result]) -> str:
    rows = [
        f"- {r.name}, {r.shape}: {r.temp['ours']:.2f} MB, {peer} {r.temp[peer]:.2f}"
        for r in results
        for peer in HELD
        if peer in r.temp and SLOWER * r.temp["ours"] > r.temp[peer] and r.temp["ours"] > r.temp[peer] + NOTED
    ]
    return "\n".join(rows) or "none"


def listed(ratios: list[float]) -> str:
    return " ".join(f"{ratio:.2f}" for ratio in sorted(ratios))


def about() -> str:
    """The command, the versions and the hardware: what a figure means nothing without."""
    fields = dict(line.split(":", 1) for line in said(["lscpu"]).splitlines() if ":" in line)
    wanted = ("Model name", "CPU(s)", "Thread(s) per core", "L2 cache", "L3 cache")
    pages = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    packages = [p for p in PACKAGES if has(p)]
    lines = [
        f"command: {environment()}python benchmarks/{' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}",
        f"versions: Python {platform.python_version()}, " + ", ".join(f"{p} {metadata.version(p)}" for p in packages),
        "hardware: " + ", ".join(f"{k} {fields[k].strip()}" for k in wanted if k in fields),
        f"system: {platform.system()}, huge pages {pages.read_text().strip() if pages.exists() else 'unknown'}",
        f"threads: {threads()} for XLA and for torch; load average at the end {getloadavg()[0]:.1f}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def said(command: list[str]) -> str:
    """What a command prints; nothing where there is no such command."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def has(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def environment() -> str:
    names = ("GLIBC_TUNABLES", "XLA_FLAGS", "JAX_PLATFORMS")
    return "".join(f"{n}={environ[n]} " for n in names if environ.get(n))


def threads() -> int:
    return len(sched_getaffinity(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only rows with one of these in 'name shape', with commas between")
    parser.add_argument("--processes", type=int, default=5, help="that measure, one after the other (default 5)")
    parser.add_argument("--repeats", type=int, default=15, help="at most, in each process (default 15)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for one row, after nine repeats (default 2)")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    options = parser.parse_args()
    # Spawned, not forked: each process has a JAX of its own, whose threads do not survive a fork.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        passes = []
        for i in range(options.processes):
            name = f"process {i + 1} of {options.processes}"
            passes.append(pool.submit(measured, name, options.only, options.repeats, options.seconds).result())
    results = [merged(rows) for rows in zip(*passes, strict=True)]
    parts = [about(), table(results), f"Peer / ours below {SLOWER}:", slower(results)]
    report = "\n\n".join([*parts, "Holds more temporaries than a peer:", fuller(results)])
    print(report)
    if options.markdown:
        options.markdown.write_text(report + "\n")


if __name__ == "__main__":
    main()
