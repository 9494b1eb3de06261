r"""The cross-entropy as a polynomial in the probability that the label misses, whose first coefficient is chosen."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, matched
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._masks import inert, masked, of_elements
from jaxloss._options import number
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, Floats, Mask, Numbers, Scalar
from jaxloss.losses._label_rows import kept_of, negative_checked


@over_rows
def poly_loss_cross_entropy(
    logits: Floats,
    labels: Numbers,
    *,
    epsilon: Scalar = 2.0,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Rows[Array]:
    r"""The softmax cross-entropy with another weight of the misses that are not rare.

    `sum_k(y[k] * (-log(p[k]) + epsilon * (1 - p[k])))` with p = softmax(logits) and y = labels.

    $$\ell = \sum_k y_k \left(-\log p_k + \epsilon (1 - p_k)\right)$$

    with p the softmax of the logits. Any logits, minus infinity included: a class of label 0 contributes 0 there, any
    other has an infinite loss. Labels should not be negative, though the formula has a value for those too. It is
    computed as $(e^{\log p} - 1 - \log p) + (1 + \epsilon)(1 - p)$, in which nothing cancels for $\epsilon \ge -1$.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        labels: Distributions over the classes, of the shape of `logits`.
        epsilon: What is added to the first coefficient of the cross-entropy, which is 1; -1 takes the term out.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ, an axis out of range, an epsilon that is no number.
        TypeError: Logits that are not floats.

    Example:
        >>> print(poly_loss_cross_entropy(jnp.array([[2.0, 0.0, 0.0]]), jnp.array([[1.0, 0.0, 0.0]])).round(4))
        [0.6656]

    Source: Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions", 2022.
    """
    name = "poly_loss_cross_entropy"
    x, y = matched(name, logits, labels, ("logits", "labels"))
    axes = class_axes(name, "logits", x, axis)
    elements, rows = kept_of(name, where, x, axes)
    keep = of_elements(elements, rows, x.shape)
    x, y = inert(keep, (x, -jnp.inf), (y, 0.0))
    log_p = -numerics.absent(y, masked(-numerics.log_softmax(x, axes), keep))
    first = 1 + number(name, "epsilon", epsilon, x.dtype)
    losses = jnp.sum(y * (numerics.expm1_minus(log_p) - first * numerics.expm1(log_p)), axes)
    losses = negative_checked(name, losses, y, axes, rows)
    return rows_of(losses, rows, axes)


@class_form
class PolyLossCrossEntropy(Loss):
    """Poly loss: the class form of `poly_loss_cross_entropy`."""

    fn = staticmethod(poly_loss_cross_entropy)
    epsilon: Scalar = 2.0
    axis: Axes | None = -1


__all__ = ["PolyLossCrossEntropy", "poly_loss_cross_entropy"]
