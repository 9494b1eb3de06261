"""The files of examples/ run as they stand, are short, and train."""

import contextlib
import io
import os
import pathlib
import re
import runpy
import subprocess
import sys

import jax
import pytest

from tests import cases, pages

FOLDER = pathlib.Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)


def _printed(path):
    """What an example prints: here in the process of the tests, and with `--every` in one that it has to itself."""
    if cases.EVERY:
        settings = ("XLA_FLAGS", "JAX_DISABLE_MOST_OPTIMIZATIONS", "KERAS_BACKEND")
        environment = {name: value for name, value in os.environ.items() if name not in settings}
        environment["PYTHONPATH"] = str(FOLDER.parent)
        command = [sys.executable, "-W", "error::DeprecationWarning:__main__", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout
    text = io.StringIO()
    with contextlib.redirect_stdout(text), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        runpy.run_path(str(path), run_name="__main__")
    return text.getvalue()


@every_example
def test_an_example_trains(path):
    if missing := pages.absent(path.read_text()):
        pytest.skip(f"{path.name} needs {' and '.join(missing)}")
    printed = _printed(path)
    first, last = map(float, re.search(r"^loss ([\d.]+) -> ([\d.]+)$", printed, re.M).groups())
    assert last < first / 2, printed
    for line in printed.splitlines():
        if line.startswith("first loss"):
            one, other = re.findall(r": (\d\.\d{6})\b", line)
            assert one == other, line


@every_example
def test_an_example_is_short_and_has_a_line_on_the_page(path):
    assert len(path.read_text().splitlines()) < 60
    assert path.stem not in sys.stdlib_module_names
    assert path.stem not in pages.IMPORTED.findall(path.read_text()), "a file that is run hides a package of its name"
    lines = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith(f"- [{path.name}]")]
    assert len(lines) == 1
    optional = set(pages.IMPORTED.findall(path.read_text())) - {"os", "jax", "numpy", "jaxloss", "optax"}
    assert optional <= set(re.findall(r"\w+", lines[0].split(":")[0].split("(")[-1])), lines


def test_the_page_names_no_example_that_is_not_there():
    named = re.findall(r"^- \[(.+?)\]", (FOLDER / "README.md").read_text(), re.M)
    assert sorted(named) == [path.name for path in EXAMPLES]
