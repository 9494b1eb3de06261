"""The README is short, and each of its numbers is one that is computed here, or that stands where it was measured."""

import ast
import inspect
import pathlib
import re
import runpy
import tomllib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxloss
from tests import cases, test_reduce
from tests.compiling import optimized

ROOT = pathlib.Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FLAT = " ".join(TEXT.split())
NAME = "softmax_cross_entropy_with_integer_labels"


def test_it_is_a_door():
    assert len(TEXT.splitlines()) <= 110
    assert ">>>" not in TEXT, "a copy button takes the prompts along"
    for target in re.findall(r'(?:\]\(|src="|srcset=")(?!\w+:)([^)"#]+)', TEXT):
        assert (ROOT / target).exists(), target
    order = ["<picture>", "- **", "## Install", "## A training step", "## Where optax", "## Coming from", "## Read on"]
    assert [TEXT.index(part) for part in order] == sorted(TEXT.index(part) for part in order)


def test_every_notebook_is_linked():
    tour = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"](notebooks/{path.name})" in TEXT, path.name
        assert f"`{path.name}`" in tour, path.name


def test_the_picture_says_what_is_measured():
    pictures = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        sentence = pictures["sentence"](pictures["measured"]())
    assert f'alt="{sentence}"' in TEXT
    units, margin = re.search(r"within (\S+) units in the last place up to (\d+)\.", sentence).groups()
    assert f"within {units} units in the last place up to a margin of {margin} (the" in FLAT
    assert f"the first {pictures['SHOWN']})" in FLAT
    for theme in pictures["THEMES"]:
        picture = (ROOT / "docs" / "pictures" / f"confidence-{theme}.svg").read_text()
        assert sentence.replace("'", "&#x27;") in picture or sentence in picture, (
            "python docs/pictures.py draws it anew"
        )


def _answers(library, logits, labels, keep):
    """The mean over what is kept, and the slopes, as each library has it masked."""
    loss = getattr(library, NAME)
    if library is jaxloss:
        mean = lambda x: loss(x, labels, where=keep).sum() / keep.sum()
    else:
        mean = lambda x: loss(x, labels).mean(where=keep)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        value, slopes = jax.value_and_grad(mean)(logits)
    return float(value), np.asarray(slopes)


def test_where_optax_differs():
    """Each cell is what its library computes."""
    lines = [line for line in TEXT.splitlines() if line.startswith("| logits")]
    assert len(lines) == 3
    for line in lines:
        what, theirs, ours = (cell.strip() for cell in line.strip("|").split("|"))
        logits = jnp.atleast_2d(jnp.array(eval(re.search(r"logits `(.+?)`", what)[1], {"nan": jnp.nan}), jnp.float32))
        label = ast.literal_eval(re.search(r"label (-?\d+)", what)[1]) if "label" in what else 0
        labels = jnp.full(len(logits), label)
        keep = jnp.arange(len(logits)) < (1 if "second row masked" in what else len(logits))
        for library, cell in ((optax.losses, theirs), (jaxloss, ours)):
            value, slopes = _answers(library, logits, labels, keep)
            slope = slopes[0, 0] if "slope at the label" in what else np.abs(slopes).max()
            assert cell == f"{value:.3g}; {slope:.3g}", f"{library.__name__}: {what}"


def test_the_numbers_of_losses():
    counts = {key: len(rows) for key, rows in tomllib.loads((ROOT / "docs" / "catalogue.toml").read_text()).items()}
    told = (
        f"All {counts['optax']} losses of `optax.losses`, {counts['Keras']} of Keras and {counts['PyTorch']} of PyTorch"
    )
    assert told in FLAT
    losses = len({case.fn for case in cases.collect()})
    assert f"each of the {losses} losses" in FLAT, f"README.md: there are {losses} losses by now"


def test_bytes_that_move_are_those_of_the_benchmarks():
    """`benchmarks/aot_rows.py` holds the first to its limit."""
    table = (ROOT / "benchmarks" / "README.md").read_text()
    row = lambda name: re.search(rf"^\| {name} +\| (\d+\.\d+)", table, re.M)[1]
    assert f"moves {row(NAME)} times the bytes that have to move, optax's {row('optax, integer labels')} times" in FLAT


def test_the_mean_of_many_losses():
    """Held by the test of this name in test_reduce.py."""
    test = inspect.getsource(test_reduce.test_the_mean_of_a_hundred_million_losses_keeps_its_digits)
    assert "(10**8,)" in test
    assert "rtol=1e-6" in test
    assert "the mean of 10^8 losses stays within 1e-6" in FLAT


@pytest.mark.skipif(not cases.EVERY, reason="two large programs: --every")
def test_the_memory_of_a_last_layer():
    told = re.search(r"hold (\d+) MB beside their results .* and (\d+) MB with optax", FLAT)
    of = jax.ShapeDtypeStruct
    arrays = of((2048, 256), jnp.float32), of((256, 32000), jnp.float32), of((2048,), jnp.int32)

    def fused(hidden, kernel, labels):
        return jaxloss.linear_softmax_cross_entropy(hidden, kernel, labels, mode="low_memory").mean()

    def dense(hidden, kernel, labels):
        return getattr(optax.losses, NAME)(hidden @ kernel, labels).mean()

    for loss, megabytes in zip((fused, dense), told.groups(), strict=True):
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            compiled = optimized(jax.value_and_grad(loss, (0, 1))).lower(*arrays).compile()
        assert round(compiled.memory_analysis().temp_size_in_bytes / 1e6) == int(megabytes)


def _ratios(page: str) -> dict[str, list[float]]:
    """Of the tables of a page, the peer's time over ours in all rows, by peer."""
    found: dict[str, list[float]] = {}
    heads: list[str] = []
    for line in page.splitlines():
        cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
        if line.startswith("| loss "):
            heads = cells
        elif not line.startswith("|"):
            heads = []
        elif not line.startswith("| ---"):
            for head, cell in zip(heads, cells, strict=False):
                if head.endswith(" / ours") and cell:
                    found.setdefault(head.removesuffix(" / ours"), []).append(float(cell))
    return found


def test_the_head_of_the_benchmarks_is_what_their_tables_say():
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    head, ratios = " ".join(page.partition("## How it is measured")[0].split()), _ratios(page)
    optax_rows = ratios["optax"]
    twice = sum(ratio >= 2 for ratio in optax_rows)
    assert f"{np.median(optax_rows):.2f} times as fast as optax's (median of {len(optax_rows)} rows, {twice} of" in head
    assert f"{sum(ratio < 0.95 for ratio in optax_rows)} of the {len(optax_rows)} rows" in head
    for name, peer in {"those of Keras on JAX": "keras", "PyTorch's, eager": "torch"}.items():
        rows = ratios[peer]
        assert f"{int(100 * np.median(rows)) / 100:.2f} times as fast as {name} ({len(rows)} rows)" in head
    for figure in ("1.51, 1.01", "160.1", "8192.0"):
        assert f"| {figure} " in page
