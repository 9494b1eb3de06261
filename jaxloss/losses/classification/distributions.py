r"""Distributions over classes: the log-softmax of logits, and labels that are smoothed."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, floats
from jaxloss._masks import inert, of_elements
from jaxloss._types import Array, Axes, Floats, Mask, Numbers, Scalar
from jaxloss.losses._label_rows import kept_of, smoothed


def log_softmax(logits: Floats, axis: Axes | None = -1, where: Mask | None = None) -> Array:
    r"""The logarithm of the softmax.

    `x[i] - log(sum_j(exp(x[j])))` with x = logits.

    $$\ell_i = x_i - \log \sum_j e^{x_j}$$

    Any logits, minus infinity included; a row of minus infinities stays one. Relatively exact also for the class whose
    probability is near 1.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where an element counts, of the shape of `logits`, or of the rows: a row that is masked is masked
            in all its elements. Elsewhere the result is minus infinity, with gradient 0.

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
    name = "log_softmax"
    x = floats(name, "logits", logits)
    axes = class_axes(name, "logits", x, axis)
    elements, rows = kept_of(name, where, x, axes)
    (x,) = inert(rows if elements is None else elements, (x, -jnp.inf))
    return numerics.log_softmax(x, axes)


def smooth_labels(labels: Numbers, alpha: Scalar, *, axis: Axes | None = -1, where: Mask | None = None) -> Array:
    r"""Labels with a share of their mass spread evenly over the classes.

    `(1 - alpha) * y + alpha / K` with y = labels and K classes.

    $$(1 - \alpha) y + \alpha / K$$

    The losses take `label_smoothing` themselves, and then nothing of this size is written.

    Args:
        labels: Distributions over the classes, `[..., classes]`.
        alpha: The share that is spread; in [0, 1].
        axis: The axis of a row, or axes that are taken together; None takes all.
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
    name = "smooth_labels"
    y = floats(name, "labels", labels)
    axes = class_axes(name, "labels", y, axis)
    elements, rows = kept_of(name, where, y, axes)
    keep = of_elements(elements, rows, y.shape)
    (y,) = inert(keep, (y, 0.0))
    return smoothed(name, y, alpha, axes, keep, "alpha")


__all__ = ["log_softmax", "smooth_labels"]
