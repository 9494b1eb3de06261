r"""Margins of pairs: which of two scores is higher, and whether two things are alike, told by their distance."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import number
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar
from jaxloss.losses._signs import signs


def margin_ranking_loss(
    first: Floats, second: Floats, *, order: Numbers, margin: Scalar = 0.0, where: Mask | None = None
) -> Array:
    r"""What a score lacks of a margin over the one that it should be above.

    `max(0, m - y * (x1 - x2))` with x1 = first, x2 = second, y = order and m = margin.

    $$\ell = \max(0, m - y (x_1 - x_2))$$

    Any real scores; of the two at most one is infinite. An order y other than -1 and 1 has loss nan. Where the hinge is
    exactly 0 the slope is 0: with the margin 0 that is so for scores that are equal.

    Args:
        first: The first score of each pair; any shape.
        second: The second, of the shape of `first`.
        order: 1 where the first score should be the higher one, -1 where the second; of the shape of `first`.
        margin: The margin m, in the units of the scores.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per pair, in the units of the scores.

    Raises:
        ValueError: Shapes that differ, a margin that is no number.
        TypeError: Scores that are not floats, an order of a dtype without -1.

    Example:
        >>> scores = jnp.array([0.5, 2.0]), jnp.array([1.0, 1.0])
        >>> print(margin_ranking_loss(*scores, order=jnp.array([1, 1]), margin=0.25))
        [0.75 0.  ]

    Source: Herbrich, Graepel, Obermayer, "Large margin rank boundaries for ordinal regression", 2000.
    """
    name = "margin_ranking_loss"
    given = Given("first", first, 0.0), Given("second", second, 0.0), signs(name, order, "order")
    elements = elementwise(name, where, *given)
    x, other, y = elements.arrays
    size = elements.option(number(name, "margin", margin, x.dtype))
    return elements.finish(numerics.hinge(x - other, y, size))


def hinge_embedding_loss(
    distances: Floats, targets: Numbers, *, margin: Scalar = 1.0, where: Mask | None = None
) -> Array:
    r"""The distance of a pair that is alike, and what one that is not lacks of a distance of the margin.

    `d if y == 1 else max(0, m - d)` with d = distances, y = targets, which are 1 or -1, and m = margin.

    $$\ell = \begin{cases} d & y = 1 \\ \max(0, m - d) & y = -1 \end{cases}$$

    Any real distance d; of a pair that is alike a negative one is a negative loss. A target y other than -1 and 1 has
    loss nan. Where $d = m$ the second slope is 0.

    Args:
        distances: Of each pair; any shape.
        targets: 1 where the pair is alike, -1 where it is not; of the shape of `distances`.
        margin: The margin m, in the units of the distances.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per pair, in the units of the distances.

    Raises:
        ValueError: Shapes that differ, a margin that is no number.
        TypeError: Distances that are not floats, targets of a dtype without -1.

    Example:
        >>> print(hinge_embedding_loss(jnp.array([0.25, 0.25, 2.0]), jnp.array([1, -1, -1])))
        [0.25 0.75 0.  ]

    Source: Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", 2006, of distances that
    are not squared.
    """
    name = "hinge_embedding_loss"
    elements = elementwise(name, where, Given("distances", distances, 0.0), signs(name, targets))
    d, y = elements.arrays
    size = elements.option(number(name, "margin", margin, d.dtype))
    return elements.finish(_embedded(d, y, size))


@numerics.apart  # from the mask of the pairs that are alike, which XLA on TPUs would store
def _embedded(d: Array, y: Array, size: Array) -> Array:
    return jnp.where(y > 0, d, numerics.hinge(d, jnp.ones_like(d), size))


@class_form
class MarginRankingLoss(Loss):
    """The class form of `margin_ranking_loss`."""

    fn = staticmethod(margin_ranking_loss)
    margin: Scalar = 0.0


@class_form
class HingeEmbeddingLoss(Loss):
    """The class form of `hinge_embedding_loss`."""

    fn = staticmethod(hinge_embedding_loss)
    margin: Scalar = 1.0


__all__ = ["HingeEmbeddingLoss", "MarginRankingLoss", "hinge_embedding_loss", "margin_ranking_loss"]
