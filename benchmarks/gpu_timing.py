"""How `gpu.py` times the contenders of one loss beside each other."""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aot_cuda
import jax
import jax.numpy as jnp
import numpy as np
from gpu_report import Line
from gpu_rows import LABELS, MODES, TORCH, Task
from peers import torch
from run import agrees

REPEATS, LEAST = 15, 5
EMPTY = 3  # empty calls: a shorter time is mostly that of calling
TOLERANCE = {"float32": 1e-3, "bfloat16": 2e-2}


class NoTimeError(Exception):
    """The minutes are over."""


@dataclass
class Clock:
    start: float
    seconds: float

    def left(self) -> float:
        return self.start + self.seconds - time.monotonic()

    def check(self) -> None:
        if self.left() <= 0:
            raise NoTimeError


def attempt(line: Line, f: Callable[[], Any]) -> Any:
    """What f returns; None where it fails, and then the line says why."""
    try:
        return f()
    except NoTimeError:
        return None
    except Exception as error:
        said = str(error).strip().partition("\n")[0][:100]
        memory = any(words in str(error).lower() for words in ("resource_exhausted", "out of memory"))
        line.status = "out of memory" if memory else f"failed: {type(error).__name__}: {said}"
        return None


def measure(task: Task, programs: dict[str, Any], clock: Clock, least: float, save: Callable[[], None]) -> None:
    """Fills in the lines of a task; programs are those that compiled. Below `least` ms calling counts."""
    unplaced = Line(task.loss, task.shape, task.dtype, "arrays")
    arrays = attempt(unplaced, lambda: clock.check() or jax.block_until_ready(task.draw()))
    if arrays is None:
        for name in (*programs, *task.torch):
            task.lines[name].status = unplaced.status
    else:
        calls = dict(begun(task, programs, arrays, clock, save))
        noted(task, repeated(task, calls, clock), least)
    save()


# --------------------------------------------------------------------------------------------------------- first calls

Calls = dict[str, Callable[[], Any]]


def begun(task: Task, programs: dict[str, Any], arrays: Any, clock: Clock, save: Callable[[], None]) -> Calls:
    """The calls of the contenders that run, once each has run; programs with fewer temporaries first."""
    calls: Calls = {}
    answers: dict[str, Any] = {}
    temp = {name: program.memory_analysis().temp_size_in_bytes for name, program in programs.items()}
    for name in (*sorted(temp, key=temp.__getitem__), *task.torch):
        line, foreign = task.lines[name], name in task.torch
        if not foreign:
            line.temp = temp[name] / 1e6
            if not task.layer:  # it has loops, whose bodies would count once
                line.floors = attempt(line, lambda: aot_cuda.traffic(programs[name]) / task.floor)

        def start() -> Any:
            clock.check()
            call = torch_call(task, name, arrays) if foreign else partial(programs[name], *arrays)
            result = first(call, line, foreign=foreign)
            return call, None if name == task.yardstick else plain(result)

        if found := attempt(line, start):
            calls[name], answers[name] = found
        save()
    ours = answers.get("fast" if task.layer else "ours")
    for name, answer in answers.items():
        if ours and answer:
            task.lines[name].differs = not agrees(ours, answer, TOLERANCE[task.dtype])
    return calls


def torch_call(task: Task, name: str, arrays: tuple[jax.Array, ...]) -> Callable[[], Any]:
    """The tensors are JAX' own arrays, but kernels, which torch wants as [V, D], and what Liger writes over."""
    given = [torch.from_dlpack(a) for a in arrays]
    given = [t.long() if t.dtype == torch.int32 else t for t in given]
    given = [given[0], given[1].T.contiguous(), given[2]] if task.layer else given
    given = [t.clone() for t in given] if name == "liger" else given
    leaves = [t.requires_grad_() for t in given[: task.differentiated]]
    loss = task.torch[name] if name == "liger" else torch.compile(task.torch[name], dynamic=False)

    def call() -> Any:
        value = loss(*leaves, *given[task.differentiated :])
        return value.detach(), torch.autograd.grad(value, leaves)

    return call


def first(call: Callable[[], Any], line: Line, *, foreign: bool) -> Any:
    """The result of a first call; the line gets what the call adds to the peak of the memory."""
    if foreign and TORCH:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = call()
        torch.cuda.synchronize()
        line.peak = (torch.cuda.max_memory_allocated() - before) / 1e6
        return result
    before, peak = in_use("bytes_in_use"), in_use("peak_bytes_in_use")
    result = jax.block_until_ready(call())
    line.peak = (in_use("peak_bytes_in_use") - before) / 1e6 if in_use("peak_bytes_in_use") > peak else None
    return result


def in_use(kind: str) -> int:
    return (jax.devices()[0].memory_stats() or {}).get(kind, 0)


def plain(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Value and gradient, at most a million elements of each, in float32 on the host."""
    value, slope = result
    some = [a.reshape(-1)[: 1 << 20] for a in (value, slope[0] if isinstance(slope, tuple) else slope)]
    a, b = (np.asarray(x.astype(jnp.float32)) if isinstance(x, jax.Array) else x.float().cpu().numpy() for x in some)
    return a, b


# ------------------------------------------------------------------------------------------------------------- repeats


def sample(call: Callable[[], Any], calls: int) -> float:
    """Milliseconds per call, of so many in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        result = None  # no two gradients are held at once
        result = call()
    jax.block_until_ready(result)
    if TORCH:
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / calls


def repeated(task: Task, calls: Calls, clock: Clock) -> dict[str, list[float]]:
    """The times of each contender, one of each repeat; those that fail on the way are left out."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    counts = dict.fromkeys(calls, 1)
    start = time.monotonic()
    for repeat in range(-1, REPEATS):  # before the first, how many calls make a sample
        if (repeat >= LEAST and time.monotonic() - start > task.pace.seconds) or (repeat > 0 and clock.left() <= 0):
            break
        for name in random.sample(list(times), len(times)):
            ms = attempt(task.lines[name], lambda: sample(calls[name], counts[name]))
            if ms is None:
                del times[name]
            elif repeat < 0:
                counts[name] = max(1, min(1000, round(1e3 * task.pace.sample / ms)))
            else:
                times[name].append(ms)
    return times


def noted(task: Task, times: dict[str, list[float]], least: float) -> None:
    for name, series in times.items():
        line = task.lines[name]
        line.status, line.ms = "measured", statistics.median(series)
        line.ratio, line.yardsticks = ratio(times, name, task.base), ratio(times, name, task.yardstick)
        line.calling = line.ms < least
        if not task.layer:
            line.gbs = task.floor / line.ms / 1e6
            copied = 2 * task.arrays[0].size * task.arrays[0].dtype.itemsize
            line.share = task.floor / copied / line.yardsticks if line.yardsticks else None
        line.targets = targets(task, line)


def targets(task: Task, line: Line) -> dict[str, bool]:
    """Whether ours is as fast and as small as it is to be."""
    if task.loss.startswith(LABELS) and line.contender == "ours" and line.share:
        return {"copy": 1.5 * line.share >= 0.85}
    dense = task.lines.get("optax")
    if not task.layer or line.contender not in MODES or not dense:
        return {}
    found = {} if line.ratio is None else {"dense": line.ratio <= 1}
    found |= {} if line.temp is None or dense.temp is None else {"memory": line.temp <= dense.temp / 10}
    return found | ({} if line.yardsticks is None else {"products": line.yardsticks <= 1.15})


def ratio(times: dict[str, list[float]], name: str, base: str) -> float | None:
    """The median over the repeats of the ratio within one."""
    if base not in times:
        return None
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))
