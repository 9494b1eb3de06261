r"""PyTorch's losses of a margin: of a class that is 1 or -1, of two scores, and between classes."""

from __future__ import annotations

from dataclasses import InitVar, dataclass

import jaxloss
from jaxloss._types import Array, Floats, Labels, Numbers, Scalar
from jaxloss.torch._classes import class_weights, in_range, labelled, row_axis
from jaxloss.torch._conventions import Reduction, broadcast_alike, chosen, expanded, operands, reduced, signed
from jaxloss.torch._loss import ComparingLoss, PairLoss


def soft_margin_loss(
    input: Floats,
    target: Numbers,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The logistic loss of a class y that is 1 or -1, $\ell = \log(1 + e^{-y x})$; see `jaxloss.soft_margin_loss`.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input: Log-odds, any shape.
        target: 1 or -1, of a shape that broadcasts to that of `input`.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per element, in nats. A target other than 1 and -1 has loss nan.

    Raises:
        ValueError: Shapes that do not fit, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(soft_margin_loss(jnp.array([0.0, 2.0]), jnp.array([1, -1]), reduction="none").round(4))
        [0.6931 2.1269]
    """
    name = "soft_margin_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    (x,), dtype = operands(name, input=input)
    y = expanded(name, "target", signed(name, target), x)
    return reduced(jaxloss.soft_margin_loss(x, y), reduction, dtype)


def margin_ranking_loss(
    input1: Floats,
    input2: Floats,
    target: Numbers,
    margin: Scalar = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""What a score lacks of a margin over the one that it should be above, $\ell = \max(0, m - y (x_1 - x_2))$.

    See `jaxloss.margin_ranking_loss`.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input1: The first score of each pair, any shape.
        input2: The second, of the same number of axes, and of a shape that broadcasts with `input1`.
        target: 1 where the first score should be the higher one, -1 where the second; as `input2`.
        margin: The margin m, in the units of the scores.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per pair. A target other than 1 and -1 has loss nan.

    Raises:
        ValueError: Shapes that do not broadcast, a margin that is no number, an unknown reduction.
        TypeError: Scores that are not floats.

    Example:
        >>> scores = jnp.array([0.5, 2.0]), jnp.array([1.0, 1.0])
        >>> print(margin_ranking_loss(*scores, jnp.array([1, 1]), margin=0.25, reduction="none"))
        [0.75 0.  ]
    """
    name = "margin_ranking_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    (a, b, y), dtype = operands(name, input1=input1, input2=input2, target=signed(name, target))
    a, b, y = broadcast_alike(name, input1=a, input2=b, target=y)
    return reduced(jaxloss.margin_ranking_loss(a, b, order=y, margin=margin), reduction, dtype)


def multi_margin_loss(
    input: Floats,
    target: Labels,
    p: int = 1,
    margin: Scalar = 1.0,
    weight: Numbers | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The mean over the C classes of what each other class lacks of a margin to the class index t.

    $$\ell = \frac{w_t}{C} \sum_{j \ne t} \max(0, m - x_t + x_j)^p$$

    See `jaxloss.multi_margin_loss`.

    The reductions are `"none"`, `"mean"` (over the number of rows, weighted or not) and `"sum"`.

    Args:
        input: Scores, `(C,)` or `(N, C)`.
        target: Class indices, `()` or `(N,)`.
        p: The power of each term, 1 or 2.
        margin: The margin m, in the units of the scores.
        weight: One weight for each class, `(C,)`; 1 by default.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per row.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, an unknown reduction.
        TypeError: An input that is not floats, a target that is not integers.

    Example:
        >>> print(multi_margin_loss(jnp.array([[0.1, 0.2, 0.4, 0.8]]), jnp.array([3])).round(4))
        0.325
    """
    name = "multi_margin_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    x, labels, dtype = labelled(name, input, target)
    labels = in_range(name, x.shape[row_axis(name, x)], labels, None)
    classes = class_weights(name, x, weight)
    return reduced(jaxloss.multi_margin_loss(x, labels, p=p, margin=margin, class_weights=classes), reduction, dtype)


@dataclass(frozen=True)
class SoftMarginLoss(PairLoss):
    """The class form of `functional.soft_margin_loss`."""

    fn = staticmethod(soft_margin_loss)
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class MarginRankingLoss(ComparingLoss):
    """The class form of `functional.margin_ranking_loss`."""

    fn = staticmethod(margin_ranking_loss)
    margin: Scalar = 0.0
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class MultiMarginLoss(PairLoss):
    """The class form of `functional.multi_margin_loss`."""

    fn = staticmethod(multi_margin_loss)
    p: int = 1
    margin: Scalar = 1.0
    weight: Numbers | None = None
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


__all__ = [
    "MarginRankingLoss",
    "MultiMarginLoss",
    "SoftMarginLoss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "soft_margin_loss",
]
