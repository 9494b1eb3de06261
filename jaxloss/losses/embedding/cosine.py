r"""The cosine of the angle between two vectors, and the losses that are made of it."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._options import number
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Mask, Numbers, Scalar
from jaxloss.losses._signs import signed
from jaxloss.losses.embedding._vectors import Vectors, vectors


def cosine_similarity(
    predictions: Floats,
    targets: Numbers,
    *,
    epsilon: Scalar = 0.0,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Array:
    r"""The cosine of the angle between two vectors: 1 where they point the same way, -1 where they are opposite.

    `dot(x, y) / (max(|x|, epsilon) * max(|y|, epsilon))` with x = predictions and y = targets.

    $$s = \frac{x \cdot y}{\max(|x|, \epsilon) \max(|y|, \epsilon)}$$

    Any finite vectors, however long or short; a row with an infinite element has similarity nan. With a zero vector it
    is 0, and without an epsilon its slope there is 0 too. That of nearly orthogonal vectors is exact to a few units in
    the last place of the largest term of $x \cdot y$; the slope is exact to as many of its own, wherever they point.

    Args:
        predictions: Vectors, `[..., features]`.
        targets: The shape of `predictions`.
        epsilon: The least length that a vector is divided by, in the units of the vectors; at least 0.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where an element counts: of the shape of `predictions` to leave features out, of the shape of the
            result to mask rows. What is masked has gradient 0, masked rows have similarity 0.

    Returns:
        One value per row, from -1 to 1: the shape of `predictions` without `axis`.

    Raises:
        ValueError: Shapes that differ, an axis or an epsilon out of range.
        TypeError: Predictions that are not floats.

    Example:
        >>> values = cosine_similarity(jnp.array([[3.0, 4.0], [1e30, 0.0]]), jnp.array([[4.0, 3.0], [0.0, 1e-30]]))
        >>> print("{:.4g} {:.4g}".format(*values))
        0.96 0

    Source: Salton, Wong, Yang, "A vector space model for automatic indexing", 1975.
    """
    given, similarity = _compared(
        "cosine_similarity", numerics.cosine_similarity, predictions, targets, epsilon, axis, where
    )
    return given.finish(similarity)


@over_rows
def cosine_distance(
    predictions: Floats,
    targets: Numbers,
    *,
    epsilon: Scalar = 0.0,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Rows[Array]:
    r"""One less the cosine of the angle between two vectors: half the squared distance of their directions.

    `1 - dot(x, y) / (max(|x|, epsilon) * max(|y|, epsilon))` with x = predictions and y = targets.

    $$\ell = 1 - \frac{x \cdot y}{\max(|x|, \epsilon) \max(|y|, \epsilon)}$$

    Any finite vectors, as in `cosine_similarity`, and never negative: that of vectors which nearly agree is
    about half the square of the angle between them, and keeps its digits. With a zero vector it is 1.

    Args:
        predictions: Vectors, `[..., features]`.
        targets: The shape of `predictions`.
        epsilon: The least length that a vector is divided by, in the units of the vectors; at least 0.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

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
    given, distance = _compared("cosine_distance", numerics.cosine_distance, predictions, targets, epsilon, axis, where)
    return given.counting(distance)


@over_rows
def cosine_embedding_loss(
    predictions: Floats,
    targets: Numbers,
    *,
    labels: Numbers,
    margin: Scalar = 0.0,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Rows[Array]:
    r"""The cosine distance of pairs that are alike, and what the similarity of other pairs exceeds a margin by.

    `1 - s if label == 1 else max(0, s - m)` with s = cosine_similarity(predictions, targets) and m = margin.

    $$\ell = \begin{cases} 1 - s & \text{label} = 1 \\ \max(0, s - m) & \text{label} = -1 \end{cases}$$

    with the cosine similarity s of the pair. Any finite vectors, as in `cosine_similarity`; at s = m the slope is 0. A
    label other than 1 and -1 has loss nan.

    Args:
        predictions: Vectors, `[..., features]`.
        targets: The shape of `predictions`.
        labels: 1 for a pair that is alike, -1 for any other: the shape of `predictions` without `axis`.
        margin: The similarity m up to which pairs that are not alike cost nothing; from -1 to 1.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, from 0 to 2: the shape of `predictions` without `axis`.

    Raises:
        ValueError: Shapes that do not fit, an axis or a margin out of range.
        TypeError: Predictions that are not floats, labels of a dtype without -1.

    Example:
        >>> x, y = jnp.array([[3.0, 4.0], [3.0, 4.0]]), jnp.array([[4.0, 3.0], [4.0, 3.0]])
        >>> print("{:.4g} {:.4g}".format(*cosine_embedding_loss(x, y, labels=jnp.array([1, -1]), margin=0.5)))
        0.04 0.46

    Source: Bromley et al., "Signature verification using a Siamese time delay neural network", 1993; with the margin,
    PyTorch's `CosineEmbeddingLoss`.
    """
    name = "cosine_embedding_loss"
    given = vectors(name, axis, where, predictions=predictions, targets=targets)
    label = given.per_row(name, "labels", signed(name, "labels", labels))
    given = given.with_rule(name, (label == 1) | (label == -1), "labels must be 1 or -1")
    (x, y), axes = given.arrays, given.axes
    limit, nothing = number(name, "margin", margin, x.dtype), jnp.zeros((), x.dtype)
    similarity = numerics.cosine_similarity(x, y, nothing, axes)
    # A select, not a maximum, whose slope in a tie would be halved.
    beyond = jnp.where(similarity > limit, similarity - limit, jnp.zeros_like(similarity))
    return given.counting(jnp.where(label == 1, numerics.cosine_distance(x, y, nothing, axes), beyond))


def _compared(
    name: str,
    formula: Callable[..., Array],
    predictions: Floats,
    targets: Numbers,
    epsilon: Scalar,
    axis: Axes | None,
    where: Mask | None,
) -> tuple[Vectors, Array]:
    given = vectors(name, axis, where, predictions=predictions, targets=targets)
    x, y = given.arrays
    return given, formula(x, y, number(name, "epsilon", epsilon, x.dtype), given.axes)


@class_form
class CosineDistance(Loss):
    """The class form of `cosine_distance`."""

    fn = staticmethod(cosine_distance)
    epsilon: Scalar = 0.0
    axis: Axes | None = -1


@class_form
class CosineEmbeddingLoss(Loss):
    """The class form of `cosine_embedding_loss`."""

    fn = staticmethod(cosine_embedding_loss)
    margin: Scalar = 0.0
    axis: Axes | None = -1


__all__ = ["CosineDistance", "CosineEmbeddingLoss", "cosine_distance", "cosine_embedding_loss", "cosine_similarity"]
