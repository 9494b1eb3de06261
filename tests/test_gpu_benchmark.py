"""The benchmark for a GPU runs from end to end, with tiny shapes on a CPU."""

import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from tests import cases

pytestmark = pytest.mark.skipif(not cases.EVERY, reason="it takes a minute or two: --every")

ROOT = pathlib.Path(__file__).parents[1]
PNG = b"\x89PNG\r\n\x1a\n"
NO_PLOT = pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="without matplotlib there is no plot")
ROWS = ("4096x32000", "65536x1000", "262144x10", "8192x131072")
SCRIPT = [sys.executable, "benchmarks/gpu.py", "--out"]
ENVIRONMENT = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
WITHIN = {**ENVIRONMENT, "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}
# The losses of the list, by the script's own modules, and none left out by them.
LIST = "import aot_rows; print(*(r.name for r in aot_rows.rows() if r.shapes is not aot_rows.FIRST), sep='\\n')"

HUNGRY = """
import gpu, last_layer

def hungry(h, w, t):
    raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.")

last_layer.contenders = lambda: {"hungry": hungry, "optax": last_layer.dense}
gpu.main()
"""


def run(folder, *options):
    done = subprocess.run([*SCRIPT, folder, *options], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def losses():
    return subprocess.check_output([sys.executable, "-c", LIST], env=WITHIN, text=True).splitlines()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return run(tmp_path_factory.mktemp("small"), "--small")


def test_every_loss_of_the_list_has_a_line(small, losses):
    table = [[c.strip() for c in line.split("|")[1:-1]] for line in (small / "gpu.md").read_text().splitlines()]
    measured = {(c[0], c[2], c[3].rstrip("*")): c[4] for c in table if len(c) == 12}
    for loss in losses:
        for dtype in ("float32", "bfloat16"):
            assert float(measured[loss, dtype, "ours"].rstrip("~")) > 0, loss
    for contender in ("auto", "fast", "low_memory", "dense", "optax", "checkpoint", "three products"):
        assert float(measured["linear_softmax_cross_entropy", "bfloat16", contender].rstrip("~")) > 0


def test_the_table_has_the_machine_the_targets_and_the_accuracy_tests(small):
    text = (small / "gpu.md").read_text()
    for what in ("versions: Python", "card: cpu", "0.85 of the copy over 1.5 floors", "at most 1.15 of three products"):
        assert what in text
    assert re.search(r"on cpu: \d+ passed\.$", text.partition("## The accuracy tests")[2], re.M)
    assert "Nothing is left out." in text


def test_the_results_have_a_figure_of_each_kind(small):
    lines = json.loads((small / "gpu.json").read_text())["lines"]
    ours = [line for line in lines if line["contender"] == "ours"]
    assert ours
    for line in ours:
        assert line["status"] == "measured"
        assert min(line[what] for what in ("ms", "gbs", "share", "floors")) > 0
        assert line["temp"] >= 0
        assert line["ratio"] == 1
    modes = [line for line in lines if line["contender"] in ("fast", "low_memory")]
    assert all(line["targets"].keys() == {"dense", "memory", "products"} for line in modes)


@NO_PLOT
def test_there_is_a_plot(small):
    assert (small / "gpu.png").read_bytes().startswith(PNG)


def test_what_finds_no_time_is_listed(tmp_path, losses):
    """With no time at all, every loss at every shape in both dtypes, and nothing of gigabytes is made."""
    folder = run(tmp_path, "--minutes", "0")
    left = (folder / "gpu.md").read_text().partition("## Not measured")[2]
    lines = json.loads((folder / "gpu.json").read_text())["lines"]
    assert {line["status"] for line in lines} == {"not measured"}
    shapes = {loss: {line["shape"] for line in lines if line["loss"] == loss} for loss in losses}
    assert all(shapes.values())
    assert shapes["softmax_cross_entropy_with_integer_labels"] == shapes["kl_divergence"] == set(ROWS)
    assert shapes["huber_loss"] == {"64M"}
    for line in lines:
        assert f"- {line['loss']} {line['shape']} {line['dtype']}: " in left


def test_a_run_that_is_killed_loses_nothing(tmp_path):
    """The JSON has what was known, and the table is made of it."""
    run_of_it = subprocess.Popen([*SCRIPT, tmp_path, "--small"], cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        known = []
        for _ in range(600):
            time.sleep(0.1)
            if (tmp_path / "gpu.json").exists():
                lines = json.loads((tmp_path / "gpu.json").read_text())["lines"]
                known = [line for line in lines if line["ms"] is not None]
            if known or run_of_it.poll() is not None:
                break
    finally:
        run_of_it.send_signal(signal.SIGKILL)
        run_of_it.wait()
    assert known
    assert not (tmp_path / "gpu.md").exists()
    subprocess.run([sys.executable, "benchmarks/gpu_report.py", tmp_path / "gpu.json"], cwd=ROOT, check=True)
    table = (tmp_path / "gpu.md").read_text()
    assert all(f"{line['ms']:.3f}" in table for line in known)
    assert table.partition("## Not measured")[2].count("\n- ") > 50


def test_a_contender_without_memory_is_a_line(tmp_path):
    command = [sys.executable, "-c", HUNGRY, "--small", "--only", "linear_softmax", "--out", tmp_path]
    subprocess.run(command, cwd=ROOT, env=WITHIN, check=True, capture_output=True)
    lines = {line["contender"]: line for line in json.loads((tmp_path / "gpu.json").read_text())["lines"]}
    assert lines.pop("hungry")["status"] == "out of memory"
    assert {line["status"] for line in lines.values()} == {"measured"}
    assert re.search(r"\| hungry +\| out of memory +\|", (tmp_path / "gpu.md").read_text())


def test_on_one_device_tests_of_many_are_skipped():
    """As on one GPU, whatever number of devices the tests make of a CPU by themselves."""
    environment = {**ENVIRONMENT, "XLA_FLAGS": "--xla_force_host_platform_device_count=1"}
    command = [sys.executable, "-m", "pytest", "-n", "0", "tests/numerics/test_mesh.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "skipped" in done.stdout
