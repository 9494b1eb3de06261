"""Losses over rows: the function decides which rows count, and its class form reduces by that mask."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

import jax.numpy as jnp

from jaxloss._types import Array

P = ParamSpec("P")
Losses = TypeVar("Losses")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rows(Generic[Losses]):
    """The losses of rows, and which of the rows count; None if all do."""

    losses: Losses
    counting: Array | None


def rows_of(losses: Losses, kept: Array | None, axes: int | tuple[int, ...]) -> Rows[Losses]:
    """The losses with a mask of the rows that count, which still has the class axes, with length 1."""
    return Rows(losses, None if kept is None else jnp.squeeze(kept, axes))


def over_rows(function: Callable[P, Rows[Losses]]) -> Callable[P, Losses]:
    """The public function of a loss over rows: it returns the losses alone, its attribute `with_counting` both."""

    @wraps(function)
    def losses(*args: P.args, **kwargs: P.kwargs) -> Losses:
        return function(*args, **kwargs).losses

    public, returned = cast(Any, losses), str(function.__annotations__["return"])  # "Rows[...]", as all annotations
    returned = returned.removeprefix("Rows[").removesuffix("]")
    public.__signature__ = inspect.signature(function).replace(return_annotation=returned)
    public.__annotations__ = {**function.__annotations__, "return": returned}
    public.with_counting = function
    return losses


def reducing(rows: Callable[..., Rows[Array]]) -> Callable[[F], F]:
    """Marks a public function that reduces by itself: its class form takes the losses of `rows` and reduces them."""

    def mark(function: F) -> F:
        public = cast(Any, function)
        public.with_counting, public.unreduced = rows, lambda *args, **kwargs: rows(*args, **kwargs).losses
        return function

    return mark


def with_counting(function: Any) -> Callable[..., Rows[Array]] | None:
    """The function that returns losses and rows that count; None for a loss that is not over rows."""
    return getattr(function, "with_counting", None)


def unreduced(function: Any) -> Callable[..., Array]:
    """The function that returns the losses: another than the public one where that reduces by itself."""
    return getattr(function, "unreduced", function)


__all__ = ["Rows", "over_rows", "reducing", "rows_of", "unreduced", "with_counting"]
