r"""The softmax ranking loss: the cross-entropy of the relevances under the softmax of the scores of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._answers import differing
from jaxloss._arrays import class_axes, matched, real
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._masks import inert, of_elements
from jaxloss._reduce import reduced
from jaxloss._rows import Rows, reducing, rows_of
from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss._written import written_defaults
from jaxloss.losses._label_rows import kept_of, negative_checked


def _of_lists(
    logits: Floats,
    labels: Numbers,
    *,
    item_weights: Numbers | None = None,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Rows[Array]:
    """The loss of each list, with the lists that count."""
    name = "ranking_softmax_loss"
    x, y = matched(name, logits, labels, ("logits", "labels"))
    axes = class_axes(name, "logits", x, axis)
    elements, rows = kept_of(name, where, x, axes)
    keep = of_elements(elements, rows, x.shape)
    x, y = inert(keep, (x, -jnp.inf), (y, 0.0))
    weighed = y
    if item_weights is not None:
        weights = real(name, "weights", item_weights)
        if weights.shape != x.shape:
            raise ValueError(differing(name, "logits", x.shape, "weights", weights.shape))
        (weights,) = inert(keep, (numerics.aligned(x, weights)[1], 0.0))
        weighed = y * weights.astype(x.dtype)  # cast when it is filled: a nan that is masked is not to be looked at
    losses = jnp.squeeze(numerics.target_nll(x, weighed, rows, axes)[0], axes)
    return rows_of(negative_checked(name, losses, y, axes, rows), rows, axes)


@reducing(_of_lists)
@written_defaults
def ranking_softmax_loss(
    logits: Floats,
    labels: Numbers,
    *,
    where: Mask | None = None,
    weights: Numbers | None = None,
    reduce_fn: Callable[..., Any] | None = jnp.mean,
    axis: Axes | None = -1,
) -> Array:
    r"""The cross-entropy of the relevances of a list's items under the softmax of their scores.

    `sum_i(w[i] * y[i] * (log(sum_j(exp(x[j]))) - x[i]))` for each list, with x = logits, y = labels and w = weights.

    $$\ell = \sum_i w_i y_i \left(\log \sum_j e^{x_j} - x_i\right)$$

    Any scores, minus infinity included: an item of relevance 0 contributes 0 there, any other has an infinite loss.
    Relevances need not sum to 1. They should not be negative, though the formula has a value for negative ones too.

    Args:
        logits: The scores, `[..., items]`.
        labels: The relevance of each item, of the shape of `logits`.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        weights: The weights w of the items, of the shape of `logits`; 1 by default.
        reduce_fn: The function that reduces the losses: `jnp.mean`, the mean over lists with an item left, 0 if there
            is none; `jnp.sum`, or another function that takes `where`; None returns the losses. The class form reduces
            by its `reduction`, and takes the weights of items as `item_weights`.
        axis: The axis of a row, or axes that are taken together; None takes all.

    Returns:
        A number, or with a `reduce_fn` of None one value per list, in nats: the shape of `logits` without `axis`.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Logits that are not floats, a `reduce_fn` that is no function.

    Example:
        >>> print(f"{ranking_softmax_loss(jnp.array([2.0, 1.0, 3.0]), jnp.array([1.0, 0.0, 0.0])):.4f}")
        1.4076

    Source: Cao et al., "Learning to rank: from pairwise approach to listwise approach", 2007.
    """
    name = "ranking_softmax_loss"
    if reduce_fn is not None and not callable(reduce_fn):
        raise TypeError(f"{name}: reduce_fn must be a function that takes where, such as jnp.mean, got {reduce_fn!r}.")
    lists = _of_lists(logits, labels, item_weights=weights, axis=axis, where=where)
    if reduce_fn is None:
        return lists.losses
    if reduce_fn == jnp.mean:
        return reduced(name, lists.losses, None, lists.counting, "mean")
    return reduce_fn(lists.losses, where=lists.counting)


@class_form
class RankingSoftmaxLoss(Loss):
    """Softmax ranking loss: the class form of `ranking_softmax_loss`."""

    fn = staticmethod(ranking_softmax_loss)
    axis: Axes | None = -1


__all__ = ["RankingSoftmaxLoss", "ranking_softmax_loss"]
