"""The table, the plot and the JSON of `gpu.py`.

    python benchmarks/gpu_report.py FOLDER/gpu.json

makes the first two of the last one again, for a run that was killed.
"""

import json
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import reporting

NOT = "not measured"


@dataclass
class Line:
    """One contender on one kind of data. Ratios are medians over the repeats of the ratio within one."""

    loss: str
    shape: str
    dtype: str
    contender: str
    status: str = NOT
    ms: float | None = None
    ratio: float | None = None  # to our time; of a last layer to that of the dense one
    yardsticks: float | None = None  # to the time of the copy; of a last layer to that of three products
    gbs: float | None = None  # the floor's bytes per second, in GB
    share: float | None = None  # of the bandwidth of the copy
    floors: float | None = None  # that the kernels of the program move
    temp: float | None = None  # MB
    peak: float | None = None  # MB
    differs: bool = False
    calling: bool = False  # whether the time is mostly that of calling
    targets: dict[str, bool] = field(default_factory=dict)  # whether they are met

    @property
    def data(self) -> tuple[str, str, str]:
        return self.loss, self.shape, self.dtype


@dataclass
class Results:
    about: str
    lines: list[Line]
    accuracy: str = NOT

    def save(self, path: Path) -> None:
        """In one step, so that whoever kills the run leaves a whole file."""
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(asdict(self), indent=1) + "\n")
        beside.replace(path)

    @staticmethod
    def load(path: Path) -> "Results":
        found = json.loads(path.read_text())
        return Results(found["about"], [Line(**line) for line in found["lines"]], found["accuracy"])


# -------------------------------------------------------------------------------------------------------------- table

LAYER = "linear_softmax_cross_entropy"
LEGEND = """\
Times are medians; a ratio above 1 means slower than ours, or than the dense layer under optax. `*`: value or gradient
differs from ours by more than 0.1% (bfloat16: 2%). `~`: less than three empty calls, so mostly the time of calling, and
no target is judged by it. The floor is every input read once and the gradient written once; "of the copy" is its bytes
per second over those of a copy in the same run, "floors moved" what the kernels of the program read and write over
it."""


def text(results: Results) -> str:
    places = {group: i for i, group in enumerate(dict.fromkeys(line.data for line in results.lines))}
    lines = sorted(results.lines, key=lambda line: places[line.data])  # torch may come much later than ours
    tried = [line for line in lines if line.status != NOT]
    rows, layers = ([x for x in tried if (x.loss == LAYER) is layer] for layer in (False, True))
    parts = [
        "# On this GPU", results.about, "## Losses", LEGEND, reporting.table(ROW, list(map(row_cells, rows))),
        "## The last layer inside the loss", reporting.table(HEAD, list(map(layer_cells, layers))),
        "## The accuracy tests", results.accuracy, "## Not measured", missing(lines),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


ROW = [
    "loss", "shape", "dtype", "contender", "ms", "over ours", "GB/s", "of the copy", "floors moved", "temp MB",
    "peak MB", "0.85 of the copy over 1.5 floors",
]  # fmt: skip
HEAD = [
    "loss", "shape", "dtype", "contender", "ms", "over dense", "over three products", "temp MB", "peak MB",
    "at most dense", "a tenth of its memory", "at most 1.15 of three products",
]  # fmt: skip


def row_cells(line: Line) -> list[str]:
    figures = number(line.gbs, 0), number(line.share), number(line.floors), number(line.temp, 1), number(line.peak, 1)
    return [*named(line), number(line.ratio), *figures, verdict(line, "copy")]


def layer_cells(line: Line) -> list[str]:
    figures = number(line.ratio), number(line.yardsticks), number(line.temp, 1), number(line.peak, 1)
    return [*named(line), *figures, *(verdict(line, target) for target in ("dense", "memory", "products"))]


def named(line: Line) -> list[str]:
    if line.ms is None:
        time = line.status.replace("|", "/")
    else:
        time = f"{line.ms:.3f}{'~' if line.calling else ''}"
    return [line.loss, line.shape, line.dtype, line.contender + ("*" if line.differs else ""), time]


def number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def verdict(line: Line, target: str) -> str:
    if target not in line.targets:
        return ""
    return "calling" if line.calling and target != "memory" else "met" if line.targets[target] else "**missed**"


def missing(lines: list[Line]) -> str:
    left = defaultdict(list)
    for line in lines:
        if line.status == NOT:
            left[line.data].append(line.contender)
    found = [f"- {' '.join(what)}: {', '.join(contenders)}" for what, contenders in left.items()]
    return "\n".join(found) or "Nothing is left out."


# --------------------------------------------------------------------------------------------------------------- plot


def plot(results: Results, path: Path) -> bool:
    """The share of the copy's bandwidth by loss, and time and memory of the last layer; false without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    measured = [line for line in results.lines if line.ms is not None]
    rows = [line for line in measured if line.share is not None]
    losses = list(dict.fromkeys(line.loss for line in rows))
    figure = pyplot.figure(figsize=(15, max(6, 0.26 * len(losses) + 2)), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    shares(left.subplots(), rows, losses)
    layers = [line for line in measured if line.loss == LAYER]
    above, below = right.subplots(2, 1)
    bars(above, layers, "ms", "ms, value and gradients")
    bars(below, layers, "temp", "MB of temporaries")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return True


def shares(axes: Any, rows: list[Line], losses: list[str]) -> None:
    colours = {"optax": "tab:orange", "jax": "tab:red", "torch": "tab:green", "liger": "tab:purple", "ours": "tab:blue"}
    for contender, colour in colours.items():  # ours last, on top
        some = [line for line in rows if line.contender == contender]
        if some:
            places = [losses.index(line.loss) for line in some]
            axes.scatter([line.share for line in some], places, s=18, color=colour, alpha=0.7, label=contender)
    axes.set_yticks(range(len(losses)), losses, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, None)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xlabel("floor's bytes per second over those of a copy; a point for each shape and dtype")
    if rows:
        axes.legend()
    axes.grid(axis="x", alpha=0.3)


def bars(axes: Any, layers: list[Line], what: str, label: str) -> None:
    some = [line for line in layers if getattr(line, what) is not None]
    names = [f"{line.contender}, {line.shape}" for line in some]
    axes.barh(range(len(some)), [getattr(line, what) for line in some], color="tab:blue")
    axes.set_yticks(range(len(some)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(label)


def write(results: Results, folder: Path) -> None:
    (folder / "gpu.md").write_text(text(results))
    if not plot(results, folder / "gpu.png"):
        print("matplotlib is not installed: there is no plot")


if __name__ == "__main__":
    write(Results.load(Path(sys.argv[1])), Path(sys.argv[1]).parent)
