"""A class form beside its function: which options it has as fields, which arrays its call takes, and its docstring."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from jaxloss._docstrings import own_lines, with_arguments

REDUCTION = ("reduction", "axis_name")
"""The fields that every form has; the others are options of its function."""


@cache
def option_names(cls: type) -> tuple[str, ...]:
    """The fields that are options."""
    return tuple(f.name for f in dataclasses.fields(cls) if f.name not in REDUCTION)


@cache
def arrays_taken(cls: Any, own_method: bool) -> tuple[str, ...] | None:
    """The arrays that the losses take beside predictions and targets; None where they take any.

    `own_method` says that the class computes its losses by a method, not by a function.
    """
    if own_method:
        _, *parameters = inspect.signature(cls.losses).parameters.values()
    elif hasattr(cls, "fn"):
        parameters = list(inspect.signature(cls.fn).parameters.values())
    else:
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return tuple(p.name for p in parameters[2:] if p.name not in (*option_names(cls), *REDUCTION))


@cache
def needs_targets(function: Callable[..., Any]) -> bool:
    """Whether the second argument has no default."""
    _, targets, *_ = inspect.signature(function).parameters.values()
    return targets.default is targets.empty


def function_name(cls: Any) -> str:
    """The call that computes the losses of a form."""
    return cls.fn.__name__ if hasattr(cls, "fn") else f"{cls.__name__}().losses"


def form_doc(cls: Any) -> str:
    """A form's docstring with its function's summary, and a line for each field: the function's or the base's.

    How the form reduces is the base's to say, even where the function has a `reduction` that means something else.
    """
    function = cls.fn
    lines: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        lines |= own_lines(base.__doc__)
    lines |= {name: line for name, line in own_lines(function.__doc__).items() if name not in REDUCTION}
    fields = [name for name in inspect.get_annotations(cls) if name in lines]
    doc = with_arguments(cls.__doc__, {name: lines[name] for name in (*fields, *REDUCTION)})
    summary = inspect.cleandoc(function.__doc__ or "").partition("\n")[0]
    first, rest = doc.split("\n", 1)
    return f"{first}\n\n{summary}\n\nThe formula, its domain and its source are in `{function.__name__}`.\n{rest}"


__all__ = ["REDUCTION", "arrays_taken", "form_doc", "function_name", "needs_targets", "option_names"]
