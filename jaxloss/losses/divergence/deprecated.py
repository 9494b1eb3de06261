r"""Former names of divergences, which forward to the present ones with a `DeprecationWarning`."""

from __future__ import annotations

import warnings

from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss.losses.divergence.kullback_leibler import generalized_kl_divergence


def convex_kl_divergence(
    log_predictions: Floats, targets: Numbers, axis: Axes | None = -1, where: Mask | None = None
) -> Array:
    r"""The former name of `generalized_kl_divergence`.

    `sum_k(t[k] * (log(t[k]) - log_p[k]) - t[k] + exp(log_p[k]))` with log_p = log_predictions and t = targets.

    $$\ell = \sum_k (t_k (\log t_k - \log p_k) - t_k + p_k)$$

    Args:
        log_predictions: Log-probabilities of the predicted masses.
        targets: The shape of `log_predictions`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where an element counts; see `generalized_kl_divergence`.

    Returns:
        What `generalized_kl_divergence` returns.

    Raises:
        ValueError: As `generalized_kl_divergence`.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     print(convex_kl_divergence(jnp.zeros(2), jnp.array([1.0, 0.0])))
        1.0

    Source: optax, which has renamed it so.
    """
    # The third frame up is the caller's line: the second is the wrapper that answers mistaken calls.
    message = "convex_kl_divergence is deprecated: use generalized_kl_divergence, which is the same function."
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return generalized_kl_divergence(log_predictions, targets, axis, where)


__all__ = ["convex_kl_divergence"]
