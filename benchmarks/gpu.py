"""Measures every loss and the fused last layer on the GPU of this machine, unattended, within a number of minutes.

    python benchmarks/gpu.py [--minutes 9] [--only NAME] [--peers NAME ...] [--small] [--out FOLDER]

Measured is the value with its gradient: of the mean loss in the predictions, of the last layer in hidden states and
kernel. Contenders are compiled and run once; then each repeat times all of them, in an order that is shuffled, and a
time is the median over the repeats. A sample is as many calls in a row as take 20 ms, with one wait after the last, so
that calling costs nothing beside longer programs; a time of less than three empty calls is marked, for it is mostly
that of calling. A copy of the predictions is a contender too: the bytes that a loss has to read and to write, its
floor, per second are given over those of the copy. Floors moved are the bytes that the kernels of the program read and
write, by its text; temporaries are the compiler's count. Peak memory is the device's own count of what a first call
adds, given where that call raised it: JAX cannot set it back, so programs with fewer temporaries run first. Arrays are
made on the device: rows drawn from a sample of a few megabytes, hidden states and kernels from a normal distribution.

Then the accuracy tests run on the device, with matrix products at the highest precision: by default GPUs round float32
operands to TF32. They begin when two thirds of the time are over or all is measured, and get what is left.

Each result is in gpu.json as soon as it is known. At the end the table is in gpu.md and the plot in gpu.png, of which
`gpu_report.py` makes both again from the JSON of a run that was killed. What found no time is listed as not measured.
With --small the shapes are so small that a CPU is done in a minute or two: it shows that the script runs, and no more.

Not measured: second derivatives, several devices, classes on an axis that is not the last, eager calls, compiling.
"""

from os import environ

# Empty, JAX takes a GPU where there is one; what `make aot` imports would choose the CPU. Torch needs memory too.
environ.setdefault("JAX_PLATFORMS", "")
environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import gpu_accuracy
import gpu_report
import gpu_rows
import jax
import jax.numpy as jnp
import run
from gpu_report import Results
from gpu_rows import TORCH, Task
from gpu_timing import EMPTY, Clock, attempt, measure, sample
from peers import torch
from tqdm import tqdm

TOGETHER = 8  # losses whose programs are compiled side by side
ACCURACY = 2 / 3  # of the time, after which the accuracy tests begin


def compiled(task: Task, name: str, clock: Clock) -> Any:
    def program() -> Any:
        clock.check()
        return jax.jit(task.steps[name]).lower(*task.arrays).compile()

    return attempt(task.lines[name], program)


def programs(batch: list[Task], clock: Clock) -> list[dict[str, Any]]:
    """The programs of JAX of each task, those that can be compiled."""
    # XLA times matrix products to choose from them: nothing else may run then.
    workers = 1 if batch[0].layer else max(1, run.threads() - 1)
    with ThreadPoolExecutor(workers) as pool:
        jobs = [{name: pool.submit(compiled, task, name, clock) for name in task.steps} for task in batch]
        found = [{name: job.result() for name, job in of_task.items()} for of_task in jobs]
    return [{name: program for name, program in of_task.items() if program is not None} for of_task in found]


def batches(tasks: list[Task]) -> Iterator[list[Task]]:
    layers = sum(task.layer for task in tasks)
    yield from ([task] for task in tasks[:layers])
    yield from (tasks[i : i + TOGETHER] for i in range(layers, len(tasks), TOGETHER))


def measured(tasks: list[Task], results: Results, clock: Clock, options: argparse.Namespace) -> None:
    """One task after the other, and the accuracy tests once, in between if need be, while there is time."""
    save = partial(results.save, options.out / "gpu.json")
    empty = sample(partial(jax.jit(lambda x: x + 1), jnp.float32(0)), 1000)
    results.about += f"\n- an empty call takes {1e3 * empty:.1f} microseconds"
    save()

    def test() -> None:
        bar.set_postfix_str("accuracy tests")
        results.accuracy = gpu_accuracy.tested(clock.left(), options.out / "accuracy.log", small=options.small)
        save()

    with tqdm(total=len(tasks), unit="row") as bar:
        for batch in batches(tasks):
            if results.accuracy == gpu_report.NOT and 0 < clock.left() < (1 - ACCURACY) * clock.seconds:
                test()
            if clock.left() <= 0:
                break
            bar.set_postfix_str(f"compiling {batch[0].loss} {batch[0].shape}")
            for task, found in zip(batch, programs(batch, clock), strict=True):
                bar.set_postfix_str(f"{task.loss} {task.shape} {task.dtype}")
                measure(task, found, clock, EMPTY * empty, save)
                bar.update()
            jax.clear_caches()
            if TORCH:
                torch._dynamo.reset()  # else a second shape of a loss is compiled for any shape
        if results.accuracy == gpu_report.NOT and clock.left() > 0:
            test()


def card() -> str:
    """What JAX and nvidia-smi say of the card, and the peers that cannot be measured on it."""
    wanted = "name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.memory"
    found = run.said(["nvidia-smi", f"--query-gpu={wanted}", "--format=csv"]).splitlines()
    absent = [] if TORCH else ["torch, which sees no GPU"]
    absent += [package for package in ("liger-kernel", "jax-cce") if not run.has(package)]
    lines = [f"card: {jax.devices()[0].device_kind}", *(f"nvidia-smi: {line}" for line in found)]
    lines += [f"peers that are not here: {', '.join(absent)}"] if absent else []
    return "\n".join(f"- {line}" for line in lines)


def main() -> None:
    start = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9, help="after which nothing is begun (default 9)")
    parser.add_argument("--only", default="", help="only rows with this in 'name shape dtype'")
    parser.add_argument("--peers", nargs="*", help="beside ours only these (default all)")
    parser.add_argument("--small", action="store_true", help="tiny shapes, to show that the script runs")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="the folder of the results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated: what is known is in the table"))
    tasks = [task for task in gpu_rows.tasks(small=options.small, peers=options.peers) if options.only in task.id]
    results = Results(f"{run.about()}\n{card()}", [task.lines[name] for task in tasks for name in task.wanted])
    try:
        measured(tasks, results, Clock(start, 60 * options.minutes), options)
    finally:
        results.save(options.out / "gpu.json")
        gpu_report.write(results, options.out)
        print(f"{options.out}/gpu.md, gpu.json, gpu.png")


if __name__ == "__main__":
    main()
