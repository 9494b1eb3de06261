r"""The squared errors of probabilities: of an event, of classes, and of classes in an order."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import in_unit, outside_is_nan
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._masks import masked
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Labels, Mask, Numbers
from jaxloss.losses._label_rows import PROBABILITIES, LabelRows, label_rows, probable


def brier_score(probabilities: Floats, labels: Numbers, *, where: Mask | None = None) -> Array:
    r"""The squared error of the probability of an event.

    `(p - y)**2` with p = probabilities and y = labels.

    $$\ell = (p - y)^2$$

    From 0 to 1. Probabilities and labels in [0, 1], both ends included; elsewhere the loss is nan. It is scikit-learn's
    `brier_score_loss` of two classes; `multiclass_brier_score` of two classes, which sums over both, is twice as large.

    Args:
        probabilities: Any shape.
        labels: 0, 1 or a probability between them; of the shape of the first argument.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Probabilities that are not floats.

    Example:
        >>> print(brier_score(jnp.array([0.75, 0.75]), jnp.array([1, 0])))
        [0.0625 0.5625]

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950, of one class of two.
    """
    name = "brier_score"
    p = Given("probabilities", probabilities, 0.5, in_unit, PROBABILITIES)
    elements = elementwise(name, where, p, Given("labels", labels, 0.5, in_unit, "labels must be in [0, 1]"))
    x, y = elements.arrays
    return elements.finish(jnp.square(x - y))


@over_rows
def multiclass_brier_score(
    probabilities: Floats, labels: Labels, *, axis: Axes = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The squared distance between the probabilities of classes and the one-hot vector of the class t that came true.

    `(1 - p_t)**2 + sum(p_k**2 for k != t)` with p = probabilities and t = labels.

    $$\ell = (1 - p_t)^2 + \sum_{k \ne t} p_k^2$$

    From 0 to 2. Probabilities in [0, 1], both ends included, taken as they are; a row with one outside has loss nan,
    and so has a label outside 0 to C - 1. It is scikit-learn's `brier_score_loss` of many classes, and twice that of
    two. No one-hot vector is formed; `squared_error` takes distributions as targets.

    Args:
        probabilities: `[..., classes]`, each row of sum 1.
        labels: Class indices, of the shape of `probabilities` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Probabilities that are not floats, labels that are not integers.

    Example:
        >>> print(multiclass_brier_score(jnp.array([[0.5, 0.25, 0.25]]), jnp.array([0])))
        [0.375]

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    name = "multiclass_brier_score"
    rows = label_rows(name, "probabilities", probabilities, labels, axis, where, None, fill=0.0)
    rows, inside = _probabilities(rows)
    p = rows.x
    missed = jnp.where(numerics.is_label(p, rows.labels, rows.axis), 1 - p, p)
    return _finished(name, rows, inside, jnp.sum(jnp.square(missed), rows.axis, keepdims=True))


@over_rows
def ranked_probability_score(
    probabilities: Floats, labels: Labels, *, axis: Axes = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The squared errors of the probabilities of being up to each class, for classes in an order.

    `sum(F_k**2 for k < t) + sum(S_k**2 for k > t)` with t = labels, F_k the sum of the probabilities of the classes up
    to k, and S_k that of the classes from k on.

    $$\ell = \sum_{k < t} F_k^2 + \sum_{k > t} S_k^2, \quad F_k = \sum_{j \le k} p_j, \quad S_k = \sum_{j \ge k} p_j$$

    for the class t that came true: the sum of the squared differences between the forecast's distribution function and
    the step at t, not divided by their number. With $S_k$ for $1 - F_{k - 1}$, a confident forecast keeps its digits,
    and what the sum of the probabilities lacks of 1 is in no term. A probability counts the more, the further its class
    is from t. With two classes it is `brier_score`. Probabilities in [0, 1], both ends included; a row with one outside
    has loss nan, and so has a label outside 0 to C - 1.

    Args:
        probabilities: `[..., classes]`, each row of sum 1.
        labels: Class indices, of the shape of `probabilities` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, from 0 to C - 1: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Probabilities that are not floats, labels that are not integers.

    Example:
        >>> print(ranked_probability_score(jnp.array([[0.5, 0.25, 0.25]]), jnp.array([2])))
        [0.8125]

    Source: Epstein, "A scoring system for probability forecasts of ranked categories", 1969, in the form of Murphy,
    "A note on the ranked probability score", 1971.
    """
    name = "ranked_probability_score"
    rows = label_rows(name, "probabilities", probabilities, labels, axis, where, None, fill=0.0)
    rows, inside = _probabilities(rows)
    reached = numerics.sums_towards(rows.x, rows.labels, rows.axis)
    # A class that is left out is no step of the order.
    squares = masked(jnp.square(reached), rows.elements)
    return _finished(name, rows, inside, jnp.sum(squares, rows.axis, keepdims=True))


def _probabilities(rows: LabelRows) -> tuple[LabelRows, Array]:
    """The rows, without derivatives where an element is outside [0, 1], and a mask of those where none is."""
    inside = probable(rows.x, (rows.axis,)) | ~rows.slopes
    return rows._replace(x=numerics.gated(rows.x, inside)), inside


def _finished(name: str, rows: LabelRows, inside: Array, losses: Array) -> Rows[Array]:
    """The losses of rows of probabilities, nan where one is outside [0, 1]."""
    return rows.counting(name, outside_is_nan(name, losses, lambda: inside, PROBABILITIES))


@class_form
class BrierScore(Loss):
    """Brier score of an event: the class form of `brier_score`."""

    fn = staticmethod(brier_score)


@class_form
class MulticlassBrierScore(Loss):
    """Brier score of classes: the class form of `multiclass_brier_score`."""

    fn = staticmethod(multiclass_brier_score)
    axis: Axes = -1


@class_form
class RankedProbabilityScore(Loss):
    """Ranked probability score: the class form of `ranked_probability_score`."""

    fn = staticmethod(ranked_probability_score)
    axis: Axes = -1


__all__ = [
    "BrierScore",
    "MulticlassBrierScore",
    "RankedProbabilityScore",
    "brier_score",
    "multiclass_brier_score",
    "ranked_probability_score",
]
