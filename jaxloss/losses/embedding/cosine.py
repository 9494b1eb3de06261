r"""The cosine of the angle between two vectors, and the losses that are made of it."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxloss import numerics
from jaxloss._options import number
from jaxloss._types import Array, Axes, Floats, Mask, Numbers, Scalar
from jaxloss.losses.embedding._vectors import VectorLoss, vectors


def cosine_similarity(
    predictions: Floats,
    targets: Numbers,
    *,
    epsilon: Scalar = 0.0,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Array:
    r"""The cosine of the angle between two vectors: 1 where they point the same way, -1 where they are opposite.

    $$s = \frac{x \cdot y}{\max(|x|, \epsilon) \max(|y|, \epsilon)}$$

    Any finite vectors, however long or short; a row with an infinite element has similarity nan. With a zero vector it
    is 0, and without an epsilon its slope there is 0 too. That of nearly orthogonal vectors is exact to a few units in
    the last place of the largest term of $x \cdot y$; the slope is exact to as many of its own, wherever they point.

    Args:
        predictions: Vectors, `[..., features]`.
        targets: The shape of `predictions`.
        epsilon: The least length that a vector is divided by, in the units of the vectors; at least 0.
        axis: The feature axis, or axes that are taken together; None takes all.
        where: True where an element counts: of the shape of `predictions` to leave features out, of the shape of the
            result to mask rows. What is masked has gradient 0, masked rows have similarity 0.

    Returns:
        One value per row, from -1 to 1: the shape of `predictions` without `axis`.

    Raises:
        ValueError: Shapes that differ, an axis or an epsilon out of range.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(cosine_similarity(jnp.array([[3.0, 4.0], [1e30, 0.0]]), jnp.array([[4.0, 3.0], [0.0, 1e-30]])))
        [0.96 0.  ]

    Source: Salton, Wong, Yang, "A vector space model for automatic indexing", 1975.
    """
    return _compared("cosine_similarity", numerics.cosine_similarity, predictions, targets, epsilon, axis, where)


def cosine_distance(
    predictions: Floats,
    targets: Numbers,
    *,
    epsilon: Scalar = 0.0,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Array:
    r"""One less the cosine of the angle between two vectors: half the squared distance of their directions.

    $$\ell = 1 - \frac{x \cdot y}{\max(|x|, \epsilon) \max(|y|, \epsilon)}$$

    Any finite vectors, as in `cosine_similarity`, and never negative: that of vectors which nearly agree is
    about half the square of the angle between them, and keeps its digits. With a zero vector it is 1.

    Args:
        predictions: Vectors, `[..., features]`.
        targets: The shape of `predictions`.
        epsilon: The least length that a vector is divided by, in the units of the vectors; at least 0.
        axis: The feature axis, or axes that are taken together; None takes all.
        where: True where an element counts: of the shape of `predictions` to leave features out, of the shape of the
            losses to mask rows. What is masked has gradient 0, masked rows have loss 0.

    Returns:
        One value per row, from 0 to 2: the shape of `predictions` without `axis`.

    Raises:
        ValueError: Shapes that differ, an axis or an epsilon out of range.
        TypeError: Predictions that are not floats.

    Example:
        >>> losses = cosine_distance(jnp.array([[3.0, 4.0], [1.0, 1e-4]]), jnp.array([[4.0, 3.0], [1.0, 0.0]]))
        >>> print("{:.4g} {:.4g}".format(*losses))
        0.04 5e-09

    Source: as `cosine_similarity`.
    """
    return _compared("cosine_distance", numerics.cosine_distance, predictions, targets, epsilon, axis, where)


def _compared(
    name: str,
    formula: Callable[..., Array],
    predictions: Floats,
    targets: Numbers,
    epsilon: Scalar,
    axis: Axes | None,
    where: Mask | None,
) -> Array:
    given = vectors(name, axis, where, predictions=predictions, targets=targets)
    x, y = given.arrays
    return given.finish(formula(x, y, number(name, "epsilon", epsilon, x.dtype), given.axes))


@dataclass(frozen=True, kw_only=True)
class CosineDistance(VectorLoss):
    """The class form of `cosine_distance`."""

    fn = staticmethod(cosine_distance)
    epsilon: Scalar = 0.0
    axis: Axes | None = -1


__all__ = ["CosineDistance", "cosine_distance", "cosine_similarity"]
