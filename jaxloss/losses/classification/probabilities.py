r"""Cross-entropies from probabilities and log-probabilities over classes."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, matched
from jaxloss._class_form import class_form
from jaxloss._domain import checked_only, in_unit, outside_is_nan
from jaxloss._loss import Loss
from jaxloss._masks import inert, masked
from jaxloss._options import is_zero, number, per_class
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, Floats, Labels, Mask, Numbers, Scalar
from jaxloss.losses._label_rows import (
    PROBABILITIES,
    classes,
    kept_of,
    label_rows,
    negative_checked,
    probable,
    smoothed,
)


@over_rows
def categorical_cross_entropy(
    probabilities: Floats,
    labels: Numbers,
    axis: Axes | None = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
) -> Rows[Array]:
    r"""The cross-entropy of a distribution y over classes under given probabilities p.

    `-sum_k(w[k] * y[k] * log(p[k]))` with p = probabilities, y = labels and w = class_weights.

    $$\ell = -\sum_k w_k y_k \log p_k$$

    with the `class_weights` w. Probabilities in [0, 1], both ends included: a class of label 0 contributes 0 at a
    probability of 0, any other has an infinite loss. They are taken as they are, neither normalised nor clipped; a row
    with one outside [0, 1] has loss nan. If you have logits, `softmax_cross_entropy` is more accurate: a probability
    near 1 is rounded.

    Args:
        probabilities: `[..., classes]`, each row of sum 1.
        labels: Distributions over the classes, of the shape of `probabilities`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        class_weights: One weight for each class; 1 by default.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range.
        TypeError: Probabilities that are not floats.

    Example:
        >>> print(categorical_cross_entropy(jnp.array([[0.5, 0.5, 0.0]]), jnp.array([[1.0, 0.0, 0.0]])).round(4))
        [0.6931]

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """
    name = "categorical_cross_entropy"
    p, y = matched(name, probabilities, labels, ("probabilities", "labels"))
    axes = class_axes(name, "probabilities", p, axis)
    elements, rows = kept_of(name, where, p, axes)
    p, y = inert(elements, (p, 1.0), (y, 0.0))
    p = p if rows is None else numerics.gated(p, rows)
    inside = probable(p, axes)
    if rows is not None:
        inside = inside | ~rows
        # Filled, not gated, if the weights or the smoothing can be learned: a nan label would be in their gradients.
        y = numerics.gated(y, rows) if class_weights is None and is_zero(label_smoothing) else masked(y, rows)
    smooth = smoothed(name, y, label_smoothing, axes, elements)
    if class_weights is not None:
        weights = per_class(name, "class_weights", class_weights, p.shape, axes, p.dtype)
        smooth = masked(smooth * numerics.sharded_like(p, weights), elements)
    losses = numerics.probabilities_nll(p, smooth, inside if rows is None else inside & rows, axes)
    losses = jnp.squeeze(outside_is_nan(name, losses, lambda: inside, PROBABILITIES), axes)
    losses = negative_checked(name, losses, y, axes, rows)
    return rows_of(losses, rows, axes)


@over_rows
def sparse_categorical_cross_entropy(
    probabilities: Floats,
    labels: Labels,
    axis: Axes = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""The cross-entropy of a class index t under given probabilities p.

    `-(1 - s) * w[t] * log(p[t]) - s / K * sum_k(w[k] * log(p[k]))` with p = probabilities and t = labels.

    $$\ell = -(1 - s) w_t \log p_t - \frac{s}{K} \sum_k w_k \log p_k$$

    with the `class_weights` w, the share s of `label_smoothing` and K classes. Probabilities in [0, 1], both ends
    included, taken as they are; a probability of the label outside [0, 1] has loss nan, with smoothing that of any
    class, and so has a label outside 0 to C - 1.

    Args:
        probabilities: `[..., classes]`, each row of sum 1.
        labels: Class indices, of the shape of `probabilities` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        class_weights: One weight for each class; 1 by default.
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row, in nats: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.
        TypeError: Probabilities that are not floats, labels that are not integers.

    Example:
        >>> print(sparse_categorical_cross_entropy(jnp.array([[0.5, 0.5, 0.0]]), jnp.array([1])).round(4))
        [0.6931]

    Source: as `categorical_cross_entropy`.
    """
    name = "sparse_categorical_cross_entropy"
    rows = label_rows(name, "probabilities", probabilities, labels, axis, where, ignore_index, fill=1.0)
    p, own_weight, spread = rows.x, jnp.ones_like(rows.x, shape=()), None
    if class_weights is not None:
        spread, own_weight = rows.per_class(name, "class_weights", class_weights)
    own = numerics.label_value(p, rows.labels, rows.axis)
    inside = in_unit(own)
    if not is_zero(label_smoothing):
        inside = probable(p, (rows.axis,))
        smoothing = number(name, "label_smoothing", label_smoothing, p.dtype)
        share = smoothing / classes(p, (rows.axis,), rows.elements)
        own_weight, spread = (1 - smoothing) * own_weight, share * rows.spread(spread)
    inside = inside | ~rows.slopes
    counts = rows.slopes & inside
    losses = numerics.probabilities_nll(own, jnp.broadcast_to(own_weight, own.shape), counts, (rows.axis,))
    if spread is not None and not is_zero(label_smoothing):
        losses = losses + numerics.probabilities_nll(p, spread, counts, (rows.axis,))
    return rows.counting(name, outside_is_nan(name, losses, lambda: inside, PROBABILITIES))


@over_rows
def nll_loss(
    log_probabilities: Floats,
    labels: Labels,
    axis: Axes = -1,
    where: Mask | None = None,
    *,
    class_weights: Numbers | None = None,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""The negative log-likelihood of a class index t under given log-probabilities.

    `-w[t] * log_p[t]` with log_p = log_probabilities, t = labels and w = class_weights.

    $$\ell = -w_t \log p_t$$

    Log-probabilities from minus infinity to 0, taken as they are. A label outside 0 to C - 1 has loss nan.

    Args:
        log_probabilities: `[..., classes]`, as `log_softmax` gives them.
        labels: Class indices, of the shape of `log_probabilities` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        class_weights: One weight for each class; 1 by default.
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row, in nats: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Log-probabilities that are not floats, labels that are not integers.

    Example:
        >>> print(nll_loss(jnp.log(jnp.array([[0.5, 0.25, 0.25]])), jnp.array([1])).round(4))
        [1.3863]

    Source: Fisher, "On the mathematical foundations of theoretical statistics", 1922.
    """
    name = "nll_loss"
    rows = label_rows(name, "log_probabilities", log_probabilities, labels, axis, where, ignore_index, fill=0.0)
    own = masked(numerics.label_value(rows.x, rows.labels, rows.axis), rows.slopes)
    losses = -own
    if class_weights is not None:
        losses = numerics.weighed(rows.per_class(name, "class_weights", class_weights)[1], losses)
    losses = checked_only(name, losses, lambda: own <= 0, "log_probabilities must be at most 0")
    return rows.counting(name, losses)


@class_form
class CategoricalCrossEntropy(Loss):
    """Cross-entropy of distributions from probabilities: the class form of `categorical_cross_entropy`."""

    fn = staticmethod(categorical_cross_entropy)
    axis: Axes | None = -1
    label_smoothing: Scalar = 0.0
    class_weights: Numbers | None = None


@class_form
class SparseCategoricalCrossEntropy(Loss):
    """Cross-entropy of class indices from probabilities: the class form of `sparse_categorical_cross_entropy`."""

    fn = staticmethod(sparse_categorical_cross_entropy)
    axis: Axes = -1
    label_smoothing: Scalar = 0.0
    class_weights: Numbers | None = None
    ignore_index: int | None = None


@class_form
class NLLLoss(Loss):
    """Negative log-likelihood of class indices from log-probabilities: the class form of `nll_loss`."""

    fn = staticmethod(nll_loss)
    axis: Axes = -1
    class_weights: Numbers | None = None
    ignore_index: int | None = None


__all__ = [
    "CategoricalCrossEntropy",
    "NLLLoss",
    "SparseCategoricalCrossEntropy",
    "categorical_cross_entropy",
    "nll_loss",
    "sparse_categorical_cross_entropy",
]
