r"""Margins between classes: how far the score of the right class is above the others'."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._options import number, option
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Labels, Mask, Numbers, Scalar
from jaxloss.losses._label_rows import LabelRows, classes, label_rows


@over_rows
def multiclass_hinge_loss(
    scores: Floats,
    labels: Labels,
    *,
    axis: Axes = -1,
    where: Mask | None = None,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""The hinge loss of a class index t: 0 where its score is above every other by a margin of at least 1.

    `max(0, 1 + max(x[j] for j != t) - x[t])` with x = scores and t = labels.

    $$\ell = \max(0, 1 + \max_{j \ne t} x_j - x_t)$$

    Any real scores; a class of score minus infinity is absent. A label outside 0 to C - 1 has loss nan. Where the
    margin is exactly 1 the slope is 0; other classes that are tied share the slope of their maximum.

    Args:
        scores: `[..., classes]`.
        labels: Class indices, of the shape of `scores` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row, in the units of the scores.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Scores that are not floats, labels that are not integers.

    Example:
        >>> print(multiclass_hinge_loss(jnp.array([[2.0, 0.0, 0.5], [0.0, 3.0, 2.5]]), jnp.array([0, 1])))
        [0.  0.5]

    Source: Crammer, Singer, "On the algorithmic implementation of multiclass kernel-based vector machines", 2001.
    """
    name = "multiclass_hinge_loss"
    return _label_hinge(name, label_rows(name, "scores", scores, labels, axis, where, ignore_index), 1.0)


@over_rows
def multiclass_perceptron_loss(
    scores: Floats,
    labels: Labels,
    *,
    axis: Axes = -1,
    where: Mask | None = None,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""The loss of the multiclass perceptron: how far the highest score is above that of the class index t.

    `max_j(x[j]) - x[t]` with x = scores and t = labels.

    $$\ell = \max_j x_j - x_t$$

    Any real scores; a class of score minus infinity is absent. A label outside 0 to C - 1 has loss nan. Where $x_t$ is
    among the highest the slope is 0, so a model whose scores are all alike does not move: let its weights start at
    random. Other classes that are tied share the slope of their maximum.

    Args:
        scores: `[..., classes]`.
        labels: Class indices, of the shape of `scores` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row, in the units of the scores.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Scores that are not floats, labels that are not integers.

    Example:
        >>> print(multiclass_perceptron_loss(jnp.array([[2.0, 0.0, 0.5], [0.0, 3.0, 2.5]]), jnp.array([0, 2])))
        [0.  0.5]

    Source: Collins, "Discriminative training methods for hidden Markov models: theory and experiments with perceptron
    algorithms", 2002.
    """
    name = "multiclass_perceptron_loss"
    return _label_hinge(name, label_rows(name, "scores", scores, labels, axis, where, ignore_index), 0.0)


@over_rows
def multi_margin_loss(
    scores: Floats,
    labels: Labels,
    *,
    p: int = 1,
    margin: Scalar = 1.0,
    class_weights: Numbers | None = None,
    axis: Axes = -1,
    where: Mask | None = None,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""The mean over all C classes of what each other class lacks of a margin to the class index t.

    `w[t] / C * sum(max(0, m - x[t] + x[j])**p for j != t)` with x = scores, t = labels, m = margin and
    w = class_weights.

    $$\ell = \frac{w_t}{C} \sum_{j \ne t} \max(0, m - x_t + x_j)^p$$

    Any real scores; a class of score minus infinity adds nothing, and is an infinite loss as the label. A label outside
    0 to C - 1 has loss nan. Where a class has exactly the margin its term has slope 0, and second derivative 0.

    Args:
        scores: `[..., classes]`.
        labels: Class indices, of the shape of `scores` without `axis`.
        p: The power of each term, 1 or 2.
        margin: The margin m, in the units of the scores.
        class_weights: One weight for each class; 1 by default.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row, in the units of the scores to the power p.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.
        TypeError: Scores that are not floats, labels that are not integers.

    Example:
        >>> print(multi_margin_loss(jnp.array([[2.0, 0.0, 0.5], [0.0, 3.0, 2.5]]), jnp.array([0, 2])).round(4))
        [0.  0.5]

    Source: Weston, Watkins, "Support vector machines for multi-class pattern recognition", 1999.
    """
    name = "multi_margin_loss"
    power = option(name, "p", p)
    rows = label_rows(name, "scores", scores, labels, axis, where, ignore_index)
    x, labels, class_axis = rows.x, rows.labels, rows.axis
    own = numerics.label_value(x, labels, class_axis)
    impossible = own == -jnp.inf
    own = jnp.where(impossible, jnp.zeros_like(own), own)
    terms = numerics.hinge_terms(x, labels, own, number(name, "margin", margin, x.dtype), class_axis)
    if power == 2:  # whose slopes are 2 times the terms, and may not be infinite where a row does not count
        terms = jnp.square(numerics.keep(rows.slopes, terms))
    # Divided before they are added: a sum may overflow where the mean does not.
    losses = jnp.sum(terms / classes(x, (class_axis,), rows.elements), class_axis, keepdims=True)
    losses = jnp.where(impossible, numerics.filled(losses, jnp.inf), losses)
    if class_weights is not None:
        losses = numerics.weighed(rows.per_class(name, "class_weights", class_weights)[1], losses)
    return rows.counting(name, losses)


def _label_hinge(name: str, rows: LabelRows, margin: float) -> Rows[Array]:
    return rows.counting(name, _hinge(numerics.label_gap(rows.x, rows.labels, rows.axis), margin))


def _hinge(gap: Array, margin: float) -> Array:
    return numerics.hinge(gap, jnp.ones_like(gap), jnp.asarray(margin, gap.dtype))


@class_form
class MulticlassHingeLoss(Loss):
    """The class form of `multiclass_hinge_loss`."""

    fn = staticmethod(multiclass_hinge_loss)
    axis: Axes = -1
    ignore_index: int | None = None


@class_form
class MulticlassPerceptronLoss(Loss):
    """The class form of `multiclass_perceptron_loss`."""

    fn = staticmethod(multiclass_perceptron_loss)
    axis: Axes = -1
    ignore_index: int | None = None


@class_form
class MultiMarginLoss(Loss):
    """The class form of `multi_margin_loss`."""

    fn = staticmethod(multi_margin_loss)
    p: int = 1
    margin: Scalar = 1.0
    class_weights: Numbers | None = None
    axis: Axes = -1
    ignore_index: int | None = None


__all__ = [
    "MultiMarginLoss",
    "MulticlassHingeLoss",
    "MulticlassPerceptronLoss",
    "multi_margin_loss",
    "multiclass_hinge_loss",
    "multiclass_perceptron_loss",
]
