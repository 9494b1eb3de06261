"""Errors for values outside a loss's domain, inside compiled programs."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from jaxloss._check import checking, finite_result

F = TypeVar("F", bound=Callable[..., Any])


def checked(loss: F) -> F:
    """The same loss, function or class form, with every value outside its domain an error.

    The errors go through `jax.experimental.checkify`, which a compiled program needs for them; they name the loss and
    what was wrong. Outside of `jit` they are raised at once.

    Args:
        loss: A loss function or class form.

    Returns:
        A callable of the same signature.

    Example:
        >>> import jax, jaxloss
        >>> from jax.experimental import checkify
        >>> step = jax.jit(checkify.checkify(checked(jaxloss.PoissonNLL(full="exact"))))
        >>> error, value = step(jax.numpy.zeros(2), jax.numpy.array([3.0, -1.0]))
        >>> error.get().split(" (")[0]
        'poisson_nll: targets must be counts of at least 0'
    """
    name = getattr(loss, "__name__", type(loss).__name__)
    call: Callable[..., Any] = loss if inspect.isfunction(loss) else type(loss).__call__

    @wraps(call)
    def run(*args: Any, **kwargs: Any) -> Any:
        with checking():
            losses = loss(*args, **kwargs)
            finite_result(name, losses)
        return losses

    return cast(F, run)


__all__ = ["checked"]
