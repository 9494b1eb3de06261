"""Every loss that a peer has is timed beside it, and the report says where a peer is faster or holds less."""

import json
import os
import pathlib
import subprocess
import sys
import tomllib

import pytest

import jaxloss

ROOT = pathlib.Path(__file__).parents[1]
COLUMNS = {"optax": "optax", "Keras": "keras", "PyTorch": "torch"}
# Names of the catalogue without a row, and why.
NOT_TIMED = {
    "Loss": "no loss, but what all losses are",
    "smooth_labels": "targets, and no loss",
    "convex_kl_divergence": "the old name of generalized_kl_divergence",
    "linear_softmax_cross_entropy": "last_layer.py times it, with both gradients",
}
ROWS = """
import json, embeddings, likelihoods, margins, peers
rows = (*peers.rows(), *margins.rows(), *embeddings.rows(), *likelihoods.rows())
print(json.dumps([(row.name.split()[0], [*row.peers]) for row in rows]))
"""
REPORT = """
import run
ms, temp = {"ours": 2.0, "optax": 1.0, "keras": 3.0, "copy": 1.0}, {"ours": 4.0, "optax": 4.0, "keras": 2.0}
result = run.Result("loss", "1M", ms, {"optax": [0.5], "keras": [1.5]}, 1.0, temp, 1.0, [])
print(run.table([result]), run.slower([result]), run.fuller([result]), sep="\\n")
"""


def _within(script):
    for name in ("optax", "keras", "torch", "tqdm"):
        pytest.importorskip(name)
    paths = os.pathsep.join((str(ROOT), str(ROOT / "benchmarks")))
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}
    return subprocess.check_output([sys.executable, "-c", script], env=environment, text=True).splitlines()


def test_every_loss_has_a_row_beside_each_library_that_has_it():
    timed = {(name, peer) for name, columns in json.loads(_within(ROWS)[-1]) for peer in columns}
    catalogue = tomllib.loads((ROOT / "docs" / "catalogue.toml").read_text(encoding="utf-8"))
    wanted = set()
    for library, entries in catalogue.items():
        for entry in entries:
            # Names of optax are names here too, and one whose native loss is another one is a function of its own.
            own = [n for n in entry["names"].split() if library == "optax" and hasattr(jaxloss, n)]
            wanted |= {(name, COLUMNS[library]) for name in (*entry["native"].split(), *own)}
    missing = {(name, peer) for name, peer in wanted - timed if name not in NOT_TIMED}
    assert not missing, f"benchmarks/ has no row of {sorted(missing)}"
    assert NOT_TIMED.keys() <= {name for name, _ in wanted - timed}, (
        "NOT_TIMED has what has a row, or is in no catalogue"
    )


def test_the_report_lists_who_is_faster_and_who_holds_less():
    head, _, row, faster, fuller = _within(REPORT)
    columns = dict(zip(*([cell.strip() for cell in line.split("|")] for line in (head, row)), strict=True))
    assert columns["optax temp MB"] == "4.00"
    assert columns["keras temp MB"] == "2.00"
    assert faster == "- loss, 1M: optax / ours 0.50, in each process 0.50"
    assert fuller == "- loss, 1M: 4.00 MB, keras 2.00"
