r"""The triplet margin loss: an anchor nearer to its like than to its unlike, by a margin."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._loss import Loss
from jaxloss._options import number, option
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Mask, Numbers, Scalar
from jaxloss.losses.embedding._vectors import vectors


@over_rows
def triplet_margin_loss(
    anchors: Floats,
    positives: Numbers,
    negatives: Numbers,
    axis: Axes | None = -1,
    norm_degree: Scalar = 2,
    margin: Scalar = 1.0,
    eps: Scalar = 1e-6,
    *,
    swap: bool = False,
    where: Mask | None = None,
) -> Rows[Array]:
    r"""By how much an anchor's distance to a negative fails to exceed that to a positive by a margin.

    $$\ell = \max(0, d(a, p) - d(a, n) + m), \quad d(x, y) = \left(\sum_i |x_i - y_i|^q + \epsilon\right)^{1/q}$$

    Any finite vectors; a row with an infinite element has loss nan. The slope is 0 where the loss turns to 0, and where
    two vectors, or two features, agree (with a degree below 1 it is infinite there in truth).

    Args:
        anchors: Vectors, `[..., features]`.
        positives: Vectors that the anchors should be near to, of the shape of `anchors`.
        negatives: Vectors that the anchors should be far from, of the shape of `anchors`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        norm_degree: The degree q of the distance, above 0; infinity, with an eps of 0, takes the largest difference.
        margin: The margin m, in the units of the vectors; at least 0.
        eps: What is added to the sum below the root; at least 0.
        swap: Whether the distance to the negative is that of the positive, if it is the smaller one.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in the units of the vectors: the shape of `anchors` without `axis`.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range.
        TypeError: Anchors that are not floats.

    Example:
        >>> anchors, positives = jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 4.0]])
        >>> print(triplet_margin_loss(anchors, positives, jnp.array([[0.0, 5.5]])))
        [0.5]

    Source: Balntas et al., "Learning local feature descriptors with triplets and shallow convolutional neural
    networks", 2016, which has the swap too.
    """
    name = "triplet_margin_loss"
    swap = option(name, "swap", swap)
    given = vectors(name, axis, where, anchors=anchors, positives=positives, negatives=negatives)
    a, p, n = given.arrays
    degree, least, apart = (
        number(name, argument, value, a.dtype)
        for argument, value in (("norm_degree", norm_degree), ("margin", margin), ("eps", eps))
    )
    distance = lambda x, y: numerics.minkowski(x - y, degree, apart, given.axes)  # noqa: E731
    to_positive, to_negative = distance(a, p), distance(a, n)
    if swap:
        # Without eps, beside which the two differences may both be lost.
        length = lambda x: numerics.minkowski(x, degree, jnp.zeros_like(apart), given.axes)  # noqa: E731
        to_negative = jnp.where(length(p - n) < length(a - n), distance(p, n), to_negative)
    gap = to_positive - to_negative + least
    # A select, not a maximum, whose slope in a tie would be halved.
    return given.counting(jnp.where(gap > 0, gap, jnp.zeros_like(gap)))


@dataclass(frozen=True, kw_only=True)
class TripletMarginLoss(Loss):
    """The class form of `triplet_margin_loss`."""

    fn = staticmethod(triplet_margin_loss)
    axis: Axes | None = -1
    norm_degree: Scalar = 2
    margin: Scalar = 1.0
    eps: Scalar = 1e-6
    swap: bool = False


__all__ = ["TripletMarginLoss", "triplet_margin_loss"]
