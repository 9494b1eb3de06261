"""A class form beside its function: which options it has as fields, which arrays its call takes, and its docstring."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from functools import cache, wraps
from traceback import walk_tb
from typing import Any, ParamSpec, TypeVar, cast

from jaxloss._answers import called_like_a_function, own_init, unknown_keywords
from jaxloss._docstrings import own_lines, with_arguments
from jaxloss._rows import with_counting

P = ParamSpec("P")
Answer = TypeVar("Answer")

REDUCTION = ("reduction", "axis_name")
"""The fields that every form has; the others are options of its function."""

FIRST = ("predictions", "targets")
"""What the call of every form names its first two arrays."""


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
        parameters = list(inspect.signature(with_counting(cls.fn) or cls.fn).parameters.values())
    else:
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return tuple(p.name for p in parameters[2:] if p.name not in (*option_names(cls), *REDUCTION))


def answered(call: Callable[P, Answer]) -> Callable[P, Answer]:
    """The call of a form; arrays by position, or by the names that its function gives them, are answered.

    The first two arrays may be given as `predictions` and `targets`. A function that takes `targets` after two other
    arrays has them by keyword.
    """

    @wraps(call)
    def answering(*args: P.args, **kwargs: P.kwargs) -> Answer:
        for name in FIRST[len(args) - 1 :]:
            if name not in kwargs:
                break
            args = cast(Any, (*args, kwargs.pop(name)))
        try:
            return call(*args, **kwargs)
        except TypeError as error:
            # An error that is raised inside of the call has a deeper traceback.
            answer = "" if len(list(walk_tb(error.__traceback__))) > 1 else _refused_call(args, kwargs)
            if not answer:
                raise
            raise TypeError(answer) from None

    return answering


def _refused_call(args: tuple[Any, ...], named: dict[str, Any]) -> str:
    loss, *arrays = args
    cls = type(loss)
    missing = not arrays and "predictions" not in named
    if len(arrays) > 2:
        taken = ", ".join(_keywords(cls))
        return (
            f"{cls.__name__}: takes predictions, targets by position, got {len(arrays)}: by keyword it takes {taken}."
        )
    if not missing:
        return ""
    unknown = named.keys() - {"targets", *_keywords(cls)}
    if unknown:
        return refused_keywords(cls, [name for name in named if name in unknown])
    return f"{cls.__name__}: the predictions are missing: call it with predictions and targets."


def _has_method(cls: Any) -> bool:
    """Whether the class computes its losses by a method, not by a function."""
    return cls.losses.__qualname__ != "Loss.losses" or not hasattr(cls, "fn")


def _keywords(cls: Any) -> list[str]:
    arrays = arrays_taken(cls, _has_method(cls)) or ()
    return ["weights", *(name for name in arrays if name != "where"), "where"]


def refused_keywords(cls: Any, given: Iterable[str]) -> str:
    """The message for keywords that the call of a form does not take."""
    given, fields = list(given), [f.name for f in dataclasses.fields(cls)]
    keywords = _keywords(cls)
    known = [*(name for name in FIRST if name not in keywords), *keywords]
    twice = [name for name in given if name in FIRST and name not in keywords]
    if twice:
        return f"{cls.__name__}: got {twice[0]} by position and by keyword: give it once."
    names = (
        list(inspect.signature(cls.losses).parameters)[1:] if _has_method(cls) else inspect.signature(cls.fn).parameters
    )
    # Where the function has targets further back, its first two arrays have no names but by position.
    means = {} if set(FIRST) & set(keywords) else dict(zip(names, FIRST, strict=False))
    return unknown_keywords(cls.__name__, given, known, fields, means)


def refused_options(cls: Any, args: tuple[Any, ...], options: dict[str, Any]) -> str:
    """The message for wrong arguments of the constructor of a form; none if they are right."""
    known = [f.name for f in dataclasses.fields(cls) if f.init]
    if not args and options.keys() <= set(known):
        return ""
    # A constructor that was written by hand, not generated from the fields.
    if "__dataclass_params__" not in vars(next(c for c in cls.__mro__ if "__init__" in vars(c))):
        return own_init(cls.__name__)
    if args:
        return called_like_a_function(cls.__name__, function_name(cls))
    return unknown_keywords(cls.__name__, options, known)


@cache
def needs_targets(function: Callable[..., Any]) -> bool:
    """Whether the second argument has no default."""
    _, targets, *_ = inspect.signature(function).parameters.values()
    return targets.default is targets.empty


def function_name(cls: Any) -> str:
    """The call that computes the losses of a form."""
    return cls.fn.__name__ if hasattr(cls, "fn") else f"{cls.__name__}().losses"


def document(cls: Any) -> None:
    """Gives a form of a function the function's summary, and a line for each field: the function's or the base's.

    How the form reduces is the base's to say, even where the function has a `reduction` that means something else.
    """
    if "fn" not in vars(cls) or not cls.__doc__:
        return
    function = cls.fn
    lines: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        lines |= own_lines(base.__doc__)
    inherited = {name: lines[name] for name in REDUCTION if name in lines}
    lines |= own_lines(function.__doc__) | inherited
    source = "Loss" if "reduction" in inherited else function.__name__
    lines = {name: line.replace("number, see above", f"number, see `{source}`") for name, line in lines.items()}
    fields = [name for name in inspect.get_annotations(cls) if name in lines]
    fields += [name for name in REDUCTION if name in lines and name not in fields]
    doc = with_arguments(cls.__doc__, {name: lines[name] for name in fields})
    summary = inspect.cleandoc(function.__doc__ or "").partition("\n")[0]
    summary = f"{summary[:-1]}." if summary.endswith(",") else summary  # which the formula continues
    first, rest = doc.split("\n", 1)
    cls.__doc__ = (
        f"{first}\n\n{summary}\n\nThe formula, its domain and its source are in `{function.__name__}`.\n{rest}"
    )


__all__ = [
    "REDUCTION",
    "answered",
    "arrays_taken",
    "document",
    "function_name",
    "needs_targets",
    "option_names",
    "refused_keywords",
    "refused_options",
]
