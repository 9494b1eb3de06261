r"""The triplet margin loss: anchors should be nearer to positives than to negatives, by a margin."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
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
    r"""The distance from an anchor to a positive less that to a negative, plus a margin, and at least 0.

    `max(0, d(a, p) - d(a, n) + m)` with `d(x, y) = (sum_i(|x[i] - y[i]|**q) + eps)**(1 / q)`, a = anchors,
    p = positives, n = negatives, m = margin and q = norm_degree.

    $$\ell = \max(0, d(a, p) - d(a, n) + m), \quad d(x, y) = \left(\sum_i |x_i - y_i|^q + \epsilon\right)^{1/q}$$

    Any finite vectors with finite differences; a row with an infinite element has loss nan. At the kink between a loss
    of 0 and a positive one the slope is 0, and so is that of a distance in features that agree; with a degree below 1
    the slope there grows without bound as the features come near.

    Args:
        anchors: Vectors, `[..., features]`.
        positives: Vectors that should be near to the anchors, of the shape of `anchors`.
        negatives: Vectors that should be far from the anchors, of the shape of `anchors`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        norm_degree: The degree q of the distance, above 0; infinity, with an eps of 0, takes the largest difference.
        margin: The margin m, in the units of the vectors; at least 0.
        eps: The number that is added to the sum below the root; at least 0.
        swap: Whether the distance from the positive to the negative is taken where it is less than the anchor's.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in the units of the vectors: the shape of `anchors` without `axis`.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range.
        TypeError: Anchors that are not floats.

    Example:
        >>> anchors, positives = jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 4.0]])
        >>> print(f"{triplet_margin_loss(anchors, positives, jnp.array([[0.0, 5.5]]))[0]:.4f}")
        0.5000

    Source: Balntas et al., "Learning local feature descriptors with triplets and shallow convolutional neural
    networks", 2016, with the swap.
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
        # Compared without eps, which may exceed both and hide which is less.
        length = lambda x: numerics.minkowski(x, degree, jnp.zeros_like(apart), given.axes)  # noqa: E731
        to_negative = jnp.where(length(p - n) < length(a - n), distance(p, n), to_negative)
    gap = to_positive - to_negative + least
    # A select, not a maximum, whose slope in a tie would be halved.
    return given.counting(jnp.where(gap > 0, gap, jnp.zeros_like(gap)))


@class_form
class TripletMarginLoss(Loss):
    """Triplet margin loss: the class form of `triplet_margin_loss`."""

    fn = staticmethod(triplet_margin_loss)
    axis: Axes | None = -1
    norm_degree: Scalar = 2
    margin: Scalar = 1.0
    eps: Scalar = 1e-6
    swap: bool = False


__all__ = ["TripletMarginLoss", "triplet_margin_loss"]
