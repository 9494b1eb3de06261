"""What every loss moves on TPUs and GPUs, from programs compiled for them ahead of time: no such device is needed.

    JAX_PLATFORMS=cpu TPU_SKIP_MDS_QUERY=1 python benchmarks/aot_rows.py [--reduced] [--only NAME] [--markdown FILE]
    JAX_PLATFORMS=cpu python benchmarks/aot_rows.py --cuda [--only NAME] [--markdown FILE]

There a loss is bound by memory traffic. The floor is every input read once and the gradient written once; the figures
are the bytes that the compiled program moves over that floor. For TPUs they are XLA's own count, with its estimate of
the time by a roofline, which is no timing; for H100s XLA counts none, and the bytes are those that the kernels of the
program read and write. Each loss is compiled with float32 and with bfloat16 arrays, as value and gradient of its mean
and as the value alone, beside the peer in JAX that moves least on the first chip, where the benchmark has one. A figure
above its limit makes the script fail.
"""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import aot
import aot_cuda
import jax
import jax.numpy as jnp
import likelihoods
import margins
import numpy as np
import peers
import reporting
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from peers import Row
from tqdm import tqdm

import jaxloss

CHIPS = "v5e", "v5p", "v6e"
ELEMENTS = {"64M": (1 << 26,)}
ROWS = {"262144x10": (262144, 10), "65536x1000": (65536, 1000), "4096x32000": (4096, 32000)}
FEWER = {name: shape for name, shape in ROWS.items() if shape[-1] < 32000}
FIRST = {"1000x65536 on axis 0": (1000, 65536), "16x21x512x512 on axis 1": (16, 21, 512, 512)}
DTYPES = "float32", "bfloat16"


class Moved(NamedTuple):
    """What one program moves."""

    over: float  # bytes over the floor
    temp: float  # MiB of temporaries
    ms: float  # the roofline's; negative where there is none


class Line(NamedTuple):
    """One loss on one kind of data, on every chip."""

    name: str
    shape: str
    dtype: str
    gradient: list[Moved]  # value and gradient
    value: list[Moved]
    peers: dict[str, Moved]  # value and gradient, on the first chip
    limits: tuple[float, float]

    @property
    def missed(self) -> bool:
        found = (max(m.over for m in moved) for moved in (self.gradient, self.value))
        return any(over > limit for over, limit in zip(found, self.limits, strict=True))


# --------------------------------------------------------------------------------------------------------------- rows


def probabilities_twice(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    x, y = peers.logits_and_distributions(shape)
    return np.exp(peers._log_normalised(x)), y


def images_and_labels(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """The classes are on the axis before the last ones."""
    return np.zeros(shape, np.float32), np.zeros(shape[1:] if len(shape) == 2 else (shape[0], *shape[2:]), np.int32)


def by_axis(x: jax.Array, labels: jax.Array) -> jax.Array:
    axis = 0 if x.ndim == 2 else 1
    return jaxloss.softmax_cross_entropy_with_integer_labels(x, labels, axis=axis)


def js_by_hand(p: jax.Array, q: jax.Array) -> jax.Array:
    log_m = jnp.log(0.5 * (p + q))
    return 0.5 * jnp.sum(jax.scipy.special.xlogy(p, p) - p * log_m + jax.scipy.special.xlogy(q, q) - q * log_m, -1)


def rows() -> list[Row]:
    """The rows of the benchmark, and those that only this script has."""
    return [
        *map(large, peers.rows()),
        Row("log_softmax", jaxloss.log_softmax, peers.errors, ROWS, {"jax": jax.nn.log_softmax}),
        Row("js_divergence", jaxloss.js_divergence, probabilities_twice, FEWER, {"jax": js_by_hand}),
        Row("js_divergence_from_logits", lambda x, y: jaxloss.js_divergence_from_logits(x, y), peers.errors, FEWER),
        Row("categorical cross-entropy of images", by_axis, images_and_labels, FIRST),
        *map(large, margins.rows()),
        *map(large, likelihoods.rows()),
    ]


def large(row: Row) -> Row:
    """A row of the benchmark at shapes that are larger than a chip's vector memory.

    Smaller arrays would be copied into it, and a copy is counted as traffic.
    """
    if all(len(shape) == 1 for shape in row.shapes.values()):
        return replace(row, shapes=ELEMENTS)
    if "65536x10" in row.shapes:
        return replace(row, shapes=ROWS if "4096x32000" in row.shapes else FEWER)
    return replace(row, shapes=dict([max(row.shapes.items(), key=lambda item: np.prod(item[1]))]))


def arrays_of(row: Row, shape: tuple[int, ...], dtype: str) -> tuple[jax.ShapeDtypeStruct, ...]:
    """The arrays of a row, floats in the dtype; only their shapes are needed, so few of a benchmark's are drawn."""
    if row.shapes is FIRST:
        drawn = [(a.shape, a.dtype) for a in row.data(shape)]
    else:
        drawn = [((shape[0], *a.shape[1:]), a.dtype) for a in row.data((2, *shape[1:]))]
    return tuple(jax.ShapeDtypeStruct(s, dtype if d == np.float32 else d) for s, d in drawn)


# ---------------------------------------------------------------------------------------------------------- compiling


def step_of(loss: Callable[..., Any], *, gradient: bool) -> Callable[..., Any]:
    """The mean of the losses, with its gradient in the predictions."""
    mean = lambda *arrays: jnp.mean(loss(*arrays))  # noqa: E731
    return jax.value_and_grad(mean) if gradient else mean


def pulled_back(f: Callable[..., Any], *, gradient: bool) -> Callable[..., Any]:
    """An array of the shape of x, with the gradient in x of its product with a cotangent."""

    def run(x: jax.Array, cotangent: jax.Array) -> Any:
        value, pull = jax.vjp(f, x)
        return value, pull(cotangent.astype(value.dtype))[0]

    return run if gradient else lambda x, cotangent: f(x)


def runner(row: Row) -> Callable[..., Any]:
    """What is made of a loss of this row: `step_of` it, or `pulled_back` where it is no loss but an array."""
    return pulled_back if row.name == "log_softmax" else step_of


def floor(row: Row, loss: Callable[..., Any], arrays: tuple[Any, ...], *, gradient: bool) -> int:
    """Bytes: every input is read once, and the gradient is written once."""
    sizes = [math.prod(a.shape) * a.dtype.itemsize for a in arrays]
    least = sum(sizes) + gradient * sizes[0]
    if runner(row) is step_of:
        return least
    # Without a gradient there is no cotangent, and the array itself is written in either case.
    written = jax.eval_shape(loss, arrays[0])
    return least - (not gradient) * sizes[1] + math.prod(written.shape) * written.dtype.itemsize


def moved(row: Row, loss: Callable[..., Any], arrays: tuple[Any, ...], chip: str, *, gradient: bool) -> Moved:
    placed = NamedSharding(aot.devices(chip, 1), P())
    given = [jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=placed) for a in arrays]
    run = runner(row)(loss, gradient=gradient)
    like = jax.tree.map(lambda _: placed, jax.eval_shape(run, *arrays))
    program = jax.jit(run, out_shardings=like).lower(*given).compile()
    least = floor(row, loss, arrays, gradient=gradient)
    temp = program.memory_analysis().temp_size_in_bytes / aot.MIB
    if chip == aot_cuda.ONE:
        return Moved(aot_cuda.traffic(program) / least, temp, -1)
    analysis = program.cost_analysis()
    return Moved(analysis["bytes accessed"] / least, temp, 1e3 * analysis["optimal_seconds"])


def line(row: Row, shape: str, dtype: str, chips: tuple[str, ...]) -> Line:
    arrays = arrays_of(row, row.shapes[shape], dtype)
    of = lambda loss, chips, gradient=True: [moved(row, loss, arrays, c, gradient=gradient) for c in chips]  # noqa: E731
    # What a peer moves differs little from chip to chip, and its programs would double the time.
    theirs = {}
    for name in {"optax", "jax"} & set(row.peers):
        with contextlib.suppress(TypeError):  # optax's sparsemax refuses bfloat16
            theirs[name] = of(row.peers[name], chips[:1])[0]
    return Line(
        row.name, shape, dtype, of(row.ours, chips), of(row.ours, chips, False), theirs, limits(row, shape, chips)
    )


def lines(only: str, chips: tuple[str, ...], *, reduced: bool) -> Iterator[Line]:
    chosen = [(r, s, d) for r in rows() for s in r.shapes for d in DTYPES if only in f"{r.name} {s} {d}"]
    if reduced:
        chosen = [(r, s, d) for r, s, d in chosen if s == "65536x1000" and r.name in REDUCED]
    for row, shape, dtype in (bar := tqdm(chosen, unit="row")):
        bar.set_postfix_str(f"{row.name} {shape} {dtype}")
        jax.clear_caches()
        yield line(row, shape, dtype, chips)


# ------------------------------------------------------------------------------------------------------------- limits

REDUCED = "softmax_cross_entropy_with_integer_labels", "softmax_cross_entropy", "softmax_focal_loss", "log_softmax"
LIMITS: dict[str, tuple[float, float]] = {
    "softmax_cross_entropy_with_integer_labels 262144x10": (7, 4),
    "softmax_cross_entropy_with_integer_labels": (1.52, 1.03),
    "softmax_cross_entropy_with_integer_labels smoothing": (1.53, 1.04),
    "softmax_cross_entropy_with_integer_labels weights": (1.53, 1.04),
    "softmax_cross_entropy_with_integer_labels z-loss": (1.53, 1.03),
    "softmax_cross_entropy_with_integer_labels all three": (1.54, 1.05),
    "softmax_cross_entropy": (1.69, 1.02),
    "softmax_focal_loss": (1.53, 1.03),
    "log_softmax": (1.52, 1.52),
    **dict.fromkeys(
        [
            *("squared_error", "l2_loss", "absolute_error", "huber_loss", "log_cosh", "poisson_nll"),
            *("poisson_nll stirling", "poisson_nll rate", "sigmoid_binary_cross_entropy", "binary_cross_entropy"),
            *("smooth_l1_loss", "hinge_loss", "squared_hinge_loss", "perceptron_loss", "soft_margin_loss"),
            *("squared_log_error", "gamma_nll", "inverse_gaussian_nll", "binomial_deviance", "von_mises_nll"),
            *("weibull_nll", "log_normal_nll", "log_logistic_nll", "hinge_embedding_loss"),
        ],
        (1.01, 1.01),
    ),
}
"""How many floors value and gradient, and the value alone, may move, by the name of the row or its name and shape.

Limits of a name are of 1000 classes or more, where the numbers of a row weigh little beside its logits.
"""


CUDA_LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        [
            *("softmax_cross_entropy_with_integer_labels", "softmax_cross_entropy_with_integer_labels weights"),
            *("softmax_cross_entropy_with_integer_labels z-loss", "softmax_focal_loss"),
        ],
        (1.53, 1.06),
    ),
    "softmax_cross_entropy_with_integer_labels smoothing": (1.55, 1.09),
    "softmax_cross_entropy_with_integer_labels all three": (1.55, 1.09),
    "softmax_cross_entropy": (1.69, 1.05),
    "hinge_embedding_loss": (1.34, 1.01),
}
"""The same on H100s, where a row of 32000 classes is reduced in parts, whose sums are written and read again."""


def limits(row: Row, shape: str, chips: tuple[str, ...]) -> tuple[float, float]:
    of = LIMITS | CUDA_LIMITS if chips == (aot_cuda.ONE,) else LIMITS
    of_name = (math.inf, math.inf) if shape == "262144x10" else of.get(row.name, (math.inf, math.inf))
    return of.get(f"{row.name} {shape}", of_name)


# ------------------------------------------------------------------------------------------------------------- report


def table(found: list[Line]) -> str:
    head = [
        "loss",
        "shape",
        "dtype",
        "over",
        "at most",
        "value alone",
        "at most",
        "ms",
        "temp MiB",
        "peer",
        "peer over",
        "",
    ]
    cells = []
    for found_line in found:
        name, theirs = min(found_line.peers.items(), key=lambda item: item[1].over, default=("", None))
        most = ["" if limit == math.inf else f"{limit:.2f}" for limit in found_line.limits]
        cells.append([
            found_line.name, found_line.shape, found_line.dtype,
            joined(found_line.gradient, "over"), most[0], joined(found_line.value, "over"), most[1],
            joined(found_line.gradient, "ms"), joined(found_line.gradient, "temp", 1),
            name, joined([theirs] if theirs else [], "over"), "**missed**" if found_line.missed else "",
        ])  # fmt: skip
    return reporting.table(head, cells)


def joined(moved: list[Moved], field: str, digits: int = 2) -> str:
    """The figure on each chip; a negative time is none."""
    figures = [getattr(m, field) for m in moved]
    return " · ".join("?" if f < 0 else f"{f:.{digits}f}" for f in figures)


def main() -> None:
    parser = aot.arguments(__doc__)
    parser.add_argument("--reduced", action="store_true", help="a few of the rows that have limits, on one chip")
    parser.add_argument("--cuda", action="store_true", help="for H100s, by XLA's compiler for CUDA")
    parser.add_argument("--only", default="", help="only rows with this in 'name shape dtype'")
    options = parser.parse_args()
    chips = (aot_cuda.ONE,) if options.cuda else CHIPS[:1] if options.reduced else CHIPS
    packages = aot_cuda.PACKAGES if options.cuda else aot.PACKAGES
    found = []
    head = f"{aot.about(packages)}\n- chips: {' · '.join(chips)}\n\n"
    for one in lines(options.only, chips, reduced=options.reduced):
        found.append(one)
        if options.markdown:  # after each row: some take minutes to compile
            options.markdown.write_text(f"{head}{table(found)}\n")
    print(head + table(found))
    if missed := [f"{one.name} {one.shape} {one.dtype}" for one in found if one.missed]:
        sys.exit(f"{len(missed)} of {len(found)} rows missed their limits: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
