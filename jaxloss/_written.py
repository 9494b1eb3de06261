"""What would not print in a signature as it is written: fields of named tuples, and defaults that are functions."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def written_fields(cls: F) -> F:
    """The named tuple with annotations that are strings, of which typing makes ForwardRefs."""
    for annotated in (cls, cls.__new__):
        hints = annotated.__annotations__.items()
        annotated.__annotations__ = {name: getattr(hint, "__forward_arg__", hint) for name, hint in hints}
    return cls


def written_defaults(function: F) -> F:
    """The function with a signature in which defaults that are functions have their names, not their addresses."""
    signature = inspect.signature(function)
    named = [
        p.replace(default=_Named(p.default)) if inspect.isfunction(p.default) else p
        for p in signature.parameters.values()
    ]
    public: Any = function
    public.__signature__ = signature.replace(parameters=named)
    return function


class _Named(partial[Any]):
    """A function that prints by its name, as in `jnp.mean`, and is equal to the function."""

    def __repr__(self) -> str:
        return f"{self.func.__module__}.{self.func.__name__}".replace("jax.numpy", "jnp")

    def __eq__(self, other: object) -> bool:
        return other is self.func or (isinstance(other, _Named) and other.func is self.func)

    def __hash__(self) -> int:
        return hash(self.func)


__all__ = ["written_defaults", "written_fields"]
