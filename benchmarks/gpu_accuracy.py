"""The accuracy tests on the device that `gpu.py` measures."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jax

ROOT = Path(__file__).parents[1]
TESTS = "tests/sweeps/test_accuracy.py", "tests/sweeps/test_classes.py", "tests/numerics"
AT_ONCE = 8  # processes, which need hundreds of megabytes of the device each


def tested(seconds: float, log: Path, *, small: bool) -> str:
    """What came of the tests within the time, in Markdown; what they printed is in the log."""
    devices = jax.default_backend()
    environment = {
        **os.environ,
        "JAX_PLATFORMS": {"gpu": "cuda,cpu"}.get(devices, devices),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",  # the programs that users get
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    some = ["-k", "huber_loss"] if small else []
    number = "0" if small else str(min(AT_ONCE, os.cpu_count() or 1))
    command = [sys.executable, "-m", "pytest", "-vv", "--tb=short", "-n", number, "-o", "filterwarnings=default"]
    command += [*some, *(TESTS[:1] if small else TESTS)]
    with log.open("w") as out:
        tests = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
        try:
            tests.wait(seconds)
            over = ""
        except subprocess.TimeoutExpired:
            over = " The time was over before the last of them."
        finally:
            if tests.poll() is None:
                os.killpg(tests.pid, signal.SIGKILL)
    return summary(log.read_text(), over, f"`pytest {' '.join(command[3:])}` on {devices}")


def summary(printed: str, over: str, command: str) -> str:
    """Passed, failed and skipped; every failure by its name."""
    found: dict[str, list[str]] = {"PASSED": [], "FAILED": [], "SKIPPED": [], "ERROR": []}
    for line in printed.splitlines():
        # "[gw0] [ 12%] PASSED NAME" of a worker, "NAME PASSED [ 12%]" without any; the failures are listed again below.
        if (test := re.match(r"\[gw\d+\] \[ *\d+%\] (\w+) (\S.*)", line)) and test[1] in found:
            found[test[1]].append(test[2].strip())
        elif test := re.match(r"(\S.*) (PASSED|FAILED|SKIPPED|ERROR)(?: \(.*\))? +\[ *\d+%\]", line):
            found[test[2]].append(test[1])
    counts = ", ".join(f"{len(names)} {kind.lower()}" for kind, names in found.items() if names) or "none ran"
    failures = [f"- {kind.lower()}: `{name}`" for kind in ("FAILED", "ERROR") for name in found[kind]]
    return "\n".join([f"{command}: {counts}.{over}", *([""] if failures else []), *failures])
