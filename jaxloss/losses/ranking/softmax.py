r"""The softmax ranking loss: the cross-entropy of an item's relevance under the softmax of a list's scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._answers import differing
from jaxloss._arrays import class_axes, matched, real
from jaxloss._domain import checked_only
from jaxloss._loss import Loss
from jaxloss._masks import inert, masked
from jaxloss._reduce import reduced
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss.losses._label_rows import kept_of


@over_rows
def ranking_softmax_loss(
    logits: Floats,
    labels: Numbers,
    *,
    where: Mask | None = None,
    weights: Numbers | None = None,
    reduce_fn: Callable[..., Any] | None = jnp.mean,
    axis: Axes | None = -1,
) -> Rows[Array]:
    r"""The cross-entropy of the relevance of each item under the softmax of the scores of its list.

    $$\ell = \sum_i w_i y_i \left(\log \sum_j e^{x_j} - x_i\right)$$

    Any scores, minus infinity included: an item of relevance 0 contributes 0 there, any other has an infinite loss.
    Relevances need not sum to 1; they should not be negative, though the formula has a value for those too.

    Args:
        logits: The scores, `[..., items]`.
        labels: The relevance of each item, of the shape of `logits`.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        weights: The weights w of the items, of the shape of `logits`; 1 by default.
        reduce_fn: What reduces the losses: `jnp.mean`, the mean of the lists that have an item left, 0 if none has;
            `jnp.sum`, or another function of them that takes `where`; None for the losses. The class form reduces by
            its `reduction`, and takes the weights of items as `item_weights`.
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
    x, y = matched(name, logits, labels, ("logits", "labels"))
    axes = class_axes(name, "logits", x, axis)
    elements, rows = kept_of(name, where, x, axes)
    x, y = inert(elements, (x, -jnp.inf), (y, 0.0))
    if rows is not None:
        x, y = numerics.gated(x, rows), masked(y, rows)
    weighed = y
    if weights is not None:
        w = real(name, "weights", weights)
        if w.shape != x.shape:
            raise ValueError(differing(name, "logits", x.shape, "weights", w.shape))
        w = numerics.aligned(x, w.astype(x.dtype))[1]
        (w,) = inert(elements, (w, 0.0))
        weighed = y * (w if rows is None else masked(w, rows))
    losses = jnp.squeeze(numerics.target_nll(x, weighed, rows, axes)[0], axes)
    losses = checked_only(name, losses, lambda: ~jnp.any(y < 0, axes), "labels must not be negative")
    if reduce_fn is None:
        return rows_of(losses, rows, axes)
    kept = None if rows is None else jnp.squeeze(rows, axes)
    if reduce_fn is jnp.mean:
        return Rows(reduced(name, losses, None, kept, "mean"), kept)
    return Rows(reduce_fn(losses, where=kept), kept)


@dataclass(frozen=True, kw_only=True)
class RankingSoftmaxLoss(Loss):
    """The class form of `ranking_softmax_loss`."""

    fn = staticmethod(ranking_softmax_loss)
    axis: Axes | None = -1

    def losses(  # pyright: ignore[reportIncompatibleMethodOverride]: the arrays that it takes are named
        self, predictions: Floats, targets: Numbers, *, item_weights: Numbers | None = None, where: Mask | None = None
    ) -> Array:
        """One value per list, not reduced.

        Args:
            predictions: The scores, `[..., items]`.
            targets: The relevance of each item.
            item_weights: The weights of the items, of the shape of the scores.
            where: True where an item counts, or a list.
        """
        options = {"where": where, "weights": item_weights, "reduce_fn": None}
        return ranking_softmax_loss(predictions, targets, **options, **self._options())


__all__ = ["RankingSoftmaxLoss", "ranking_softmax_loss"]
