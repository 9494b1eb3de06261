r"""The categorical hinge loss: a margin between the classes of a distribution and the others."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, matched
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._masks import inert, masked
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss.losses._label_rows import kept_of, negative_checked


@over_rows
def categorical_hinge_loss(
    scores: Floats, labels: Numbers, *, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The hinge loss of a distribution y over classes.

    `max(0, 1 + max_j((1 - y[j]) * x[j]) - sum_j(y[j] * x[j]))` with x = scores and y = labels.

    $$\ell = \max\left(0, 1 + \max_j (1 - y_j) x_j - \sum_j y_j x_j\right)$$

    Any real scores; a class of score minus infinity and label 0 is absent. The maximum is over all classes: a class of
    label 1 takes part in it with 0, so that the loss is `multiclass_hinge_loss` only where another score is above 0.
    Labels should not be negative, though the formula has a value for those too. Where the hinge is exactly 0 the slope
    is 0; classes that are tied share the slope of the maximum.

    Args:
        scores: `[..., classes]`.
        labels: Distributions over the classes, of the shape of `scores`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in the units of the scores.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Scores that are not floats.

    Example:
        >>> print(categorical_hinge_loss(jnp.array([[0.5, 0.25, -1.0]]), jnp.array([[1.0, 0.0, 0.0]])))
        [0.75]

    Source: Crammer, Singer, "On the algorithmic implementation of multiclass kernel-based vector machines", 2001, in
    the form that Keras gives it.
    """
    name = "categorical_hinge_loss"
    x, y = matched(name, scores, labels, ("scores", "labels"))
    axes = class_axes(name, "scores", x, axis)
    elements, rows = kept_of(name, where, x, axes)
    x, y = inert(elements, (x, -jnp.inf), (y, 0.0))
    if rows is not None:
        x, y = numerics.gated(x, rows), masked(y, rows)
    gap = numerics.categorical_gap(x, y, axes)
    losses = jnp.squeeze(masked(numerics.hinge(gap, jnp.ones_like(gap), jnp.ones((), gap.dtype)), rows), axes)
    losses = negative_checked(name, losses, y, axes, rows)
    return rows_of(losses, rows, axes)


@class_form
class CategoricalHingeLoss(Loss):
    """The class form of `categorical_hinge_loss`."""

    fn = staticmethod(categorical_hinge_loss)
    axis: Axes | None = -1


__all__ = ["CategoricalHingeLoss", "categorical_hinge_loss"]
