"""What `gpu.py` measures: each loss and the fused last layer on arrays of the device, beside their peers.

The losses are the rows of `aot_rows.py`, but for classes on an axis that is not the last: those of elements at 64M,
those of rows at four shapes, the others at the largest shape of the benchmark. Losses that take one-hot targets are
asked for at most a thousand classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import prod
from typing import Any, NamedTuple, get_args

import aot_rows
import jax
import jax.numpy as jnp
import last_layer
import margins
import numpy as np
from gpu_report import LAYER, Line
from peers import Row, torch

from jaxloss._types import Mode

ROWS = {
    "4096x32000": (4096, 32000),
    "65536x1000": (65536, 1000),
    "262144x10": (262144, 10),
    "8192x131072": (8192, 131072),
}
LAYERS = {"8192x4096x131072": (8192, 4096, 131072), "8192x4096x151936": (8192, 4096, 151936)}
# Shapes that a CPU has done with at once, to show that the script runs; the last by the number of axes.
SMALL_ROWS, SMALL_ELEMENTS = {"64x100": (64, 100)}, {"4096": (4096,)}
SMALL_LAYERS = {"64x16x256": (64, 16, 256)}
SMALL = {2: (8, 32), 3: (4, 64, 10), 4: (4, 16, 8, 4)}

LABELS = "softmax_cross_entropy_with_integer_labels"
IMPORTANT = (
    LABELS, "softmax_cross_entropy", "sigmoid_binary_cross_entropy", "log_softmax", "kl_divergence",
    "softmax_focal_loss", "huber_loss", "poisson_nll", "squared_error",
)  # fmt: skip
MODES = get_args(Mode)
COPY, PRODUCTS = "copy", "three products"
HOST = 1 << 22  # elements of the sample that the host draws
TORCH = torch is not None and torch.cuda.is_available()


class Pace(NamedTuple):
    """How long contenders are timed."""

    sample: float = 0.02  # seconds, at least
    seconds: float = 1.0  # for the repeats, once there are a few


SMALL_PACE = Pace(0.001, 0.0)


@dataclass(frozen=True)
class Task:
    """One loss on one kind of data, with the contenders that are timed beside each other."""

    loss: str
    shape: str
    dtype: str
    arrays: tuple[jax.ShapeDtypeStruct, ...]
    draw: Callable[[], tuple[jax.Array, ...]]
    steps: dict[str, Callable[..., Any]]  # of JAX: the value and the gradient of the arrays, or the yardstick
    torch: dict[str, Callable[..., Any]]  # the mean loss of the tensors
    floor: int  # bytes: what is read is read once, and what is written is written once
    wanted: tuple[str, ...]  # the contenders that get a line; the others are there to be compared with
    pace: Pace
    differentiated: int = 1  # so many of the arrays, from the first on
    lines: dict[str, Line] = field(init=False)  # of every contender

    def __post_init__(self) -> None:
        lines = {name: Line(self.loss, self.shape, self.dtype, name) for name in (*self.steps, *self.torch)}
        object.__setattr__(self, "lines", lines)

    def of(self, wanted: tuple[str, ...]) -> "Task":
        """The same with lines of fewer contenders, which are compared with ours and the yardstick as before."""
        kept = lambda found: {k: v for k, v in found.items() if k in (*wanted, self.base, self.yardstick)}  # noqa: E731
        return replace(self, steps=kept(self.steps), torch=kept(self.torch), wanted=wanted)

    @property
    def id(self) -> str:
        return f"{self.loss} {self.shape} {self.dtype}"

    @property
    def layer(self) -> bool:
        return self.loss == LAYER

    @property
    def yardstick(self) -> str:
        return PRODUCTS if self.layer else COPY

    @property
    def base(self) -> str:
        """The contender in whose time that of the others is given."""
        return "optax" if self.layer else "ours"


def tasks(*, small: bool, peers: list[str] | None = None) -> list[Task]:
    """In order of importance: the last layer, integer labels, every loss at its first shape, at its second ...

    Torch takes longest to compile: losses of which nobody asks first stand beside it at the very end, once more.
    """
    placed = []
    for row in aot_rows.rows():
        importance = IMPORTANT.index(row.name) if row.name in IMPORTANT else len(IMPORTANT)
        shapes = {} if row.shapes is aot_rows.FIRST else shapes_of(row, small=small)
        for i, (shape, dtype) in enumerate(product(shapes.items(), aot_rows.DTYPES)):
            task = of_row(row, shape, dtype, SMALL_PACE if small else Pace())
            parts = [(2 if importance else 1, task.wanted)]
            if importance == len(IMPORTANT):
                parts = [(2, tuple(n for n in task.wanted if n not in task.torch)), (3, tuple(task.torch))]
            placed += [((part, i // 2, importance), task.of(wanted)) for part, wanted in parts if wanted]
    pace = SMALL_PACE if small else Pace(seconds=6.0)
    layers = [of_layer(name, shape, pace) for name, shape in (SMALL_LAYERS if small else LAYERS).items()]
    found = layers + [task for _, task in sorted(placed, key=lambda pair: pair[0])]
    if peers is None:
        return found
    asked = (*MODES, PRODUCTS, "ours", *peers)
    return [task.of(tuple(n for n in task.wanted if n in asked)) for task in found]


# --------------------------------------------------------------------------------------------------------------- rows


def shapes_of(row: Row, *, small: bool) -> dict[str, tuple[int, ...]]:
    if all(len(shape) == 1 for shape in row.shapes.values()):
        return SMALL_ELEMENTS if small else aot_rows.ELEMENTS
    if "65536x10" in row.shapes or "65536x1000" in row.shapes:
        one_hot = row.data is margins.logits_and_one_hots
        return SMALL_ROWS if small else {k: v for k, v in ROWS.items() if v[-1] <= 1000 or not one_hot}
    name, shape = max(row.shapes.items(), key=lambda item: prod(item[1]))
    return {"x".join(map(str, SMALL[len(shape)])): SMALL[len(shape)]} if small else {name: shape}


def of_row(row: Row, shape: tuple[str, tuple[int, ...]], dtype: str, pace: Pace) -> Task:
    step = aot_rows.runner(row)
    losses = {"ours": row.ours, **{name: f for name, f in row.peers.items() if name in ("optax", "jax")}}
    beside = {name: f for name, f in row.peers.items() if name == "torch" and TORCH}
    if row.name == LABELS and (found := liger()):
        beside["liger"] = found.liger_cross_entropy
    arrays = aot_rows.arrays_of(row, shape[1], dtype)
    return Task(
        row.name, shape[0], dtype, arrays, partial(drawn, row, shape[1], dtype),
        {COPY: lambda x, *_: -x, **{name: step(loss, gradient=True) for name, loss in losses.items()}},
        beside, aot_rows.floor(row, row.ours, arrays, gradient=True), (*losses, *beside), pace,
    )  # fmt: skip


def drawn(row: Row, shape: tuple[int, ...], dtype: str) -> tuple[jax.Array, ...]:
    """Rows drawn on the device, with replacement, from a sample of a few megabytes that the host draws."""
    some = max(2, min(shape[0], HOST // prod(shape[1:])))
    host = row.data((some, *shape[1:]))
    chosen = jax.random.randint(jax.random.key(0), shape[:1], 0, some)
    return tuple(jnp.asarray(a, dtype if a.dtype == np.float32 else a.dtype)[chosen] for a in host)


# --------------------------------------------------------------------------------------------------------- last layer


def of_layer(name: str, shape: tuple[int, int, int], pace: Pace) -> Task:
    n, d, v = shape
    arrays = tuple(jax.ShapeDtypeStruct(s, k) for s, k in (((n, d), "bfloat16"), ((d, v), "bfloat16"), ((n,), "int32")))
    losses = {mode: last_layer.fused(mode) for mode in MODES} | last_layer.contenders()
    steps = {name: jax.value_and_grad(loss, (0, 1)) for name, loss in losses.items()}
    beside = dict(torch_layers()) if TORCH else {}
    read, written = sum(prod(a.shape) * a.dtype.itemsize for a in arrays), 2 * (n * d + d * v)
    return Task(
        LAYER, name, "bfloat16", arrays, partial(layer, shape), {PRODUCTS: last_layer.three_products, **steps}, beside,
        read + written, (*steps, PRODUCTS, *beside), pace, 2,
    )  # fmt: skip


def layer(shape: tuple[int, int, int]) -> tuple[jax.Array, ...]:
    n, d, v = shape
    keys = jax.random.split(jax.random.key(0), 3)
    h, w = jax.random.normal(keys[0], (n, d), jnp.bfloat16), jax.random.normal(keys[1], (d, v), jnp.bfloat16)
    return h, w / jnp.bfloat16(d**0.5), jax.random.randint(keys[2], (n,), 0, v)


def torch_layers() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Of a kernel [V, D], which is what they want."""
    yield "torch", partial(last_layer.torch_loss, fused=False)
    if hasattr(torch.nn.functional, "linear_cross_entropy"):
        yield "torch linear_cross_entropy", partial(last_layer.torch_loss, fused=True)
    if found := liger():
        yield "liger", found.liger_fused_linear_cross_entropy


def liger() -> Any:
    if not TORCH:
        return None
    try:
        from liger_kernel.transformers import functional
    except ImportError:
        return None
    return functional
