"""Answers to first mistakes: error messages that name the argument or function that was meant."""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from difflib import get_close_matches
from functools import wraps
from traceback import walk_tb
from typing import Any

import numpy as np

# Annotations are strings, to print as they are written; checkers look their names up where a wrapper is defined.
from jaxloss._types import *  # noqa: F403

# Groups of argument names that mean the same in this library and in others.
_SYNONYMS = (
    {"weights", "sample_weight", "sample_weights", "weight"},
    {"where", "mask", "masks", "padding_mask"},
    {"predictions", "logits", "input", "y_pred", "preds"},
    {"targets", "labels", "target", "y_true"},
    {"order", "target"},
    {"label_smoothing", "smoothing", "smoothing_factor"},
    {"class_weights", "class_weight", "weight"},
    {"ignore_index", "ignore_class"},
    {"axis", "dim"},
    {"blank_id", "blank"},
    {"log_input", "from_logits"},
)
_ON_REDUCTION = ("reduction", "weights", "axis_name", "sample_weight")
# Pairs: the loss of distributions, and the loss of class indices.
_TWINS = (
    ("softmax_cross_entropy", "softmax_cross_entropy_with_integer_labels"),
    ("categorical_cross_entropy", "sparse_categorical_cross_entropy"),
    ("kl_divergence", "nll_loss"),
    ("categorical_crossentropy", "sparse_categorical_crossentropy"),
)
OF_INDICES = dict(_TWINS)
OF_DISTRIBUTIONS = {indices: distributions for distributions, indices in _TWINS}


def called_like_a_function(form: str, function: str, arrays: str = "predictions, targets") -> str:
    """The message for arrays that are given to the constructor of a form."""
    return (
        f"{form}: a class form takes its options first and arrays when it is called: "
        f"make the loss, then call it, as in {form}()({arrays}), or call {function}({arrays})."
    )


def own_init(form: str) -> str:
    """The message for arguments of a constructor that was written by hand."""
    return (
        f"{form}: the options of a loss are fields, not arguments of an __init__: write each in the class with a type, "
        "as in scale: float = 1.0, and @dataclass(frozen=True, kw_only=True) above it."
    )


def unknown_keywords(
    name: str,
    given: Iterable[str],
    known: Iterable[str],
    options: Iterable[str] = (),
    means: Mapping[str, str] | None = None,
) -> str:
    """The message for keywords that a call does not take: it names the one that was meant, or all that there are."""
    known, options = list(known), list(options)
    unknown = [keyword for keyword in given if keyword not in known]
    renamed = means or {}
    answers = [f"give it as {renamed[k]}=" if k in renamed else _meant(name, k, known, options) for k in unknown]
    return f"{name}: takes no {' and no '.join(unknown)}: {'; '.join(answers)}. It takes {', '.join(known)}."


def _meant(name: str, keyword: str, known: list[str], options: list[str]) -> str:
    names = {keyword}.union(*(group for group in _SYNONYMS if keyword in group))
    meant = [n for n in known if n in names]
    if keyword in options:
        return f"{keyword} is an option of the form, {name}({keyword}=...)"
    if meant:
        return f"give it as {' or '.join(f'{n}=' for n in meant)}"
    if name[0].isupper() and names & {"weights", "where"}:
        return "it is given when the loss is called, as weights= or where="
    if keyword in _ON_REDUCTION:
        return "the function does not reduce: take its class form, or give what it returns to jaxloss.reduce"
    close = get_close_matches(keyword, known, 1)
    return f"did you mean {close[0]}=?" if close else "there is no such argument"


def differing(
    name: str, first: str, shape: tuple[int, ...], second: str, other: tuple[int, ...], remedy: str = "reshape one"
) -> str:
    """The message for two arrays of different shapes."""
    return (
        f"{name}: {first} {shape} and {second} {other} differ in shape, and must have the same shape; "
        f"losses do not broadcast: {remedy}."
    )


def described(x: Any) -> str:
    """The description of an argument that is not an array."""
    if isinstance(x, (list, tuple)):
        return f"a {type(x).__name__} that is not an array: pad its rows to one length, and mask the padding with where"
    if isinstance(x, np.ma.MaskedArray):
        return "a masked array: pass its data, and where=~numpy.ma.getmaskarray(x)"
    if isinstance(x, np.ndarray):
        return f"an array of dtype {x.dtype}, which JAX does not have: cast it, as with .astype('float32')"
    tree = "; for a tree of arrays, map the loss over it with jax.tree.map" if isinstance(x, dict) else ""
    return f"{type(x).__name__}: pass an array{tree}"


_functions: set[str] = set()
# The outermost public function of a call. A drop-in calls native functions, whose errors would otherwise carry the
# native names.
_called: ContextVar[str | None] = ContextVar("jaxloss_called", default=None)


def called(name: str) -> str:
    """The name of the public function that the user called, which may have called the function of this name."""
    return _called.get() or name


def answering(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with answers to wrong arguments; errors of functions that it calls carry its name."""
    name, callers = function.__name__, 2 if hasattr(function, "__wrapped__") else 1

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        token = _called.set(called(name))
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError) as error:
            inner, _, message = str(error).partition(": ")
            if inner in _functions and inner != name:
                error.args = (f"{name}: {message}",)
            # Only a wrong call is answered here; an error raised inside the function has a deeper traceback.
            if len(list(walk_tb(error.__traceback__))) == callers:
                answer = _refused_call(function, args, kwargs)
                if answer:
                    raise TypeError(answer) from None
            raise
        finally:
            _called.reset(token)

    return call


def _refused_call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parameters = inspect.signature(function).parameters
    if not kwargs.keys() <= parameters.keys():
        return unknown_keywords(function.__name__, kwargs, parameters)
    positional = [p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
    if len(args) > len(positional):
        rest = ", ".join(name for name in parameters if name not in positional)
        taken = ", ".join(positional)
        others = f"by keyword it takes {rest}" if rest else "it takes no others"
        return f"{function.__name__}: takes {taken} by position, got {len(args)}: {others}."
    return ""


def answer_in(package: str, within: str | None = None) -> None:
    """Replaces public functions by `answering` ones, in the modules of a package and in its class forms."""
    public = vars(sys.modules[package])
    _functions.update(name for name in public["__all__"] if inspect.isfunction(public[name]))
    functions = {f: answering(f) for name in public["__all__"] if inspect.isfunction(f := public[name])}
    for module in [m for name, m in sys.modules.items() if f"{name}.".startswith(f"{within or package}.")]:
        for name, value in list(vars(module).items()):
            if inspect.isfunction(value) and value in functions:
                setattr(module, name, functions[value])
            elif inspect.isclass(value) and getattr(value, "fn", None) in functions and "fn" in vars(value):
                form: Any = value
                form.fn = staticmethod(functions[form.fn])


__all__ = [
    "OF_DISTRIBUTIONS",
    "OF_INDICES",
    "answer_in",
    "called_like_a_function",
    "described",
    "differing",
    "own_init",
    "unknown_keywords",
]
