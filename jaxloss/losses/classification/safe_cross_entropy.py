r"""The softmax cross-entropy by the name that optax gives the one that takes logits of minus infinity."""

from __future__ import annotations

from jaxloss._types import Array, Floats, Numbers
from jaxloss.losses.classification.cross_entropy import softmax_cross_entropy


def safe_softmax_cross_entropy(logits: Floats, labels: Numbers) -> Array:
    r"""`softmax_cross_entropy`, which is safe: a class of label 0 and of a logit of minus infinity adds 0.

    `-sum_k(y[k] * log(p[k]))` with p = softmax(logits) and y = labels.

    $$\ell = -\sum_k y_k \log p_k$$

    with p the softmax of the logits. Slopes are finite there too, where those of optax's function are nan.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        labels: Distributions over the classes, of the shape of `logits`.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> print(safe_softmax_cross_entropy(jnp.array([[1.0, 1.0, -jnp.inf]]), jnp.array([[1.0, 0.0, 0.0]])).round(4))
        [0.6931]

    Source: as `softmax_cross_entropy`.
    """
    return softmax_cross_entropy(logits, labels)


__all__ = ["safe_softmax_cross_entropy"]
