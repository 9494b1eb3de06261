"""One row per loss and set of options. A row enters every sweep by itself.

A `Case` names the arrays that its loss takes, each with a `Domain`, and its options. A `Domain` draws ordinary values
and hard ones, and knows the closed ends of what is allowed and values outside of it; its axes say how the array is
shaped. So a sweep can draw, mask, spoil, shard and differentiate every array of every loss without knowing the loss.

The answers come from oracles that share no code with the library: `oracle` for one sample in mpmath, written from the
paper, and for losses over a class axis `formula` for whole arrays in float64, for as many classes as a vocabulary has.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import jaxloss

BATCH, CLASSES = 16, 5
SIZES = {"c": CLASSES, "t": 6, "s": 2, "d": 4, "n": 6, "k": 4}
"""The lengths of axes: classes, frames, labels of a sequence, width of a last layer, samples of a cohort, cutpoints."""

OF_A_CALL = ("axis", "axis_name", "vocab_axis_name", "sum_axis_name", "batch_axis_name")
"""Options that name axes of arrays or of meshes: which there are, a call alone shows."""

EVERY = False
"""Whether sweeps take every program (`make test-all`) or one of each loss (`make test`); set by conftest.py."""

Sizes = dict[str, int]
Draw = Callable[[np.random.Generator, tuple[int, ...], Sizes], np.ndarray]


@dataclass(frozen=True)
class Limit:
    """How many units in the last place an answer may be off: strictly (of the answer), scaled (of the largest term)."""

    strict: float | None = None
    scaled: float | None = None


@dataclass(frozen=True)
class Domain:
    """What an array of a loss may hold."""

    draw: Draw
    """Ordinary values of a shape."""
    axes: str = "..."
    """The batch, if it has one, and one letter of `SIZES` for each further axis."""
    ends: tuple[float, ...] = ()
    """The closed ends of the domain, and what lies next to them: allowed, and no answer is nan there."""
    outside: tuple[float, ...] = ()
    """Values that are not allowed: nan in that element, with gradient 0, and an error under `checked`."""
    tolerated: bool = False
    """Whether the formula has a value outside too: then that is the value, and an error under `checked` alone."""
    differentiable: bool = True
    hard: Draw | None = None
    """Values where formulas lose their digits; the ordinary ones by default."""
    impossible: float | None = -np.inf
    """What an impossible class has; None of a row in which there is no such, as each element is a step or a member."""
    alone: tuple[float, ...] = ()
    """Ends that only one array of a sample may be at, such as an infinity that another's would be subtracted from."""
    extremes: tuple[float, ...] = ()
    """Floats near the ends of their range, or their logarithms. Real numbers, log-odds, logits and scales have some; a
    row without them says why beside its arrays."""

    def over(self, axes: str) -> "Domain":
        return replace(self, axes=axes)

    def __call__(self, rng: np.random.Generator, batch: tuple[int, ...], sizes: Sizes) -> np.ndarray:
        return self.draw(rng, self.shape(batch, sizes), sizes)

    def shape(self, batch: tuple[int, ...], sizes: Sizes) -> tuple[int, ...]:
        inner = tuple(sizes[letter] for letter in self.axes.removeprefix("..."))
        return (*batch, *inner) if self.batched else inner

    @property
    def batched(self) -> bool:
        return self.axes.startswith("...")

    @property
    def bad(self) -> float:
        """What padding may hold; of integers that are all allowed, any."""
        return np.nan if self.differentiable else [*self.outside, 10**6][0]


@dataclass(frozen=True, eq=False)
class Case:
    fn: Callable[..., Any]
    form: type[jaxloss.Loss]
    arrays: dict[str, Domain]
    """By the function's names. The first two are the form's predictions and targets, the others its further arrays."""
    oracle: Callable[..., Any]
    """(one sample of each array, **options) -> mpf; arrays of one sample that have axes are (nested) lists."""
    options: dict[str, Any] = field(default_factory=dict)
    """An option given as a `Domain` is drawn: one value for each class, or for each place on another axis."""
    bad_options: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values that an option cannot have. Every option of a loss has some, in one of its rows."""
    call: dict[str, Any] = field(default_factory=dict)
    """What the function is told besides, to return one value per loss."""
    masks_elements: bool | None = None
    """Whether `where` may have the shape of the predictions; by default if the loss is over one axis of classes."""
    formula: Callable[..., Any] | None = None
    """(arrays, **options) -> losses, in float64 by `jax.numpy`, of a loss over a class axis."""
    grid: Callable[[], tuple[Any, ...]] | None = None
    """Where the loss is hard: the arrays of many samples, in the order of `arrays`."""
    value: Limit = Limit(scaled=8)
    gradient: Limit | dict[str, Limit] = Limit(scaled=16)
    """Of the predictions, or by the names of arrays."""
    second: Limit | dict[str, Limit] = Limit(scaled=32)
    terms: Callable[..., Any] | None = None
    """(one sample of each array, **options) -> the terms of the textbook formula, for the unit of scaled limits."""
    gradient_terms: Callable[..., Any] | None = None
    second_terms: Callable[..., Any] | None = None
    slope_terms: Callable[..., Any] | None = None
    """(arrays, **options) -> by array, the size of the terms of its slopes, in float64 by `jax.numpy`: the unit of many
    classes' slopes that are differences of nearly equal terms."""
    least_classes: int = 1
    """How many classes there must be for there to be a label."""
    steep: tuple[float, ...] = ()
    """Ends of the predictions at which the slope is truly infinite, and the loss is not."""
    noise: float = 0.0
    """The size of the numbers whose differences its slopes are: what their rounding hides is not asked for."""
    extreme_terms: float = 0.0
    """The size of the terms of slopes that cancel; at extremes the terms of values have that of the inputs then."""
    averaged: bool = False
    """Whether it is a mean over the classes, which absent classes lower."""
    nonnegative: bool = True
    """Whether no loss is below 0."""
    held: int = 1
    """How many arrays of the size of the predictions XLA on CPU stores for value and slope of an elementwise loss."""
    counted: Callable[..., Any] | None = None
    """(arrays) -> how many losses of each sample count, of a function that has several for one, along the last axis.
    The sweeps take their sum, which the oracle gives, for the sample's loss."""
    name: str = ""
    sizes: Sizes = field(default_factory=dict)
    """The lengths of axes that are not those of `SIZES`."""
    trees: dict[str, Any] = field(default_factory=dict)
    """Arguments that hold several arrays: each a tree of the names that these have here."""

    def sized(self, **sizes: int) -> "Case":
        """The same with axes of other lengths, its options with them."""
        return replace(self, sizes={**self.sizes, **sizes})

    @property
    def id(self) -> str:
        options = ",".join(f"{k}={v}" for k, v in self.options.items() if np.ndim(v) == 0 and not _drawn(v))
        return self.name or self.fn.__name__ + (f"[{options}]" if options else "")

    @property
    def predictions(self) -> str:
        return next(iter(self.arrays))

    @property
    def targets(self) -> str:
        return list(self.arrays)[1]

    @property
    def elementwise(self) -> bool:
        """Whether every loss is of one element of each array."""
        return all(domain.axes == "..." for domain in self.arrays.values())

    @property
    def plain(self) -> bool:
        """Whether it is of elements, or of rows of classes: not over frames, or of a last layer."""
        return all(domain.axes in ("...", "...c") for domain in self.arrays.values())

    @property
    def classes(self) -> bool:
        """Whether the loss is over a class axis, the last one of the predictions."""
        return self.arrays[self.predictions].axes == "...c"

    @property
    def elements(self) -> bool:
        """Whether a mask may leave out elements of a row."""
        return self.classes if self.masks_elements is None else self.masks_elements

    @property
    def labels(self) -> bool:
        """Whether the targets are class indices."""
        return not self.arrays[self.targets].differentiable

    @property
    def differentiable(self) -> list[str]:
        return [name for name, domain in self.arrays.items() if domain.differentiable]

    @property
    def per_class(self) -> list[str]:
        """The options that have one number for each class."""
        return [name for name in self._rows_of_numbers if self.options[name].axes == "c"]

    @property
    def _rows_of_numbers(self) -> list[str]:
        """The options that have one number for each place on an axis."""
        return [name for name, value in self.options.items() if _drawn(value) and value.differentiable]

    @property
    def batched(self) -> list[str]:
        return [name for name, domain in self.arrays.items() if domain.batched]

    def samples(self, ordinary: int, hard: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Ordinary samples, then hard ones."""
        rng, found, sizes = np.random.default_rng(seed), {}, SIZES | self.sizes
        for name, domain in self.arrays.items():
            easy, strict = domain(rng, (ordinary,), sizes), replace(domain, draw=domain.hard or domain.draw)
            found[name] = np.concatenate([easy, strict(rng, (hard,), sizes)]) if domain.batched else easy
        return found

    def draw(self, seed: int = 0, batch: tuple[int, ...] = (BATCH,)) -> dict[str, np.ndarray]:
        """Ordinary inputs with a batch of the given shape."""
        rng, sizes = np.random.default_rng(seed), SIZES | self.sizes
        return {name: domain(rng, batch, sizes) for name, domain in self.arrays.items()}

    def given(self) -> dict[str, Any]:
        """The options."""
        rng, sizes = np.random.default_rng(12), SIZES | self.sizes
        return {name: value(rng, (), sizes) if _drawn(value) else value for name, value in self.options.items()}

    def shaping(self) -> dict[str, Any]:
        """The options by which arrays are shaped: a layout, or one number for each place on an axis of their own."""
        own = {"kernel_layout", *self._rows_of_numbers} - {*self.per_class}
        return {k: v for k, v in self.given().items() if k in own}

    def numeric(self) -> dict[str, np.ndarray]:
        """The options that are numbers, or one number for each place: they can be traced and differentiated."""
        given = self.given().items()
        return {k: np.float32(v) for k, v in given if k in self._rows_of_numbers or isinstance(v, float)}

    def parted(self, smooth: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arrays and the options, from those that are differentiated, together, and from the other arrays."""
        own = {k: smooth[k] if k in smooth else arrays[k] for k in self.arrays}
        return own, {k: v for k, v in smooth.items() if k not in own}

    def loss(self, arrays: dict[str, Any], options: dict[str, Any] | None = None, **more: Any) -> Any:
        """The losses by the function."""
        own = self.fn(**self.arguments(arrays), **{**self.given(), **self.call, **(options or {})}, **more)
        return self.summed(own)

    def summed(self, losses: Any) -> Any:
        """One loss of each sample, from those that the function returns."""
        return losses if self.counted is None else losses.sum(-1)

    def counts(self, arrays: dict[str, Any]) -> np.ndarray:
        """How many losses of each sample a mean is over."""
        batch = np.shape(arrays[self.predictions])[
            : -len(self.arrays[self.predictions].axes.removeprefix("...")) or None
        ]
        return np.ones(batch, int) if self.counted is None else self.counted(arrays)

    def arguments(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """The arrays as the function takes them."""
        within = {name for tree in self.trees.values() for name in _names(tree)}
        plain = {name: x for name, x in arrays.items() if name not in within}
        return plain | {argument: _filled(tree, arrays) for argument, tree in self.trees.items()}

    def make(self, options: dict[str, Any] | None = None, **fields: Any) -> jaxloss.Loss:
        return self.form(**{**self.given(), **(options or {})}, **fields)

    def reduced(self, form: Callable[..., Any], arrays: dict[str, Any], **more: Any) -> Any:
        """The call of a class form."""
        first = self.predictions, self.targets
        further = {name: x for name, x in self.arguments(arrays).items() if name not in first}
        return form(arrays[self.predictions], arrays[self.targets], **further, **more)


def _drawn(value: Any) -> bool:
    return isinstance(value, Domain)


def _names(tree: Any) -> list[str]:
    return [tree] if isinstance(tree, str) else [name for part in tree for name in _names(part)]


def _filled(tree: Any, arrays: dict[str, Any]) -> Any:
    return arrays[tree] if isinstance(tree, str) else tuple(_filled(part, arrays) for part in tree)


# ---------------------------------------------------------------------------------------------------------- domains


def normal(rng, shape, sizes=SIZES):
    return rng.normal(0, 2, shape).astype(np.float32)


def positive(rng, shape, sizes=SIZES):
    return np.exp(rng.normal(0, 1, shape)).astype(np.float32)


def probability(rng, shape, sizes=SIZES):
    return rng.uniform(0.02, 0.98, shape).astype(np.float32)


def counts(rng, shape, sizes=SIZES):
    return rng.poisson(3.0, shape).astype(np.float32)


def bits(rng, shape, sizes=SIZES):
    return rng.integers(0, 2, shape).astype(np.float32)


def signs(rng, shape, sizes=SIZES):
    return 2 * bits(rng, shape) - 1


def distribution(rng, shape, sizes=SIZES):
    p = rng.gamma(1.0, 1.0, shape) + 1e-3
    return (p / p.sum(-1, keepdims=True)).astype(np.float32)


def log_distribution(rng, shape, sizes=SIZES):
    return np.log(distribution(rng, shape))


def one_hot(rng, shape, sizes=SIZES):
    return (np.arange(shape[-1]) == rng.integers(0, shape[-1], shape[:-1])[..., None]).astype(np.float32)


def labels(rng, shape, sizes=SIZES):
    return rng.integers(0, sizes["c"], shape).astype(np.int32)


def _lengths(letter, least):
    return lambda rng, shape, sizes: rng.integers(least, sizes[letter] + 1, shape).astype(np.int32)


def choice(values):
    """A draw from a list of values."""
    return lambda rng, shape, sizes: rng.choice(np.asarray(values(), np.float32), shape)


def hard_rows(rng, shape, sizes):
    rows = logit_rows((shape[-1],), max(24, int(np.prod(shape[:-1]))), int(rng.integers(100)))
    return np.array([rows[i] for i in rng.permutation(len(rows))[: int(np.prod(shape[:-1]))]]).reshape(shape)


def hard_distribution(rng, shape, sizes):
    """Rows from flat to nearly certain."""
    alpha = 10.0 ** rng.uniform(-2, 1, (*shape[:-1], 1))
    p = np.maximum(rng.gamma(np.broadcast_to(alpha, shape)), 1e-18)
    return (p / p.sum(-1, keepdims=True)).astype(np.float32)


INF = np.inf
EXTREMES = (2.4e19, -1e25, 2e30, -1e35, 1e38, -3e38, 3.4e38)
REALS = Domain(normal, hard=choice(lambda: reals()), ends=(0.0, 1e-30, -1e15), alone=(INF, -INF), extremes=EXTREMES)
NEAR = replace(REALS, extremes=tuple(v for v in EXTREMES if abs(v) < 1.7e38))
"""Real numbers whose differences are floats: for losses of a difference that are infinite where it is, whatever it is
divided by. To halve it there would take a selection for each element."""
LOG_ODDS = Domain(
    normal,
    hard=choice(lambda: [*logits(), 100, -100]),
    ends=(0.0, 17.0, 100.0, -100.0, 1e30, INF, -INF),
    extremes=EXTREMES,
)
LOG_RATES = Domain(
    normal, hard=choice(lambda: [-80, -20, -3, 0, 1e-4, 0.7, 3, 18, 40]), ends=(0.0, -100, 80, -INF, INF)
)
RATES = Domain(
    positive,
    hard=choice(lambda: [1e-6, 0.01, 0.5, 1, 2, 9.99, 1e3]),
    ends=(0.0, 1e-30, 1e30, INF),
    outside=(-0.5,),
)
COUNTS = Domain(counts, hard=choice(lambda: [0, 1, 2, 3, 10, 1000, 1e6]), ends=(0.0, 1.0, 0.25, 1e8), outside=(-1.0,))
SCALES = Domain(
    positive,
    hard=choice(lambda: [1e-3, 0.1, 1, 40, 1e3]),
    ends=(1e-10, 1e10),
    outside=(0.0, -1.0),
    extremes=(1e-36, 1e-30, 1e-20, 1e18, 1e30, 1e36),
)
PROBABILITIES = Domain(
    probability,
    hard=choice(lambda: unit()[unit() > 1e-15]),
    ends=(0.0, 1e-30, 1 - 2.0**-24, 1.0),
    outside=(-0.1, 1.2),
)
BITS = Domain(bits, ends=(0.0, 0.5, 1.0), outside=(-1.0, 1.5, 255.0))
SIGNS = Domain(signs, ends=(-1.0, 1.0), outside=(0.0, 0.5, -2.0))
SOFT_BITS = replace(BITS, draw=probability)
LOGITS = Domain(normal, "...c", hard=hard_rows, ends=(0.0, 17.0, 100.0, -100.0, 1e18, -1e30, -INF), extremes=EXTREMES)
DISTRIBUTIONS = Domain(
    distribution, "...c", hard=hard_distribution, ends=(0.0, 1.0), impossible=0.0, outside=(-0.1, 1.2)
)
MASSES = replace(DISTRIBUTIONS, outside=(-0.1,))
"""Distributions of which nothing but their sign is asked."""
LOG_DISTRIBUTIONS = Domain(log_distribution, "...c", ends=(0.0, -100.0, -1e30, -INF))
LABELS = Domain(labels, outside=(-1, -7, 10**6), differentiable=False)
CLASS_WEIGHTS = Domain(lambda rng, shape, sizes: rng.uniform(0.25, 3, shape).astype(np.float32), "c", ends=(0.0,))
SYMBOLS = Domain(
    lambda rng, shape, sizes: rng.integers(min(1, sizes["c"] - 1), sizes["c"], shape).astype(np.int32),
    "...s",
    outside=(-1, -100, 10**6),
    differentiable=False,
)
"""Labels of a sequence, of which class 0 is none: it is the blank."""
CLASS_MASK = Domain(lambda rng, shape, sizes: np.arange(*shape) != np.prod(shape) - 1, "c", differentiable=False)
"""Every class but the last, which is the padding of a vocabulary."""
REAL_LABELS = replace(LABELS, draw=lambda rng, shape, sizes: labels(rng, shape, {"c": max(1, sizes["c"] - 1)}))
FRAME_COUNTS = Domain(_lengths("t", 4), outside=(-3, 99), differentiable=False)
SYMBOL_COUNTS = Domain(_lengths("s", 1), outside=(-3, 99), differentiable=False)

# Values that options which many losses have cannot have.
BAD_SMOOTHING = {"label_smoothing": (-0.1, 1.5, "a little", np.ones(2, np.float32), True)}
BAD_WEIGHTS = {"class_weights": (1.0, np.ones(CLASSES + 1, np.float32), "balanced")}
BAD_Z_LOSS = {"z_loss": (-1e-4, "some")}
BAD_IGNORE = {"ignore_index": (0.5, "pad")}
BAD_AXES = {"axis": (2, -3, (0, 0), "classes", 0.5)}
BAD_VOCABULARY = {"vocab_axis_name": ("nowhere", ("nowhere", "else"))}


# ------------------------------------------------------------------------------------------------------------ grids


def product(predictions, targets) -> tuple[np.ndarray, np.ndarray]:
    """Every prediction with every target."""
    p, t = np.meshgrid(np.asarray(predictions, np.float32), np.asarray(targets, np.float32), indexing="ij")
    return p.ravel(), t.ravel()


def reals() -> np.ndarray:
    """Real numbers of every size, zero included."""
    sizes = 10.0 ** np.arange(-12, 4.01, 0.5)
    return np.concatenate([-sizes[::-1], [0.0], sizes, np.linspace(-4, 4, 41)]).astype(np.float32)


def logits() -> np.ndarray:
    """Log-odds of every size that float32 can exponentiate, and some beyond."""
    ordinary = np.concatenate([np.linspace(-20, 20, 81), [-80, -60, -40, -30, 30, 40, 60, 80]])
    return np.concatenate([ordinary, reals()[np.abs(reals()) < 1]]).astype(np.float32)


def unit() -> np.ndarray:
    """Probabilities, dense near both ends."""
    small = 10.0 ** np.arange(-30, -0.3, 0.75)
    near_one = 1 - np.float32(2.0) ** -np.arange(2, 25)
    return np.unique(np.concatenate([small, near_one, np.linspace(0.05, 0.95, 19)]).astype(np.float32))


def logit_rows(sizes=(2, 3, 10), per_size=24, seed=1) -> list[np.ndarray]:
    """Rows of logits: any spread, any offset, confident either way, ties, minus infinities."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        for i in range(per_size):
            row = rng.normal(0, 10.0 ** rng.uniform(-3, 1.5), n)
            if i % 4 == 1:
                row = row + rng.choice([-777.0, 300.0, 3e4])
            if i % 4 == 2:
                row[rng.integers(n)] += rng.uniform(5, 60)  # confident
            if i % 8 == 3:
                row[:] = row[0]  # ties
            if i % 8 == 7 and n > 2:
                row[rng.integers(n)] = -np.inf
            rows.append(row.astype(np.float32))
    return rows


# ------------------------------------------------------------------------------------------------------- collection


@cache
def collect() -> list[Case]:
    """The CASES of every module of tests/losses."""
    from tests import losses

    found = []
    for module in pkgutil.walk_packages(losses.__path__, "tests.losses."):
        try:
            found += getattr(importlib.import_module(module.name), "CASES", [])
        except pytest.skip.Exception as skipped:  # which would skip every sweep
            raise ImportError(f"{module.name} skips itself when it is imported: skip in its tests") from skipped
    return found


def programs() -> list[Case]:
    """One case per program: an option's number does not change the program, so a sweep of structure needs it once."""
    found = {}
    for case in collect():
        options = frozenset((k, v if isinstance(v, str | bool | None) else "a number") for k, v in case.options.items())
        arrays = tuple((name, domain.draw) for name, domain in case.arrays.items())
        found[case.fn, case.labels, arrays, options] = case
    return list(found.values())


def richest() -> list[Case]:
    """Of each loss the program with the most options."""
    return richest_of(programs())


def richest_of(found: list[Case]) -> list[Case]:
    return list({(case.fn, case.labels): case for case in sorted(found, key=lambda case: len(case.options))}.values())


@cache
def _named_richest() -> set[tuple[Any, str]]:
    return {(case.fn, case.id) for case in richest()}


def is_richest(case: Case) -> bool:
    """Whether it is the richest program of its loss, of whatever sizes."""
    return (case.fn, case.id) in _named_richest()


def with_grid() -> list[Case]:
    """The cases that know where they are hard; one of each loss, unless all are asked for."""
    return [case for case in collect() if case.grid] if EVERY else richest_with_grid()


def richest_with_grid() -> list[Case]:
    """Of each loss the case with the most options that knows where it is hard."""
    return richest_of([case for case in collect() if case.grid])


def each() -> list[Case]:
    """Of each loss one program, and every program where all are asked for."""
    return programs() if EVERY else richest()


def kinds() -> list[Case]:
    """A case of each kind of inputs, and of losses that count: for what does not depend on the loss.

    Of losses of elements, more than three arrays are as three: the longest programs have the most of them.
    """
    found = {}
    for case in richest():
        inputs = tuple((d.axes, d.differentiable) for d in case.arrays.values())
        inputs = inputs[:3] if case.elementwise else inputs
        found.setdefault((inputs, case.counted is not None, "ignore_index" in case.options), case)
    return list(found.values())


def each_kind() -> list[Case]:
    """A case of each kind of inputs, and of each loss where all are asked for."""
    return richest() if EVERY else kinds()


def each_plain_kind() -> list[Case]:
    """The same without losses over frames or of a last layer, whose programs are long, unless all are asked for."""
    return [case for case in each_kind() if EVERY or case.plain]


def each_structure() -> list[Case]:
    """For what depends on how a loss is made of rows, and on how many of them count, but not on its formula.

    Where all are asked for, one of each kind; else one of each plain kind of two arrays.
    """
    return kinds() if EVERY else [case for case in each_plain_kind() if len(case.arrays) == 2]


def each_if_slow() -> list[Case]:
    """For what is slow, as operations one by one are: each loss where all are asked for, else a few."""
    return richest() if EVERY else each_structure()


def options_of(fn: Callable[..., Any]) -> list[str]:
    """The names of a function's options: its parameters but the arrays, the mask, and what only its call is told.

    An array that may be left out is one that some row of the function gives.
    """
    parameters = inspect.signature(fn).parameters
    arrays = {name for case in collect() if case.fn is fn for name in case.arrays}
    others = {*arrays, "where", "weights", "return_aux", "reduce_fn"}
    return [name for name, parameter in parameters.items() if name not in others and parameter.default is not _NEEDED]


_NEEDED = inspect.Parameter.empty
