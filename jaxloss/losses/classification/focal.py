r"""Focal losses: cross-entropies that weigh well-classified examples less."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, matched, real
from jaxloss._class_form import class_form
from jaxloss._elements import Given, binary, for_each_class
from jaxloss._loss import Loss
from jaxloss._masks import inert, masked, of_elements
from jaxloss._options import is_zero, number, per_class
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, Floats, Mask, Numbers, Scalar
from jaxloss.losses._label_rows import LabelRows, kept_of, label_rows, negative_checked, smoothed


def sigmoid_focal_loss(
    logits: Floats,
    labels: Numbers,
    *,
    alpha: Numbers | None = None,
    gamma: Scalar = 2.0,
    label_smoothing: Scalar = 0.0,
    where: Mask | None = None,
) -> Array:
    r"""The binary cross-entropy with less weight on well-classified examples.

    `-alpha_t * (1 - p_t)**gamma * (y * log(p) + (1 - y) * log(1 - p))` with p = sigmoid(logits), y = labels,
    `p_t = y * p + (1 - y) * (1 - p)` and `alpha_t = alpha * y + (1 - alpha) * (1 - y)`, which is 1 without an alpha.

    $$\ell = -\alpha_t (1 - p_t)^\gamma \left(y \log p + (1 - y) \log (1 - p)\right)$$

    with $p = \sigma(x)$, $p_t = y p + (1 - y)(1 - p)$ and $\alpha_t = \alpha y + (1 - \alpha)(1 - y)$. Any logit, as in
    `sigmoid_binary_cross_entropy`. A label outside [0, 1] has loss nan.

    Args:
        logits: Log-odds; any shape.
        labels: 0, 1 or a probability between them; of the shape of the first argument.
        alpha: The weight of the positive labels, with 1 - alpha for the others: a scalar in [0, 1], or one for each
            class, `[classes]`, the last axis. None weighs both 1.
        gamma: How much well-classified examples are turned down; at least 0, where the loss is the cross-entropy.
        label_smoothing: The share s of each label that goes to 1/2; in [0, 1].
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ, an option out of range.
        TypeError: Logits that are not floats.

    Example:
        >>> print(sigmoid_focal_loss(jnp.array([0.0, 2.0]), jnp.array([1, 1])).round(4))
        [0.1733 0.0018]

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """
    name = "sigmoid_focal_loss"
    weight = () if alpha is None else for_each_class(name, "alpha", alpha, logits, 0.5)
    y, elements = binary(name, Given("logits", logits, 0.5), labels, label_smoothing, where, *weight)
    x, _, *weights = elements.arrays
    power = elements.option(number(name, "gamma", gamma, x.dtype))
    if is_zero(gamma):
        losses = numerics.sigmoid_nll(x, y)
    else:
        losses = numerics.sigmoid_focal(x, y, power)
    if weights:
        (positive,) = weights
        losses = numerics.times(positive * y + (1 - positive) * (1 - y), losses)
    return elements.finish(losses)


@over_rows
def softmax_focal_loss(
    logits: Floats,
    labels: Numbers,
    axis: Axes = -1,
    where: Mask | None = None,
    *,
    alpha: Numbers | None = None,
    gamma: Scalar = 2.0,
    label_smoothing: Scalar = 0.0,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""The softmax cross-entropy with less weight on well-classified examples.

    `-sum_k(alpha[k] * y[k] * (1 - p[k])**gamma * log(p[k]))` with p = softmax(logits) and y = labels, one-hot if they
    are integers.

    $$\ell = -\sum_k \alpha_k y_k (1 - p_k)^\gamma \log p_k$$

    with p the softmax of the logits; for an integer label t, $y_k$ is 1 at t and 0 elsewhere. Any logits, minus
    infinity included. An integer label outside 0 to C - 1 has loss nan. $1 - p_k$ keeps its
    digits near $p_k = 1$. `ignore_index` is for integer labels only.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        labels: Class indices, integers of the shape of `logits` without `axis`; or distributions over the classes, of
            the shape of `logits`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        alpha: The weights of the classes: a scalar, or one for each class; 1 by default.
        gamma: How much well-classified examples are turned down; at least 0, where the loss is the cross-entropy.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range.
        TypeError: Logits that are not floats.

    Example:
        >>> print(softmax_focal_loss(jnp.array([[2.0, 0.0, 0.0]]), jnp.array([0])).round(4))
        [0.0109]

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """
    name = "softmax_focal_loss"
    logits, y = real(name, "logits", logits), real(name, "labels", labels)
    if jnp.issubdtype(y.dtype, jnp.integer) and y.shape != logits.shape:
        rows = label_rows(name, "logits", logits, y, axis, where, ignore_index)
        return rows.counting(name, _label_focal(name, rows, alpha, gamma, label_smoothing))
    if ignore_index is not None:
        raise ValueError(f"{name}: ignore_index is for integer labels, got labels {y.dtype}{y.shape}: use where.")
    x, y = matched(name, logits, y, ("logits", "labels"))
    axes = class_axes(name, "logits", x, axis)
    elements, kept = kept_of(name, where, x, axes)
    keep = of_elements(elements, kept, x.shape)
    x, y = inert(keep, (x, -jnp.inf), (y, 0.0))
    weights = None if alpha is None else _alpha(name, alpha, x, axes)
    losses = jnp.squeeze(_dense_focal(name, x, y, axes, weights, gamma, label_smoothing, keep), axes)
    losses = negative_checked(name, losses, y, axes, kept)
    return rows_of(losses, kept, axes)


def _label_focal(name: str, rows: LabelRows, alpha: Any, gamma: Scalar, label_smoothing: Scalar) -> Array:
    x, weights, own_weight = rows.x, None, None
    if alpha is not None and real(name, "alpha", alpha).ndim == 0:
        weights = own_weight = number(name, "alpha", alpha, x.dtype)
    elif alpha is not None:
        weights, own_weight = rows.per_class(name, "alpha", alpha)
    if not is_zero(label_smoothing):
        one_hot = numerics.is_label(x, rows.labels, rows.axis).astype(x.dtype)
        keep = jnp.broadcast_to(rows.slopes, one_hot.shape)
        keep = keep if rows.elements is None else keep & rows.elements
        return _dense_focal(name, x, one_hot, (rows.axis,), weights, gamma, label_smoothing, keep)
    cross_entropy = numerics.label_nll(x, rows.labels, rows.slopes, None, rows.axis)[0]
    if own_weight is None:
        return numerics.of_rows([cross_entropy], lambda c: _focal(name, c, gamma), rows.axis)
    own_weight = jnp.broadcast_to(own_weight, cross_entropy.shape)
    weighted = lambda c, w: w * _focal(name, numerics.absent(w, c), gamma)  # noqa: E731
    return numerics.of_rows([cross_entropy, own_weight], weighted, rows.axis)


def _dense_focal(
    name: str,
    x: Array,
    y: Array,
    axes: tuple[int, ...],
    alpha: Array | None,
    gamma: Scalar,
    label_smoothing: Scalar,
    keep: Array | None,
) -> Array:
    weights = smoothed(name, y, label_smoothing, axes, keep)
    if alpha is not None:
        weights = masked(weights * alpha, keep)
    (x,) = inert(keep, (x, -jnp.inf))
    cross_entropies = numerics.absent(weights, masked(-numerics.log_softmax(x, axes), keep))
    return jnp.sum(weights * _focal(name, cross_entropies, gamma), axes, keepdims=True)


def _focal(name: str, cross_entropy: Array, gamma: Scalar) -> Array:
    power = number(name, "gamma", gamma, cross_entropy.dtype)
    if is_zero(gamma):
        return cross_entropy
    return numerics.focal_nll(cross_entropy, jnp.broadcast_to(power, cross_entropy.shape))


def _alpha(name: str, alpha: Numbers, x: Array, axes: tuple[int, ...]) -> Array:
    if real(name, "alpha", alpha).ndim == 0:
        return number(name, "alpha", alpha, x.dtype)
    return numerics.sharded_like(x, per_class(name, "alpha", alpha, x.shape, axes, x.dtype))


@class_form
class SigmoidFocalLoss(Loss):
    """Binary focal loss from logits: the class form of `sigmoid_focal_loss`."""

    fn = staticmethod(sigmoid_focal_loss)
    alpha: Numbers | None = None
    gamma: Scalar = 2.0
    label_smoothing: Scalar = 0.0


@class_form
class SoftmaxFocalLoss(Loss):
    """Focal loss over classes from logits: the class form of `softmax_focal_loss`."""

    fn = staticmethod(softmax_focal_loss)
    axis: Axes = -1
    alpha: Numbers | None = None
    gamma: Scalar = 2.0
    label_smoothing: Scalar = 0.0
    ignore_index: int | None = None


__all__ = ["SigmoidFocalLoss", "SoftmaxFocalLoss", "sigmoid_focal_loss", "softmax_focal_loss"]
