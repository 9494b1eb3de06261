"""What only a value can show: nan in that element, and under `checked` an error, inside compiled programs too."""

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
from jax.experimental import checkify

from jaxloss._types import Array

_checking: ContextVar[bool] = ContextVar("jaxloss_checking", default=False)


@contextmanager
def checking() -> Generator[None]:
    """While tracing in this context, values outside a loss's domain are errors, raised through checkify."""
    token = _checking.set(True)
    try:
        yield
    finally:
        _checking.reset(token)


def is_checking() -> bool:
    """Whether what is traced now is traced in that context; what keeps traced programs must keep the two apart."""
    return _checking.get()


def valued(name: str, losses: Array, inside: Callable[[], Array], rule: str) -> Array:
    """`losses`, nan where `inside` is False, with gradient 0 there: a mask after the loss takes both away."""
    ok = inside()
    if _checking.get():
        checkify.check(jnp.all(ok), f"{name}: {rule}")
    return _nan_outside(losses, ok)


def valued_by_formula(name: str, losses: Array, inside: Callable[[], Array], rule: str) -> Array:
    """As `valued`, for a formula that is nan outside its domain by itself: only the gradient is left to be made so."""
    expected(name, losses, inside, rule)
    return _nan_outside(losses, ~jnp.isnan(losses))


@jax.custom_jvp
def _nan_outside(losses: Array, ok: Array) -> Array:
    # A select, not a product with 1 or nan: XLA on CPU would write out both factors before it sums them.
    return jnp.where(ok, losses, jnp.full_like(losses, jnp.nan))


@_nan_outside.defjvp
def _nan_outside_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    losses, ok = primals
    return _nan_outside(losses, ok), jnp.where(ok, tangents[0], jnp.zeros_like(tangents[0]))


def expected(name: str, losses: Array, inside: Callable[[], Array], rule: str) -> Array:
    """`losses` as they are, where the formula has a value outside the domain too: an error only under `checked`."""
    if _checking.get():
        checkify.check(jnp.all(inside()), f"{name}: {rule}")
    return losses


def finite_result(name: str, losses: Any) -> None:
    """Under `checked`, a nan that no rule of the domain explains: it stood in the predictions or targets."""
    for value in jax.tree.leaves(losses):
        checkify.check(~jnp.any(jnp.isnan(value)), f"{name}: a loss is nan: predictions or targets hold nan.")


F = TypeVar("F", bound=Callable[..., Any])


def checked(loss: F) -> F:
    """The same loss, function or class form, with every value outside its domain an error.

    The errors go through `jax.experimental.checkify`, which a compiled program needs for them; they name the loss and
    what was wrong. Outside of `jit` they are raised at once.

    Args:
        loss: A loss function or class form, or a function of one's own that calls them. Not one that is compiled, nor
            one that calls such a one: what `jit` has traced without the checks stays without. Compile the result.

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


__all__ = ["checked", "expected", "valued"]
