r"""Losses of rows that have any number of labels."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, floats, integers, matched, one_class_axis, without
from jaxloss._class_form import class_form
from jaxloss._domain import outside_is_nan
from jaxloss._loss import Loss
from jaxloss._masks import inert, masked, of_elements
from jaxloss._options import per_class
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, Floats, Labels, Mask, Numbers
from jaxloss.losses._label_rows import classes, kept_of, probable


@over_rows
def multilabel_soft_margin_loss(
    logits: Floats,
    labels: Numbers,
    *,
    class_weights: Numbers | None = None,
    axis: Axes | None = -1,
    where: Mask | None = None,
) -> Rows[Array]:
    r"""The mean over the classes of their binary cross-entropies.

    `-sum_k(w[k] * (y[k] * log(sigmoid(x[k])) + (1 - y[k]) * log(sigmoid(-x[k])))) / C` with x = logits, y = labels,
    w = class_weights and C classes.

    $$\ell = -\frac1C \sum_k w_k \left(y_k \log \sigma(x_k) + (1 - y_k) \log \sigma(-x_k)\right)$$

    with $\sigma(x) = 1 / (1 + e^{-x})$. Any logit: an infinite one has loss 0 where it agrees with the label and an
    infinite loss elsewhere. A row with a label outside [0, 1] has loss nan.

    Args:
        logits: Log-odds, `[..., classes]`.
        labels: 0, 1 or a probability between them for each class, of the shape of `logits`.
        class_weights: One weight for each class; 1 by default.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Logits that are not floats.

    Example:
        >>> print(f"{multilabel_soft_margin_loss(jnp.array([0.0, 2.0]), jnp.array([1, 1])):.4f}")
        0.4100

    Source: Cox, "The regression analysis of binary sequences", 1958; as a loss of many labels in PyTorch.
    """
    name = "multilabel_soft_margin_loss"
    x, y = matched(name, logits, labels, ("logits", "labels"))
    axes = class_axes(name, "logits", x, axis)
    elements, rows = kept_of(name, where, x, axes)
    keep = of_elements(elements, rows, x.shape)
    x, y = inert(keep, (x, 0.0), (y, 0.5))
    inside = probable(y, axes)
    terms = numerics.sigmoid_nll(numerics.gated(x, inside), numerics.gated(y, inside))
    # Divided before they are weighed and added: a sum may overflow where the mean does not.
    terms = terms / classes(x, axes, elements)
    if class_weights is not None:
        weights = numerics.sharded_like(x, per_class(name, "class_weights", class_weights, x.shape, axes, x.dtype))
        own = numerics.gated(masked(jnp.broadcast_to(weights, x.shape), keep), inside)
        terms = numerics.weighed(own, terms)
    losses = jnp.sum(masked(terms, keep), axes, keepdims=True)
    losses = jnp.squeeze(outside_is_nan(name, losses, lambda: inside, "labels must be in [0, 1]"), axes)
    return rows_of(losses, rows, axes)


@over_rows
def multilabel_margin_loss(
    scores: Floats, labels: Labels, *, axis: Axes = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The mean over all C classes of what the labels of a row lack of a margin of 1 to every class that is no label.

    `sum_s(sum(max(0, 1 - x[t[s]] + x[i]) for i not in t)) / C` with x = scores and t = labels, up to the first -1.

    $$\ell = \frac1C \sum_s \sum_{i \notin \{t_1, \dots, t_n\}} \max(0, 1 - x_{t_s} + x_i)$$

    Any real scores; a class of score minus infinity adds nothing, and is an infinite loss as a label beside any other
    class. A row's labels end before the first -1; one of them outside 0 to C - 1 makes the loss nan. A label that is
    there twice counts twice. Where a class has exactly the margin the slope of its term is 0. The labels are taken one
    after the other, up to the end of the longest list, with memory for one array of the size of the scores.

    Args:
        scores: `[..., classes]`.
        labels: Class indices, `[..., n]`: the rows' shape and as many as the longest list has; -1 ends a list.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in the units of the scores.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Scores that are not floats, labels that are not integers.

    Example:
        >>> print(f"{multilabel_margin_loss(jnp.array([0.1, 0.2, 0.4, 0.8]), jnp.array([3, 0, -1, 1])):.4f}")
        0.8500

    Source: Crammer, Singer, "A family of additive online algorithms for category ranking", 2003; as PyTorch has it.
    """
    name = "multilabel_margin_loss"
    x = floats(name, "scores", scores)
    axes = class_axes(name, "scores", x, axis)
    elements, rows = kept_of(name, where, x, axes)
    t = _lists(name, x, labels, axes)
    # Filled before it is moved: eagerly, `jax_debug_nans` would look at what is moved.
    (x,) = inert(rows, (x, 0.0)) if elements is None else inert(elements, (x, -jnp.inf))
    last = lambda a: jnp.moveaxis(one_class_axis(a, axes), min(axes), -1)  # noqa: E731
    x, left = last(x), None if elements is None else last(elements)
    count = classes(x, (x.ndim - 1,), left)
    valid = jnp.all((t >= -1) & (t < x.shape[-1]), -1, keepdims=True)
    if rows is not None:
        kept = jnp.expand_dims(jnp.squeeze(rows, axes), -1)
        valid = valid | ~kept
        t = jnp.where(kept, t, jnp.full_like(t, -1))
    t = jnp.where(valid, t, jnp.full_like(t, -1))
    if left is not None:
        left = numerics.sharded_like(x, left)
        t = jnp.where(jnp.take_along_axis(left, jnp.maximum(t, 0), -1), t, jnp.full_like(t, -1))
    losses = numerics.multilabel_margin(numerics.gated(x, valid), t) / count
    rule = f"labels must be from 0 to {x.shape[-1] - 1}, or -1 where they end"
    losses = jnp.squeeze(outside_is_nan(name, losses, lambda: valid, rule), -1)
    return rows_of(losses, rows, axes)


def _lists(name: str, x: Array, labels: Labels, axes: tuple[int, ...]) -> Array:
    """The labels of each row, all that follow the first -1 being -1 too."""
    given = integers(name, "labels", labels)
    rows = without(x.shape, axes)
    if given.ndim != len(rows) + 1 or given.shape[:-1] != rows:
        raise ValueError(
            f"{name}: labels {given.shape} and scores {x.shape} do not fit: labels need shape {(*rows, 'n')}, a list "
            "for each row that ends before the first -1."
        )
    t = numerics.aligned_labels(x, given, axes).astype(jnp.int32)
    position = jnp.arange(t.shape[-1], dtype=jnp.int32).reshape((1,) * len(rows) + (-1,))
    end = jnp.min(jnp.where(t == -1, position, jnp.full_like(t, t.shape[-1])), -1, keepdims=True, initial=t.shape[-1])
    return jnp.where(position < end, t, jnp.full_like(t, -1))


@class_form
class MultilabelSoftMarginLoss(Loss):
    """Multilabel soft margin loss: the class form of `multilabel_soft_margin_loss`."""

    fn = staticmethod(multilabel_soft_margin_loss)
    class_weights: Numbers | None = None
    axis: Axes | None = -1


@class_form
class MultilabelMarginLoss(Loss):
    """Multilabel margin loss: the class form of `multilabel_margin_loss`."""

    fn = staticmethod(multilabel_margin_loss)
    axis: Axes = -1


__all__ = [
    "MultilabelMarginLoss",
    "MultilabelSoftMarginLoss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
]
