r"""PyTorch's losses of rows that have any number of labels."""

from __future__ import annotations

from dataclasses import InitVar, dataclass

import jax.numpy as jnp

import jaxloss
from jaxloss._arrays import class_axes, integers
from jaxloss._domain import checked_only, in_unit
from jaxloss._options import per_class
from jaxloss._types import Array, Floats, Labels, Numbers
from jaxloss.torch._classes import class_axis, row_axis
from jaxloss.torch._conventions import Reduction, chosen, expanded, operands, reduced, same_shape
from jaxloss.torch._loss import PairLoss


def multilabel_margin_loss(
    input: Floats,
    target: Labels,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The mean over the C classes of what the labels of a row lack of a margin of 1 to each class that is no label.

    $$\ell = \frac1C \sum_s \sum_{i \notin \{t_1, \dots, t_n\}} \max(0, 1 - x_{t_s} + x_i)$$

    See `jaxloss.multilabel_margin_loss`. A label that is there twice counts twice.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input: Scores, `(C,)` or `(N, C)`.
        target: The class indices of each row, which end before the first -1, whatever follows it; of the shape of
            `input`.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per row. A class index out of range makes the loss nan.

    Raises:
        ValueError: Shapes that do not fit, an unknown reduction.
        TypeError: An input that is not floats, a target that is not integers.

    Example:
        >>> scores, labels = jnp.array([[0.1, 0.2, 0.4, 0.8]]), jnp.array([[3, 0, -1, 1]])
        >>> print(f"{multilabel_margin_loss(scores, labels):.4f}")
        0.8500
    """
    name = "multilabel_margin_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    (x,), dtype = operands(name, input=input)
    classes = x.shape[row_axis(name, x)]
    labels = integers(name, "target", target)
    same_shape(name, x, labels)
    ended = lambda: jnp.cumsum(labels == -1, -1) > 0  # noqa: E731
    known = lambda: ended() | (labels >= 0) & (labels < classes)  # noqa: E731
    labels = checked_only(name, labels, known, f"target must be from 0 to {classes - 1}, or -1 where a row ends")
    return reduced(jaxloss.multilabel_margin_loss(x, labels), reduction, dtype)


def multilabel_soft_margin_loss(
    input: Floats,
    target: Numbers,
    weight: Numbers | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The mean over the C classes of their binary cross-entropies.

    $$\ell = -\frac1C \sum_k w_k \left(y_k \log \sigma(x_k) + (1 - y_k) \log \sigma(-x_k)\right)$$

    See `jaxloss.multilabel_soft_margin_loss`.

    The reductions are `"none"`, `"mean"` (over the number of rows, weighted or not) and `"sum"`.

    Args:
        input: Log-odds, `(C,)`, `(N, C)` or `(N, ..., C)`: the classes are on the last axis.
        target: 0, 1 or a probability between them, of a shape that broadcasts to that of `input`.
        weight: One weight for each class, `(C,)`; 1 by default.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per row, in nats. A target outside [0, 1] makes the loss nan.

    Raises:
        ValueError: Shapes that do not fit, a weight of another shape, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(f"{multilabel_soft_margin_loss(jnp.array([[0.0, 2.0]]), jnp.array([[1, 1]])):.4f}")
        0.4100
    """
    name = "multilabel_soft_margin_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    (x, y), dtype = operands(name, input=input, target=target)
    class_axis(name, x)
    axes = class_axes(name, "input", x, -1)
    y = expanded(name, "target", y, x)
    y = checked_only(name, y, lambda: in_unit(y), "target must be in [0, 1]")
    classes = None if weight is None else per_class(name, "weight", weight, x.shape, axes, x.dtype).reshape(-1)
    return reduced(jaxloss.multilabel_soft_margin_loss(x, y, class_weights=classes), reduction, dtype)


@dataclass(frozen=True)
class MultiLabelMarginLoss(PairLoss):
    """The class form of `functional.multilabel_margin_loss`."""

    fn = staticmethod(multilabel_margin_loss)
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class MultiLabelSoftMarginLoss(PairLoss):
    """The class form of `functional.multilabel_soft_margin_loss`."""

    fn = staticmethod(multilabel_soft_margin_loss)
    weight: Numbers | None = None
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


__all__ = [
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
]
