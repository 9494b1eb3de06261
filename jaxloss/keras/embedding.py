"""Keras' losses of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jaxloss
from jaxloss._arrays import class_axes
from jaxloss._types import Array, Floats, Numbers
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import EPSILON, pair
from jaxloss.keras._reduction import ReductionName


def cosine_similarity(y_true: Numbers, y_pred: Floats, axis: int = -1) -> Array:
    r"""Minus the cosine of the angle between vectors, each divided by its length or by $10^{-7}$ if that is more.

    Args:
        y_true: Vectors, of the shape of `y_pred`.
        y_pred: Vectors, `[batch, d0, .. dN]`; a row with an infinite element has loss nan.
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        The shape of `y_pred` without `axis`, in its dtype: from -1, where vectors point the same way, to 1.

    Raises:
        ValueError: Shapes that differ, an axis out of range.

    Example:
        >>> print("{:.2f} {:.2f}".format(*cosine_similarity([[3.0, 4.0], [0.0, 1.0]], [[4.0, 3.0], [1.0, 0.0]])))
        -0.96 -0.00
    """
    name = "cosine_similarity"
    t, p, dtype = pair(name, y_true, y_pred)
    axes = class_axes(name, "y_pred", p, axis) if p.ndim else None
    return -jaxloss.cosine_similarity(p, t, epsilon=EPSILON, axis=axes).astype(dtype)


@dataclass(eq=False)
class CosineSimilarity(Form):
    """The class of `cosine_similarity`."""

    fn = staticmethod(cosine_similarity)
    axis: int = -1
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "cosine_similarity"
    dtype: Any = None


__all__ = ["CosineSimilarity", "cosine_similarity"]
