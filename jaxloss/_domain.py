"""Values outside a loss's domain: nan in that element; under `checked` an error, inside compiled programs too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
from jax.experimental import checkify

from jaxloss._answers import called
from jaxloss._types import Array
from jaxloss.numerics import nan_unless

_checking: ContextVar[bool] = ContextVar("jaxloss_checking", default=False)


def in_unit(p: Array) -> Array:
    """Which elements are probabilities, in [0, 1]."""
    return (p >= 0) & (p <= 1)


def finite_from_0(a: Array) -> Array:
    """Which elements are finite and at least 0."""
    return (a >= 0) & (a < jnp.inf)


def finite_above_0(a: Array) -> Array:
    """Which elements are finite and above 0."""
    return (a > 0) & (a < jnp.inf)


@contextmanager
def checking() -> Generator[None]:
    """A context: in what is traced inside it, values outside a loss's domain are errors, raised through checkify."""
    token = _checking.set(True)
    try:
        yield
    finally:
        _checking.reset(token)


def is_checking() -> bool:
    """Whether tracing happens in that context now. A cache of traced programs must distinguish the two cases."""
    return _checking.get()


def required(name: str, inside: Array, rule: str) -> None:
    """Under `checked`, an error unless all of `inside` is True."""
    if _checking.get():
        checkify.check(jnp.all(inside), f"{called(name)}: {rule}")


def outside_is_nan(name: str, losses: Array, inside: Callable[[], Array], rule: str) -> Array:
    """`losses`, nan where `inside` is False, and with gradient 0 there.

    Elements that are not masked show their nan; elements that are masked after the loss train as if they had been
    masked before it. The slopes of the formula must be finite there, since 0 times infinity is nan: fill the inputs, or
    gate their derivatives.
    """
    ok = inside()
    required(name, ok, rule)
    return nan_unless(ok, losses)


def checked_only(name: str, losses: Array, inside: Callable[[], Array], rule: str) -> Array:
    """`losses` unchanged, for a formula that has a value outside the domain too: an error only under `checked`."""
    if _checking.get():
        required(name, inside(), rule)
    return losses


def finite_result(name: str, losses: Any) -> None:
    """Under `checked`, an error for a nan that no rule of the domain explains: the predictions or targets hold it."""
    for value in jax.tree.leaves(losses):
        checkify.check(~jnp.any(jnp.isnan(value)), f"{name}: a loss is nan: predictions or targets hold nan.")


F = TypeVar("F", bound=Callable[..., Any])


def checked(loss: F) -> F:
    """The same loss, function or class form, with every value outside its domain an error.

    Inside `jit` the errors go through `jax.experimental.checkify`; outside of it they are raised at once. They name the
    loss and the rule that was broken.

    Args:
        loss: A loss function, a class form, or any function that calls them, not compiled: a program that `jit` has
            already traced has no checks. Compile the result instead.

    Returns:
        A callable of the same signature.

    Raises:
        TypeError: The loss is what `jax.jit` returned.

    Example:
        >>> import jax, jaxloss
        >>> from jax.experimental import checkify
        >>> step = jax.jit(checkify.checkify(checked(jaxloss.PoissonNLL(full="exact"))))
        >>> error, value = step(jax.numpy.zeros(2), jax.numpy.array([3.0, -1.0]))
        >>> error.get().split(" (")[0]
        'poisson_nll: targets must be counts of at least 0'
    """
    if isinstance(loss, jax.stages.Wrapped):
        raise TypeError("checked: the loss is compiled already: compile what checked returns instead.")
    name = getattr(loss, "__name__", type(loss).__name__)
    call: Callable[..., Any] = loss if inspect.isfunction(loss) else type(loss).__call__

    @wraps(call)
    def run(*args: Any, **kwargs: Any) -> Any:
        with checking():
            losses = loss(*args, **kwargs)
            finite_result(name, losses)
        return losses

    return cast(F, run)


__all__ = [
    "checked",
    "checked_only",
    "finite_above_0",
    "finite_from_0",
    "in_unit",
    "is_checking",
    "outside_is_nan",
    "required",
]
