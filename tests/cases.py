"""One row per loss and set of options. A row enters every sweep by itself.

A `Case` knows how to draw ordinary inputs (for the sweeps over transformations, dtypes, masks and devices), where its
function is hard (`grid`, for the sweep over accuracy), and what the answer is (`oracle`, in mpmath, written from the
paper and sharing no code with the library).
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import jaxloss

BATCH, CLASSES = 16, 5
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Limit:
    """How many units in the last place an answer may be off: strictly (of the answer), scaled (of the largest term)."""

    strict: float | None = None
    scaled: float | None = None


@dataclass(frozen=True)
class Case:
    fn: Callable[..., Any]
    form: type[jaxloss.Loss]
    predictions: Draw
    targets: Draw
    oracle: Callable[..., Any]
    """(prediction, target, **kwargs) -> mpf; for a loss over classes the prediction is a list."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    rows: bool = False
    """Whether the loss is over a class axis, the last one."""
    labels: bool = False
    """Whether the targets are integer labels, one per row."""
    grid: Callable[[], tuple[np.ndarray, np.ndarray]] | None = None
    value: Limit = Limit(scaled=8)
    gradient: Limit = Limit(scaled=16)
    second: Limit = Limit(scaled=32)
    terms: Callable[..., Any] | None = None
    """(prediction, target, **kwargs) -> the terms of the textbook formula, for the unit of scaled limits."""
    gradient_terms: Callable[..., Any] | None = None
    second_terms: Callable[..., Any] | None = None
    bad_targets: tuple[float, ...] = ()
    """Targets outside the domain: nan in that element, an error under `checked`."""
    bad_predictions: tuple[float, ...] = ()
    name: str = ""

    @property
    def id(self) -> str:
        options = ",".join(f"{k}={v}" for k, v in self.kwargs.items() if np.ndim(v) == 0)
        return self.name or self.fn.__name__ + (f"[{options}]" if options else "")

    def draw(self, seed: int = 0, batch: tuple[int, ...] = (BATCH,)) -> tuple[np.ndarray, np.ndarray]:
        """Ordinary inputs with a batch of the given shape."""
        rng = np.random.default_rng(seed)
        shape = (*batch, CLASSES) if self.rows else batch
        target_shape = batch if self.labels else shape
        return self.predictions(rng, shape), self.targets(rng, target_shape)

    def loss(self, predictions: Any, targets: Any, **arrays: Any) -> Any:
        return self.fn(predictions, targets, **self.kwargs, **arrays)

    def make(self, **fields: Any) -> jaxloss.Loss:
        return self.form(**self.kwargs, **fields)


# ------------------------------------------------------------------------------------------------------------ draws


def normal(rng, shape):
    return rng.normal(0, 2, shape).astype(np.float32)


def positive(rng, shape):
    return np.exp(rng.normal(0, 1, shape)).astype(np.float32)


def probability(rng, shape):
    return rng.uniform(0.02, 0.98, shape).astype(np.float32)


def counts(rng, shape):
    return rng.poisson(3.0, shape).astype(np.float32)


def bits(rng, shape):
    return rng.integers(0, 2, shape).astype(np.float32)


def distribution(rng, shape):
    p = rng.gamma(1.0, 1.0, shape) + 1e-3
    return (p / p.sum(-1, keepdims=True)).astype(np.float32)


def log_distribution(rng, shape):
    return np.log(distribution(rng, shape))


def labels(rng, shape):
    return rng.integers(0, CLASSES, shape).astype(np.int32)


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


def collect() -> list[Case]:
    """The CASES of every module of tests/losses."""
    from tests import losses

    found = []
    for module in pkgutil.iter_modules(losses.__path__):
        found += importlib.import_module(f"tests.losses.{module.name}").CASES
    return found


def programs() -> list[Case]:
    """One case per program: an option's number does not change the program, so a sweep of structure needs it once."""
    found = {}
    for case in collect():
        options = frozenset((k, v if isinstance(v, str | bool | None) else "a number") for k, v in case.kwargs.items())
        found[case.fn, case.targets, case.labels, options] = case
    return list(found.values())


def extremes() -> list[Case]:
    """Of each loss and each of its named variants, the program with the fewest options and the one with the most."""
    found = {}
    for case in sorted(programs(), key=lambda case: len(case.kwargs)):
        variant = frozenset((k, v) for k, v in case.kwargs.items() if isinstance(v, str | bool))
        found.setdefault((case.fn, case.labels, variant), []).append(case)
    return [case for group in found.values() for case in (group[:1] + group[1:][-1:])]


def richest() -> list[Case]:
    """Of each loss the program with the most options: for what only asks that every loss meets it."""
    found = {}
    for case in sorted(programs(), key=lambda case: len(case.kwargs)):
        found[case.fn, case.labels] = case
    return list(found.values())
