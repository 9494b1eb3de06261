"""One row per loss of a drop-in and set of options. A row enters every sweep of `test_rows.py` by itself.

A `Row` names the arrays of the function, each with a `Domain`, as a `Case` of the native losses does. What its library
has of its own, the reductions, the weights and the ways to leave a sample out, is said once, by a subclass.
The accuracy of values and derivatives is the native losses', which have their own sweeps.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from tests import cases
from tests.cases import Domain

Arrays = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Row:
    fn: Callable[..., Any]
    form: type
    arrays: dict[str, Domain]
    """By the function's names, in its order."""
    options: dict[str, Any] = field(default_factory=dict)
    """An option given as a `Domain` is drawn."""
    bad_options: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values that an option cannot have. Every option of a function has some, in one of its rows."""
    batch: tuple[int, ...] | None = None
    """The shape of the batch of each array that has one; the library's own by default."""
    sizes: dict[str, int] = field(default_factory=dict)
    """The lengths of axes that are not the library's."""
    single: bool = True
    """Whether the function takes a sample without a batch too, as `jax.vmap` gives it."""
    thorough: bool = False
    """Whether every reduction is asked for wherever one is: what reduces is the same for all losses of a library."""
    name: str = ""

    # ------------------------------------------------------------------------------- what each library says for itself

    library: ClassVar[Any]
    """Our module of the library's name."""
    peer: ClassVar[str]
    """The name of the library as a package."""
    shape: ClassVar[tuple[int, ...]]
    """The batch where the row says nothing."""
    lengths: ClassVar[dict[str, int]]
    """The lengths of axes where the row says nothing."""
    common: ClassVar[tuple[str, ...]]
    """The parameters and fields that are no options of one loss."""

    draws: ClassVar[int]
    """How many times the peer is asked."""

    @property
    def newer(self) -> set[str]:
        """The options of a newer version of the peer than the installed one."""
        return set()

    @property
    def has_form(self) -> bool:
        """Whether the class form has every option of the row."""
        return True

    @property
    def reductions(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def losses(self, arrays: Arrays, options: dict[str, Any] | None = None) -> Any:
        """The losses by the function, not reduced."""
        raise NotImplementedError

    def reduced(self, form: Any, arrays: Arrays, **more: Any) -> Any:
        """The call of a class form."""
        return form(*self.ordered(arrays), **more)

    def answers(self, library: Any, arrays: Arrays, fully: bool) -> dict[str, Any]:
        """The answers of the library, ours or the peer's, by the name of the way in which it is asked.

        How losses are reduced does not depend on the options: only where `fully` more is asked than one reduction.
        """
        raise NotImplementedError

    def peers(self, arrays: Arrays, fully: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """The peer's answers to the same, and the slopes of their `total` in each array of floats."""
        raise NotImplementedError

    def close(self, value: Any, expected: Any, what: str, slope: bool = False) -> None:
        """Asserts that an answer, or a slope, is the peer's."""
        raise NotImplementedError

    def dtype(self, arrays: Arrays) -> str:
        """The dtype that our function returns, without options."""
        raise NotImplementedError

    def peers_dtype(self, arrays: Arrays) -> str | None:
        """The dtype that the peer's returns; None for what it does not take."""
        raise NotImplementedError

    def refusals(self, reduction: Any) -> dict[str, Callable[[], Any]]:
        """Calls with a reduction that does not exist, by the name in the error."""
        raise NotImplementedError

    def pairs(self) -> Iterable[tuple[Any, Any]]:
        """Pairs of a public name of ours and of the peer's."""
        raise NotImplementedError

    def left_out(self, arrays: Arrays, where: Any) -> Iterable[tuple[Arrays, dict[str, Any]]]:
        """Every way to say that of the samples only those of `where` count: the arrays, and what the call is told."""
        raise NotImplementedError

    def copies(self, form: Any) -> Iterable[Any]:
        """Losses that are equal to the form, each made in a way that its library has."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------ what all have in common

    @property
    def id(self) -> str:
        return "-".join([self.fn.__name__, self.name or "x".join(map(str, self._batch)), *self.options])

    @property
    def _batch(self) -> tuple[int, ...]:
        return self.shape if self.batch is None else self.batch

    @property
    def _sizes(self) -> dict[str, int]:
        return cases.SIZES | self.lengths | self.sizes

    def draw(self, seed: int = 0) -> Arrays:
        rng = np.random.default_rng(seed)
        return {name: domain(rng, self._batch, self._sizes) for name, domain in self.arrays.items()}

    @property
    def needed(self) -> set[str]:
        """The options that the function cannot do without."""
        parameters = inspect.signature(self.fn).parameters
        return {name for name in self.options if parameters[name].default is inspect.Parameter.empty}

    def given(self) -> dict[str, Any]:
        """The options."""

        def value(name, option):
            rng = np.random.default_rng([*name.encode()])  # the same whatever other options there are
            return option(rng, self._batch, self._sizes) if isinstance(option, Domain) else option

        return {name: value(name, option) for name, option in self.options.items()}

    def make(self, options: dict[str, Any] | None = None, **fields: Any) -> Any:
        return self.form(**{**self.given(), **(options or {})}, **fields)

    def ordered(self, arrays: Arrays) -> list[Any]:
        """The arrays in the function's order, which a dictionary that JAX has flattened has lost."""
        return [arrays[name] for name in self.arrays]

    def axis(self, domain: Any) -> int | None:
        """The axis of an array, or of an option, on which there is one entry for each sample."""
        if not isinstance(domain, Domain):
            return None
        if domain.batched:
            return 0 if self._batch else None
        return domain.axes.index("n") if "n" in domain.axes else None

    def axes(self) -> dict[str, int | None]:
        return {name: self.axis(domain) for name, domain in self.arrays.items()}

    @property
    def samples(self) -> int:
        """How many there are; 0 where the row is of a single one, without a batch."""
        lengths = [
            x.shape[axis]
            for x, axis in zip(self.draw().values(), self.axes().values(), strict=True)
            if axis is not None
        ]
        return min(lengths, default=0)

    def take(self, arrays: Arrays, which: Any) -> Arrays:
        """Some of the samples."""
        axes = self.axes()
        return {k: x if axes[k] is None else np.take(x, np.flatnonzero(which), axes[k]) for k, x in arrays.items()}

    def ruined(self, arrays: Arrays, where: Any) -> Arrays:
        """Some samples are nan, and have labels that there are not."""
        found = dict(arrays)
        for name, axis in self.axes().items():
            x, outside = arrays[name], self.arrays[name].outside
            if axis is not None and (x.dtype.kind == "f" or outside):
                value = x.dtype.type(np.nan if x.dtype.kind == "f" else outside[0])
                found[name] = np.where(np.expand_dims(where, [i for i in range(x.ndim) if i != axis]), value, x)
        return found

    def of_samples(self, which: Any = slice(None)) -> dict[str, Any]:
        """The options that have one entry for each sample, of some of them."""
        return {k: v[which] for k, v in self.given().items() if self.axis(self.options[k]) is not None}

    def spoiled(self, arrays: Arrays, name: str, value: Any, sample: int) -> Arrays:
        """One value of one sample is another."""
        x, axis = arrays[name].copy(), self.axes()[name] or 0
        x[tuple(sample if i == axis else 0 for i in range(x.ndim))] = value
        return {**arrays, name: x}


def total(answers: dict[str, Any]) -> Any:
    """All answers in one number, each with its own factor: the factors tell a fault of one from that of another."""
    factors = lambda value: jnp.cos(jnp.arange(value.size, dtype=value.dtype)).reshape(value.shape)
    return sum((factors(value) * value).sum() / (1 + i) for i, value in enumerate(answers.values()))


def answered(
    ask: Callable[[Arrays], dict[str, Any]], arrays: Arrays, total: Callable[..., Any] = total
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers, and the slopes of their `total` in each array of floats."""

    def run(smooth):
        answers = ask({**arrays, **smooth})
        return total(answers), answers

    slopes, answers = jax.grad(run, has_aux=True)(floating(arrays))
    return answers, slopes


def floating(arrays: Arrays) -> Arrays:
    return {name: x for name, x in arrays.items() if jnp.issubdtype(x.dtype, jnp.floating)}


def second(domain: Domain, axes: str) -> Domain:
    """A domain of rows of classes, with the classes on the second axis."""

    def draw(rng, shape, sizes):
        return np.moveaxis(domain.draw(rng, (shape[0], *shape[2:], shape[1]), sizes), -1, 1)

    return replace(domain, draw=draw, axes=axes)


def ignoring(share: float, index: int = -100) -> Domain:
    """Class indices, of which a share is ignored."""

    def draw(rng, shape, sizes):
        drawn = cases.labels(rng, shape, sizes)
        return np.where(rng.random(shape) < share, np.int32(index), drawn)

    return replace(cases.LABELS, draw=draw)


def plainest(rows: Iterable[Row]) -> list[Row]:
    """Of each function the row with the fewest options."""
    return list({row.fn: row for row in sorted(rows, key=lambda row: -len(row.options))}.values())


def kinds(rows: Iterable[Row]) -> list[Row]:
    """Of each library a row of each kind of arrays: for what does not depend on the loss."""
    kind = lambda row: (row.peer, *((domain.axes, domain.differentiable) for domain in row.arrays.values()))
    return list({kind(row): row for row in rows}.values())


def richest(rows: Iterable[Row], by: Callable[[Row], Any] = lambda row: None) -> list[Row]:
    """Of each function, or of each kind of its rows, the row with the most options."""
    return list({(row.fn, by(row)): row for row in sorted(rows, key=lambda row: len(row.options))}.values())
