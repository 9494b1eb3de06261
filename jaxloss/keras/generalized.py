"""Keras' generalized cross-entropy of class indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jaxloss
from jaxloss._domain import checked_only, in_unit
from jaxloss._options import option
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import labels_of, predicted
from jaxloss.keras._reduction import ReductionName


def categorical_generalized_cross_entropy(y_true: Numbers, y_pred: Floats, q: Scalar) -> Array:
    r"""The generalized cross-entropy $(1 - p_t^q) / q$ of class indices t.

    Args:
        y_true: Class indices, of the shape of `y_pred` without its last axis, or with length 1 there. Floats that are
            whole numbers are taken too; another float, or a label out of range, has loss nan.
        y_pred: Probabilities, `[batch, d0, .. dN]`, which are not clipped; outside [0, 1] that of the label has loss
            nan.
        q: The power, above 0 and at most 1.

    Returns:
        `[batch, d0, .. dN-1]`, in the dtype of `y_pred`.

    Raises:
        ValueError: Shapes that do not fit, a power out of range.

    Example:
        >>> print(categorical_generalized_cross_entropy([0, 1], [[0.25, 0.75], [1.0, 0.0]], 0.5))
        [1. 2.]
    """
    name = "categorical_generalized_cross_entropy"
    option(name, "q", q)
    p = predicted(name, y_pred)
    labels, classes = labels_of(name, y_true, p, -1), p.shape[-1]
    labels = checked_only(
        name, labels, lambda: (labels >= 0) & (labels < classes), f"y_true must be from 0 to {classes - 1}"
    )
    p = checked_only(name, p, lambda: in_unit(p), "y_pred must be in [0, 1]")
    return jaxloss.generalized_cross_entropy(p, labels, q=q).astype(p.dtype)


@dataclass(eq=False)
class CategoricalGeneralizedCrossEntropy(Form):
    """The class of `categorical_generalized_cross_entropy`."""

    fn = staticmethod(categorical_generalized_cross_entropy)
    q: Scalar = 0.5
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "categorical_generalized_cross_entropy"
    dtype: Any = None
    _masked_label: ClassVar[float] = 0.0


__all__ = ["CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy"]
