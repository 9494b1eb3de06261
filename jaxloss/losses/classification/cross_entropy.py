r"""The cross-entropy from logits, over classes that are given as distributions."""

from __future__ import annotations

from typing import Literal, overload

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, matched
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._masks import inert, masked
from jaxloss._options import is_zero, per_class
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, AxisName, Floats, Mask, Numbers, Scalar
from jaxloss._vocabulary import shards_of
from jaxloss.losses._label_rows import kept_of, negative_checked, smoothed
from jaxloss.losses.classification._log_partition import SoftmaxAux, aux_of, z_term_of


@overload
def softmax_cross_entropy(
    logits: Floats,
    labels: Numbers,
    axis: Axes | None = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
    z_loss: Scalar = 0.0,
    vocab_axis_name: AxisName = None,
    return_aux: Literal[False] = False,
) -> Array: ...


@overload
def softmax_cross_entropy(
    logits: Floats,
    labels: Numbers,
    axis: Axes | None = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
    z_loss: Scalar = 0.0,
    vocab_axis_name: AxisName = None,
    return_aux: Literal[True],
) -> tuple[Array, SoftmaxAux]: ...


@over_rows
def softmax_cross_entropy(
    logits: Floats,
    labels: Numbers,
    axis: Axes | None = -1,
    where: Mask | None = None,
    *,
    label_smoothing: Scalar = 0.0,
    class_weights: Numbers | None = None,
    z_loss: Scalar = 0.0,
    vocab_axis_name: AxisName = None,
    return_aux: bool = False,
) -> Rows[Array | tuple[Array, SoftmaxAux]]:
    r"""The cross-entropy of a distribution over classes under the softmax of the logits.

    `sum_k(w[k] * y[k] * (lse - x[k])) + zeta * lse**2` with x = logits, y = labels, `lse = log(sum_j(exp(x[j])))`,
    w = class_weights and zeta = z_loss.

    $$\ell = \sum_k w_k y_k \left(\log \sum_j e^{x_j} - x_k\right) + \zeta \left(\log \sum_j e^{x_j}\right)^2$$

    Any logits, minus infinity included: a class of label 0 contributes 0 there, any other has an infinite
    loss. Labels need not sum to 1; they should not be negative, though the formula has
    a value for those too.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        labels: Distributions over the classes, of the shape of `logits`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        class_weights: One weight for each class; 1 by default.
        z_loss: The factor $\zeta$ of the squared log-partition function, which keeps logits small; at least 0.
        vocab_axis_name: Mesh axes over which the classes are spread, inside `shard_map`; see docs/arguments.md.
        return_aux: Whether to return a `SoftmaxAux` too.

    Returns:
        One value per row, in nats: the shape of `logits` without `axis`; with `return_aux` the pair (losses, aux).

    Raises:
        ValueError: Shapes that differ, an axis or an option out of range, a mesh axis that is not bound.
        TypeError: Logits that are not floats.

    Example:
        >>> losses = softmax_cross_entropy(jnp.array([[2.0, 0.0, 0.0]]), jnp.array([[0.5, 0.5, 0.0]]))
        >>> print(f"{losses[0]:.4f}")
        1.2395

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990; for the
    smoothing Szegedy et al., "Rethinking the Inception Architecture", 2016; for the z-loss Chowdhery et al., "PaLM",
    2022.
    """
    name = "softmax_cross_entropy"
    x, y = matched(name, logits, labels, ("logits", "labels"))
    axes = class_axes(name, "logits", x, axis)
    shards = shards_of(name, vocab_axis_name, axes, logits=x)
    elements, rows = kept_of(name, where, x, axes, shards)
    x, y = inert(elements, (x, -jnp.inf), (y, 0.0))
    if rows is not None:
        x = numerics.gated(x, rows)
        # Filled, not gated, if the weights or the smoothing can be learned: a nan label would be in their gradients.
        y = numerics.gated(y, rows) if class_weights is None and is_zero(label_smoothing) else masked(y, rows)
    smooth = smoothed(name, y, label_smoothing, axes, elements, shards=shards)
    if class_weights is not None:
        weights = per_class(name, "class_weights", class_weights, x.shape, axes, x.dtype, shards)
        smooth = masked(smooth * numerics.sharded_like(x, weights), elements)
    nll, lse = numerics.target_nll(x, smooth, rows, axes, shards.axis_name)
    z_term = z_term_of(name, lse, z_loss)
    losses = jnp.squeeze(nll if z_term is None else nll + z_term, axes)
    losses = negative_checked(name, losses, y, axes, rows)
    aux = aux_of(lse, z_term, lambda x: jnp.squeeze(x, axes)) if return_aux else None
    return rows_of(losses if aux is None else (losses, aux), rows, axes)


@class_form
class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of distributions from logits: the class form of `softmax_cross_entropy`."""

    fn = staticmethod(softmax_cross_entropy)
    axis: Axes | None = -1
    label_smoothing: Scalar = 0.0
    class_weights: Numbers | None = None
    z_loss: Scalar = 0.0
    vocab_axis_name: AxisName = None


__all__ = ["SoftmaxAux", "SoftmaxCrossEntropy", "softmax_cross_entropy"]
