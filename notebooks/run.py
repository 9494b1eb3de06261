"""Executes the notebooks, and compares what they show with what is stored in them, or stores it.

    python notebooks/run.py [--store] [NAME ...]

Texts must be the same up to their numbers, and numbers may differ by a tenth, since another processor or another
version of JAX trains a little differently. Figures must have about the same size, and be about as dark everywhere.
Of a cell with the tag `varies`, which shows times, rounding errors or how few mistakes a network makes, only the words
and the number of figures are compared.
"""

import argparse
import base64
import io
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib.image
import nbformat
import numpy as np
from nbclient import NotebookClient
from tqdm import tqdm

HERE = Path(__file__).parent
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d*)?(?:e[-+]?\d+)?")
SHOWN = "text/plain", "image/png"
AT_ONCE = 2  # each takes little more than one core
TILES = 8  # by as many, the darkness of a figure is compared


def executed(path: Path) -> Any:
    """The notebook with the outputs of today, without what belongs to this run alone."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    with tqdm(total=len(code), desc=path.stem, unit="cell") as progress:
        client = NotebookClient(
            notebook,
            timeout=None,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_executed=lambda **_: progress.update(),
        )
        client.execute()
    for cell in code:
        cell.execution_count = None
        cell.metadata = {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
        cell.outputs = [kept for output in cell.outputs if (kept := cleaned(output)) is not None]
    notebook.metadata = {key: notebook.metadata[key] for key in ("kernelspec",) if key in notebook.metadata}
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def cleaned(output: Any) -> Any:
    """An output without progress bars, warnings, counts, and addresses of objects; None if nothing is left."""
    if output.output_type == "stream":
        output.text = re.sub(r"0x[0-9a-f]{6,}", "0x...", output.text)
        return output if output.name == "stdout" else None
    output.data = {kind: output.data[kind] for kind in SHOWN if kind in output.data}
    output.metadata = {}
    if "execution_count" in output:
        output.execution_count = None
    if "text/plain" in output.data:
        output.data["text/plain"] = re.sub(r"0x[0-9a-f]{6,}", "0x...", output.data["text/plain"])
    return output if output.data else None


def texts(cell: Any) -> str:
    """All that a cell printed or returned."""
    return "".join(
        output.text if output.output_type == "stream" else output.data.get("text/plain", "") for output in cell.outputs
    )


def figures(cell: Any) -> list[np.ndarray]:
    """The figures that a cell drew, as darkness."""
    encoded = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return [matplotlib.image.imread(io.BytesIO(base64.b64decode(one)))[..., :3].mean(-1) for one in encoded]


def difference(stored: Any, now: Any) -> str:
    """How the outputs of a cell differ from what is stored; nothing if they agree."""
    old, new = texts(stored), texts(now)
    # A figure is announced by its size in pixels, which is compared below.
    before, after = (re.sub(r"<Figure.*?>", "", NUMBER.sub("#", text)).split() for text in (old, new))
    if before != after:
        return f"it printed\n{new}\nwhere\n{old}\nis stored"
    shown = figures(stored), figures(now)
    if len(shown[0]) != len(shown[1]):
        return f"it drew {len(shown[1])} figures where {len(shown[0])} are stored"
    if "varies" in stored.metadata.get("tags", []):
        return ""
    numbers = ([float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (old, new))
    for before, after in zip(*numbers, strict=True):
        if abs(after - before) > 0.1 * max(abs(before), abs(after)) + 1e-6:
            return f"it has {after} where {before} is stored"
    for before, after in zip(*shown, strict=True):
        if np.max(np.abs(np.subtract(before.shape, after.shape)) / before.shape) > 0.1:
            return f"a figure has {after.shape} pixels where {before.shape} are stored"
        if (off := np.max(np.abs(tiles(before) - tiles(after)))) > 0.1:
            return f"a part of a figure is lighter or darker by {off:.2f}"
    return ""


def differences(path: Path, now: Any) -> list[str]:
    """Where a run differs from what is stored."""
    stored = nbformat.read(path, as_version=4).cells
    if not any(cell.get("outputs") for cell in stored):
        return [f"{path.name}: it has no outputs to compare with; `--store` keeps those of a run"]
    return [
        f"{path.name}, cell {i}: {found}; `python notebooks/run.py --store` keeps it"
        for i, (old, new) in enumerate(zip(stored, now.cells, strict=True))
        if old.cell_type == "code" and (found := difference(old, new))
    ]


def tiles(figure: np.ndarray) -> np.ndarray:
    """The mean darkness of the parts of a figure."""
    return np.array([[part.mean() for part in np.array_split(row, TILES, 1)] for row in np.array_split(figure, TILES)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="the notebooks, without .ipynb; all by default")
    parser.add_argument("--store", action="store_true", help="keep the outputs of this run instead of comparing")
    options = parser.parse_args()
    found: list[str] = []
    paths = [HERE / f"{name}.ipynb" for name in options.names] or sorted(HERE.glob("*.ipynb"))
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn")) as pool:
        for path, now in zip(paths, pool.map(executed, paths), strict=True):
            if options.store:
                nbformat.write(now, path)
            else:
                found += differences(path, now)
    # After all progress bars, so that the end of a log says what differs.
    sys.exit("\n".join(found) or None)


if __name__ == "__main__":
    main()
