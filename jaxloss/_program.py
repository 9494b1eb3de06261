"""Functions that are compiled as one program when they are called eagerly."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import jax

from jaxloss._domain import is_checking

F = TypeVar("F", bound=Callable[..., Any])


def one_program(*static: str) -> Callable[[F], F]:
    """The decorated function as one program; eager loops and rules would be traced and compiled anew at every call.

    Under `checked` it is not: eager checks are raised at once, which a program of its own could not do, and one that
    was traced without them has none.

    Args:
        static: The names of the arguments that are not arrays.
    """

    def decorate(f: F) -> F:
        program = jax.jit(f, static_argnames=static)

        @wraps(f)
        def run(*args: Any, **kwargs: Any) -> Any:
            return (f if is_checking() else program)(*args, **kwargs)

        return cast(F, run)

    return decorate


__all__ = ["one_program"]
