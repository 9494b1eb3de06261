r"""The generalized cross-entropy: between the cross-entropy and the absolute error, for labels that may be wrong."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import in_unit, outside_is_nan
from jaxloss._loss import Loss
from jaxloss._options import number
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Labels, Mask, Scalar
from jaxloss.losses._label_rows import PROBABILITIES, label_rows


@over_rows
def generalized_cross_entropy(
    probabilities: Floats,
    labels: Labels,
    axis: Axes = -1,
    where: Mask | None = None,
    *,
    q: Scalar = 0.7,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""What a power of the label's probability lacks of 1: it is bounded, so that a wrong label costs a limited amount.

    `(1 - p[t]**q) / q` with p = probabilities and t = labels.

    $$\ell = \frac{1 - p_t^q}{q}$$

    It tends to the cross-entropy $-\log p_t$ as q falls to 0, and is half the absolute error, $1 - p_t$, at q = 1.
    Probabilities in [0, 1], both ends included, taken as they are; a probability of the label outside [0, 1] has loss
    nan, and so has a label outside 0 to C - 1. At p = 0 the loss is 1 / q; its slope, infinite there in truth, is that
    of the smallest normal number, and its second derivative is never more than the largest float.

    Args:
        probabilities: `[..., classes]`, each row of sum 1.
        labels: Class indices, of the shape of `probabilities` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        q: The power, above 0 and at most 1.
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row, from 0 to 1 / q: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit, an axis or a power out of range.
        TypeError: Probabilities that are not floats, labels that are not integers.

    Example:
        >>> print(generalized_cross_entropy(jnp.array([[0.25, 0.75]]), jnp.array([0]), q=0.5))
        [1.]

    Source: Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels",
    2018.
    """
    name = "generalized_cross_entropy"
    rows = label_rows(name, "probabilities", probabilities, labels, axis, where, ignore_index, fill=1.0)
    own = numerics.label_value(rows.x, rows.labels, rows.axis)
    inside = in_unit(own) | ~rows.slopes
    losses = numerics.box_cox(numerics.keep(inside & rows.slopes, own, 1.0), number(name, "q", q, own.dtype))
    return rows.counting(name, outside_is_nan(name, losses, lambda: inside, PROBABILITIES))


@class_form
class GeneralizedCrossEntropy(Loss):
    """The class form of `generalized_cross_entropy`."""

    fn = staticmethod(generalized_cross_entropy)
    axis: Axes = -1
    q: Scalar = 0.7
    ignore_index: int | None = None


__all__ = ["GeneralizedCrossEntropy", "generalized_cross_entropy"]
