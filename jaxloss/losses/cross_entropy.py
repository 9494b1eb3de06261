r"""Cross-entropies from logits, over classes that are given as indices or as distributions."""

from dataclasses import dataclass

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._check import class_axes, floats, inert, is_zero, kept_rows, matched, number, per_class
from jaxloss._checked import expected
from jaxloss._loss import Loss
from jaxloss._shards import shards_of
from jaxloss._types import Array, Axes, AxisName, Floats, Labels, Mask, Numbers, Scalar
from jaxloss.losses._rows import at_label, classes, kept_of, label_rows, smoothed


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
) -> Array:
    r"""The cross-entropy of a distribution over classes under the softmax of the logits.

    $$\ell = \sum_k w_k y_k \left(\log \sum_j e^{x_j} - x_k\right) + \zeta \left(\log \sum_j e^{x_j}\right)^2$$

    Any logits, minus infinity included: a class of label 0 contributes 0 there, any other has an infinite loss (in
    float32 one below 1e-18 a finite one). Labels need not sum to 1; they should not be negative, though the formula has
    a value for those too.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        labels: Distributions over the classes, of the shape of `logits`.
        axis: The class axis, or axes that are taken together; None takes all.
        where: True where an element counts: of the shape of `logits` to leave classes out of the softmax and the sum,
            of the shape of the losses to mask rows. What is masked has gradient 0, masked rows have loss 0.
        label_smoothing: The share s of each label that is spread over the K classes, $y \to (1 - s) y + s / K$; in
            [0, 1].
        class_weights: The weights w, one for each class; 1 by default.
        z_loss: The factor $\zeta$ of the squared log-partition function, which keeps logits from drifting; at least 0.
        vocab_axis_name: Mesh axes over which the classes are spread, inside `shard_map`: `logits`, `labels`, a `where`
            of their shape and `class_weights` (or those of all classes) are then this device's part, all parts of one
            size, and every device has the losses. A few numbers are sent for each row. Gradients are to be taken
            outside of it, or inside with `check_vma` on: off, they come out times the number of shards.

    Returns:
        One value per row, in nats: the shape of `logits` without `axis`.

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
    shards = shards_of(name, vocab_axis_name, axes)
    elements, rows = kept_of(name, where, x, axes, shards)
    x, y = inert(elements, (x, -jnp.inf), (y, 0.0))
    if rows is not None:
        x, y = numerics.gated(x, rows), numerics.gated(y, rows)
    smooth = smoothed(name, y, label_smoothing, axes, elements, shards=shards)
    if class_weights is not None:
        smooth = smooth * per_class(name, "class_weights", class_weights, x.shape, axes, x.dtype, shards)
    nll, lse = numerics.target_nll(x, smooth, rows, axes, shards.axis_name)
    losses = jnp.squeeze(_with_z_loss(name, nll, lse, z_loss), axes)
    return expected(name, losses, lambda: ~jnp.any(y < 0, axes), "labels must not be negative")


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
) -> Array:
    r"""The cross-entropy of a class index t under the softmax of the logits.

    $$\ell = (1 - s) w_t \left(\log \sum_j e^{x_j} - x_t\right)
        + \frac{s}{K} \sum_k w_k \left(\log \sum_j e^{x_j} - x_k\right)
        + \zeta \left(\log \sum_j e^{x_j}\right)^2$$

    Any logits, minus infinity included. A label outside 0 to C - 1 has loss nan: it neither wraps nor is clamped.
    Confident examples keep their loss and gradient, however small, and nothing of the size of the logits is written but
    their gradient (on CPU also a copy of them, if `where` masks classes).

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        labels: Class indices, of the shape of `logits` without `axis`.
        axis: The class axis; of several, taken together, the label is an index into their product.
        where: True where an element counts: of the shape of `logits` to leave classes out of the softmax, of the shape
            of the losses to mask rows. What is masked has gradient 0; masked rows, and rows whose own class is masked,
            have loss 0.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        class_weights: The weights w, one for each class; 1 by default. Smoothed mass is weighed too, class by class.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        z_loss: The factor $\zeta$ of the squared log-partition function, which keeps logits from drifting; at least 0.
        vocab_axis_name: Mesh axes over which the classes are spread; see `softmax_cross_entropy`. The labels are
            indices into all classes, the same on every device.

    Returns:
        One value per row, in nats: the shape of `labels`.

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
    x = rows.x
    spread = None
    smoothing = number(name, "label_smoothing", label_smoothing, x.dtype, low=0, high=1)
    if not is_zero(label_smoothing):
        spread = jnp.ones_like(x, shape=[n if i == rows.axis else 1 for i, n in enumerate(x.shape)])
    weights = None
    if class_weights is not None:
        weights = per_class(name, "class_weights", class_weights, x.shape, (rows.axis,), x.dtype, rows.shards)
        spread = None if spread is None else spread * weights
    if spread is not None and rows.elements is not None:
        spread = spread * rows.elements.astype(spread.dtype)
    nll, lse, spread_nll = numerics.label_nll(x, rows.labels, rows.kept, spread, rows.axis, vocab_axis_name)
    losses = nll if weights is None else nll * at_label(weights, rows)
    if not is_zero(label_smoothing):
        share = smoothing / classes(x, (rows.axis,), rows.elements, rows.shards)
        losses = numerics.times(1 - smoothing, losses) + numerics.times(share, spread_nll)
    return rows.finish(name, _with_z_loss(name, losses, lse, z_loss))


def log_softmax(logits: Floats, axis: Axes | None = -1, where: Mask | None = None) -> Array:
    r"""The logarithm of the softmax, $\ell_i = x_i - \log \sum_j e^{x_j}$.

    Any logits, minus infinity included; a row of minus infinities stays one. Relatively exact also for the class whose
    probability is near 1.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        axis: The class axis, or axes that are taken together; None takes all.
        where: True where an element counts, of the shape of `logits`; elsewhere the result is minus infinity.

    Returns:
        Log-probabilities, of the shape of `logits`.

    Raises:
        ValueError: An axis out of range, a mask that does not fit.
        TypeError: Logits that are not floats.

    Example:
        >>> print("{:.4g} {:.4g}".format(*log_softmax(jnp.array([40.0, 0.0]))))
        -4.248e-18 -40

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """
    x = floats("log_softmax", "logits", logits)
    axes = class_axes("log_softmax", "logits", x, axis)
    elements, _ = kept_rows("log_softmax", where, x.shape, axes)
    (x,) = inert(elements, (x, -jnp.inf))
    return numerics.log_softmax(x, axes)


def smooth_labels(labels: Numbers, alpha: Scalar, *, axis: Axes | None = -1, where: Mask | None = None) -> Array:
    r"""Labels with a share of their mass spread evenly over the classes, $(1 - \alpha) y + \alpha / K$.

    The losses take `label_smoothing` themselves, and then nothing of this size is written.

    Args:
        labels: Distributions over the classes, `[..., classes]`.
        alpha: The share that is spread; in [0, 1].
        axis: The class axis, or axes that are taken together; None takes all.
        where: True where a class counts, of the shape of `labels`; the others get 0 and no share.

    Returns:
        Distributions over the classes, of the shape of `labels`.

    Raises:
        ValueError: An axis or a share out of range, a mask that does not fit.
        TypeError: Labels that are not floats.

    Example:
        >>> print(smooth_labels(jnp.array([0.0, 1.0]), 0.1))
        [0.05 0.95]

    Source: Szegedy et al., "Rethinking the Inception Architecture", 2016.
    """
    y = floats("smooth_labels", "labels", labels)
    axes = class_axes("smooth_labels", "labels", y, axis)
    elements, _ = kept_rows("smooth_labels", where, y.shape, axes)
    (y,) = inert(elements, (y, 0.0))
    return smoothed("smooth_labels", y, alpha, axes, elements, "alpha")


def _with_z_loss(name: str, nll: Array, lse: Array, z_loss: Scalar) -> Array:
    if is_zero(z_loss):
        return nll
    return nll + numerics.times(number(name, "z_loss", z_loss, nll.dtype, low=0), jnp.square(lse))


@dataclass(frozen=True, kw_only=True)
class SoftmaxCrossEntropy(Loss):
    """The class form of `softmax_cross_entropy`."""

    fn = staticmethod(softmax_cross_entropy)
    axis: Axes | None = -1
    label_smoothing: Scalar = 0.0
    class_weights: Numbers | None = None
    z_loss: Scalar = 0.0
    vocab_axis_name: AxisName = None


@dataclass(frozen=True, kw_only=True)
class SoftmaxCrossEntropyWithIntegerLabels(Loss):
    """The class form of `softmax_cross_entropy_with_integer_labels`."""

    fn = staticmethod(softmax_cross_entropy_with_integer_labels)
    axis: Axes = -1
    label_smoothing: Scalar = 0.0
    class_weights: Numbers | None = None
    ignore_index: int | None = None
    z_loss: Scalar = 0.0
    vocab_axis_name: AxisName = None


__all__ = [
    "SoftmaxCrossEntropy",
    "SoftmaxCrossEntropyWithIntegerLabels",
    "log_softmax",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
]
