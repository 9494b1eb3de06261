r"""The arguments that many losses share: one line for each, which completes the docstrings of functions and forms.

A docstring explains in its file the arguments that are its function's own, and leaves out the shared ones: their
lines are added when the package is imported, so that `help` shows all of them. A line in the file goes before the
table's, for an argument that means something else there.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

SHARED = {
    "axis": "The class axis, or axes that are taken together; None takes all.",
    "axis_name": "Mesh axes over which the mean is global; see `reduce`.",
    "class_weights": "One weight for each class; 1 by default.",
    "gamma": "How much well-classified examples are turned down; at least 0, where the loss is the cross-entropy.",
    "ignore_index": "A label to leave out: its rows have loss and gradient 0.",
    "label_smoothing": "The share s of each label that goes to 1/2; in [0, 1].",
    "labels": "0, 1 or a probability between them; of the shape of the first argument.",
    "log_input": "Whether the predictions are log-rates.",
    "logits": "Log-odds; any shape.",
    "pos_weight": "The weight of the positive labels, above 0: a scalar, or one for each class (the last axis).",
    "predictions": "Any shape.",
    "reduce": "Deprecated, as `size_average`.",
    "reduction": '`"mean"`, `"sum"`, `"sum_over_batch_size"` or `"none"`; see `reduce`.',
    "size_average": "Deprecated; given, it and `reduce` override `reduction`.",
    "targets": "Of the shape of `predictions`; zeros if left out.",
    "vocab_axis_name": "Mesh axes over which the classes are spread, inside `shard_map`; see docs/arguments.md.",
    "weights": "Weights of the losses; a shape `[batch]` weighs samples. See `reduce`.",
    "where": "True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.",
    "z_loss": r"The factor $\zeta$ of the squared log-partition function, which keeps logits small; at least 0.",
}
# The lines for losses over a class axis, which is an axis of the predictions or of the kernel of the last layer.
OVER_CLASSES = {
    "label_smoothing": "The share s of each label that is spread over the K classes; in [0, 1].",
    "log_predictions": "Log-probabilities, `[..., classes]`.",
    "logits": "Unnormalised log-probabilities, `[..., classes]`.",
    "predictions": "Probabilities, `[..., classes]`.",
    "probabilities": "`[..., classes]`, each row of sum 1.",
    "targets": "Probabilities, of the shape of the predictions.",
    "where": "True where a row counts or, in the shape of the first argument, where a class does; elsewhere loss and "
    "gradient are 0.",
}
STRICT = frozenset(
    {
        "axis",
        "axis_name",
        "class_weights",
        "ignore_index",
        "label_smoothing",
        "reduction",
        "vocab_axis_name",
        "weights",
        "where",
        "z_loss",
    }
)
"""The arguments that mean the same in every loss: their lines are always those of the table."""

_ENTRY = re.compile(r"^    (\*{0,2}\w+): ", re.M)


def shared_lines(parameters: Iterable[str]) -> dict[str, str]:
    """The table's lines for those parameters of one function that it has a line for."""
    parameters = list(parameters)
    table = SHARED | (OVER_CLASSES if {"axis", "kernel"} & set(parameters) else {})
    return {name: table[name] for name in parameters if name in table}


def own_lines(doc: str | None) -> dict[str, str]:
    """The lines of a docstring's `Args:`, by argument, each as one string."""
    _, section, _ = _parted(inspect.cleandoc(doc or ""))
    starts = list(_ENTRY.finditer(section))
    ends = [*(m.start() for m in starts[1:]), len(section)]
    return {m[1]: section[m.end() : end].rstrip() for m, end in zip(starts, ends, strict=False)}


def argument_lines(function: Callable[..., Any]) -> dict[str, str]:
    """The lines of a function's arguments in the order of its signature: its own, or else the table's."""
    parameters = inspect.signature(function).parameters
    own, shared = own_lines(function.__doc__), shared_lines(parameters)
    lines = {name: own.get(name, shared.get(name)) for name in parameters}
    lines |= {name: line for name, line in own.items() if name.lstrip("*") not in parameters}
    return {name: line for name, line in lines.items() if line is not None}


def with_arguments(doc: str, lines: dict[str, str]) -> str:
    """The docstring with these lines for its `Args:`."""
    before, _, after = _parted(inspect.cleandoc(doc))
    entries = "\n".join(f"    {name}: {line}" for name, line in lines.items())
    return "\n\n".join(part for part in (before, f"Args:\n{entries}" if lines else "", after) if part)


def _parted(doc: str) -> tuple[str, str, str]:
    """The text before the section `Args:`, its entries, and the text after it."""
    before, found, rest = doc.partition("\nArgs:\n")
    if found:
        section, _, after = rest.partition("\n\n")
        return before.rstrip(), section, after
    before, found, after = doc.partition("\nReturns:\n")
    return before.rstrip(), "", f"Returns:\n{after}" if found else ""


__all__ = ["OVER_CLASSES", "SHARED", "STRICT", "argument_lines", "own_lines", "shared_lines", "with_arguments"]
