r"""PyTorch's losses of triplets: an anchor should be nearer to the positive than to the negative, by a margin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any

import jax.numpy as jnp

import jaxloss
from jaxloss import numerics
from jaxloss._arrays import class_axes
from jaxloss._options import number, option
from jaxloss._types import Array, Floats, Scalar
from jaxloss.torch._conventions import Reduction, broadcast_alike, chosen, operands, reduced
from jaxloss.torch._loss import Loss

Distance = Callable[[Array, Array], Array]


def triplet_margin_loss(
    anchor: Floats,
    positive: Floats,
    negative: Floats,
    margin: Scalar = 1.0,
    p: Scalar = 2,
    eps: Scalar = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""What the distance to the positive exceeds that to the negative by, and a margin on top of it.

    $$\ell = \max(0, d(a, b) - d(a, n) + m), \quad d(x, y) = \left(\sum_i |x_i - y_i + \epsilon|^p\right)^{1/p}$$

    of an anchor a, its positive b and its negative n. `jaxloss.triplet_margin_loss` has optax's eps, below the root.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        anchor: Vectors, `(D,)` or `(N, D)`.
        positive: Vectors of the same number of axes, of a shape that broadcasts with `anchor`.
        negative: As `positive`.
        margin: The margin m, in the units of the distances; at least 0.
        p: The degree of the distance; above 0, infinity included.
        eps: A small number that is added to each difference.
        swap: Whether the distance from the positive to the negative takes the place of a larger d(a, n).
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per triplet.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, an unknown reduction.
        TypeError: Vectors that are not floats.

    Example:
        >>> anchor, positive, negative = jnp.zeros((1, 2)), jnp.array([[3.0, 4.0]]), jnp.array([[0.0, 5.5]])
        >>> print(triplet_margin_loss(anchor, positive, negative).round(4))
        0.5
    """
    name = "triplet_margin_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    vectors, dtype = _vectors(name, anchor, positive, negative)
    degree, small = (number(name, key, value, vectors[0].dtype) for key, value in (("p", p), ("eps", eps)))

    def distance(x: Array, y: Array) -> Array:
        length = numerics.minkowski(x - y + small, degree, jnp.zeros_like(degree), (x.ndim - 1,))
        return jnp.squeeze(length, -1)

    return reduced(_margins(name, vectors, distance, margin, swap), reduction, dtype)


def triplet_margin_with_distance_loss(
    anchor: Floats,
    positive: Floats,
    negative: Floats,
    *,
    distance_function: Distance | None = None,
    margin: Scalar = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    r"""`triplet_margin_loss` with any distance d, $\ell = \max(0, d(a, b) - d(a, n) + m)$.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        anchor: What the distance takes, as vectors `(..., D)`.
        positive: Of a shape that broadcasts with `anchor`.
        negative: As `positive`.
        distance_function: A function of two arrays that returns one distance for each pair, such as
            `lambda x, y: 1 - jaxloss.cosine_similarity(x, y)`; that of `triplet_margin_loss` by default.
        margin: The margin m, in the units of the distances; at least 0.
        swap: Whether the distance from the positive to the negative takes the place of a larger d(a, n).
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per triplet.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, an unknown reduction.
        TypeError: Vectors that are not floats, a distance that cannot be called.

    Example:
        >>> far = lambda x, y: jnp.abs(x - y).max(-1)
        >>> anchor, positive, negative = jnp.zeros((1, 2)), jnp.array([[3.0, 4.0]]), jnp.array([[0.0, 4.5]])
        >>> print(triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=far))
        0.5
    """
    name = "triplet_margin_with_distance_loss"
    if distance_function is None:
        return triplet_margin_loss(anchor, positive, negative, margin=margin, swap=swap, reduction=reduction)
    option(name, "distance_function", distance_function)
    reduction = chosen(name, reduction)
    vectors, dtype = _vectors(name, anchor, positive, negative)
    return reduced(_margins(name, vectors, distance_function, margin, swap), reduction, dtype)


def _vectors(name: str, anchor: Floats, positive: Floats, negative: Floats) -> tuple[list[Array], Any]:
    (a, b, n), dtype = operands(name, anchor=anchor, positive=positive, negative=negative)
    vectors = broadcast_alike(name, anchor=a, positive=b, negative=n)
    class_axes(name, "anchor", vectors[0], -1)
    return vectors, dtype


def _margins(name: str, vectors: list[Array], distance: Distance, margin: Scalar, swap: bool) -> Array:
    a, b, n = vectors
    near, far = distance(a, b), distance(a, n)
    if option(name, "swap", swap):
        far = jnp.minimum(far, distance(b, n))
    number(name, "margin", margin, near.dtype)
    return jaxloss.margin_ranking_loss(far, near, order=jnp.ones_like(far), margin=margin)


@dataclass(frozen=True)
class TripletMarginLoss(Loss):
    """The class form of `functional.triplet_margin_loss`."""

    fn = staticmethod(triplet_margin_loss)
    margin: Scalar = 1.0
    p: Scalar = 2.0
    eps: Scalar = 1e-6
    swap: bool = False
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"

    def __call__(self, anchor: Floats, positive: Floats, negative: Floats) -> Array:
        """The reduced loss."""
        return self.forward(anchor, positive, negative)


@dataclass(frozen=True, kw_only=True)
class TripletMarginWithDistanceLoss(Loss):
    """The class form of `functional.triplet_margin_with_distance_loss`."""

    fn = staticmethod(triplet_margin_with_distance_loss)
    distance_function: Distance | None = None
    margin: Scalar = 1.0
    swap: bool = False
    reduction: Reduction = "mean"

    def __call__(self, anchor: Floats, positive: Floats, negative: Floats) -> Array:
        """The reduced loss."""
        return self.forward(anchor, positive, negative)


__all__ = [
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]
