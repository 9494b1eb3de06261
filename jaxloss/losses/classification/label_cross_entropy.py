r"""The cross-entropy from logits, over classes that are given as indices."""

from __future__ import annotations

from typing import Literal, overload

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._options import is_zero, number
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, AxisName, Floats, Labels, Mask, Numbers, Scalar
from jaxloss.losses._label_rows import classes, label_rows
from jaxloss.losses.classification._log_partition import SoftmaxAux, aux_of, z_term_of


@overload
def softmax_cross_entropy_with_integer_labels(
    logits: Floats,
    labels: Labels,
    axis: Axes = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
    ignore_index: int | None = None,
    z_loss: Scalar = 0.0,
    vocab_axis_name: AxisName = None,
    return_aux: Literal[False] = False,
) -> Array: ...


@overload
def softmax_cross_entropy_with_integer_labels(
    logits: Floats,
    labels: Labels,
    axis: Axes = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
    ignore_index: int | None = None,
    z_loss: Scalar = 0.0,
    vocab_axis_name: AxisName = None,
    return_aux: Literal[True],
) -> tuple[Array, SoftmaxAux]: ...


@over_rows
def softmax_cross_entropy_with_integer_labels(
    logits: Floats,
    labels: Labels,
    axis: Axes = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
    ignore_index: int | None = None,
    z_loss: Scalar = 0.0,
    vocab_axis_name: AxisName = None,
    return_aux: bool = False,
) -> Rows[Array | tuple[Array, SoftmaxAux]]:
    r"""The cross-entropy of a class index t under the softmax of the logits.

    `(1 - s) * w[t] * (lse - x[t]) + s / K * sum_k(w[k] * (lse - x[k])) + zeta * lse**2` with x = logits, t = labels,
    `lse = log(sum_j(exp(x[j])))`, s = label_smoothing, K classes, w = class_weights and zeta = z_loss.

    $$\ell = (1 - s) w_t \left(\log \sum_j e^{x_j} - x_t\right)
        + \frac{s}{K} \sum_k w_k \left(\log \sum_j e^{x_j} - x_k\right)
        + \zeta \left(\log \sum_j e^{x_j}\right)^2$$

    Any logits, minus infinity included. A label outside 0 to C - 1 has loss nan: it neither wraps nor is clamped.
    Confident examples keep their loss and gradient, however small, and nothing of the size of the logits is written but
    their gradient (on CPU also a copy of them, if `where` masks classes).

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        labels: Class indices, of the shape of `logits` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        class_weights: One weight for each class; 1 by default.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        z_loss: The factor $\zeta$ of the squared log-partition function, which keeps logits small; at least 0.
        vocab_axis_name: Mesh axes over which the classes are spread, inside `shard_map`; see docs/arguments.md.
        return_aux: Whether to return a `SoftmaxAux` too.

    Returns:
        One value per row, in nats: the shape of `labels`; with `return_aux` the pair (losses, aux).

    Raises:
        ValueError: Shapes that do not fit, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Logits that are not floats, labels that are not integers.

    Example:
        >>> logits = jnp.array([[2.0, 0.0, 0.0], [40.0, 0.0, 0.0]])
        >>> losses = softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 0]))
        >>> print(f"{losses[0]:.4f} {losses[1]:.4g}")
        0.2395 8.497e-18

    Source: as `softmax_cross_entropy`.
    """
    name = "softmax_cross_entropy_with_integer_labels"
    rows = label_rows(name, "logits", logits, labels, axis, where, ignore_index, vocab_axis_name=vocab_axis_name)
    x, weights, own_weight = rows.x, None, None
    if class_weights is not None:
        weights, own_weight = rows.per_class(name, "class_weights", class_weights)
    smoothing = number(name, "label_smoothing", label_smoothing, x.dtype)
    spread = None
    if not is_zero(label_smoothing):
        spread = smoothing / classes(x, (rows.axis,), rows.elements, rows.shards) * rows.spread(weights)
    nll, lse, spread_nll = numerics.label_nll(x, rows.labels, rows.slopes, spread, rows.axis, vocab_axis_name)
    losses = nll if own_weight is None else numerics.scaled(own_weight, nll)
    if not is_zero(label_smoothing):
        losses = numerics.scaled(1 - smoothing, losses) + spread_nll
    z_term = z_term_of(name, lse, z_loss)
    losses = rows.finish(name, losses if z_term is None else losses + z_term)
    aux = aux_of(lse, z_term, lambda x: rows.finish(name, x)) if return_aux else None
    return rows_of(losses if aux is None else (losses, aux), rows.kept, rows.axis)


@class_form
class SoftmaxCrossEntropyWithIntegerLabels(Loss):
    """Cross-entropy of class indices from logits: the class form of `softmax_cross_entropy_with_integer_labels`."""

    fn = staticmethod(softmax_cross_entropy_with_integer_labels)
    axis: Axes = -1
    label_smoothing: Scalar = 0.0
    class_weights: Numbers | None = None
    ignore_index: int | None = None
    z_loss: Scalar = 0.0
    vocab_axis_name: AxisName = None


__all__ = ["SoftmaxCrossEntropyWithIntegerLabels", "softmax_cross_entropy_with_integer_labels"]
