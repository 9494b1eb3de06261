r"""Kullback-Leibler divergences, from probabilities and from log-probabilities."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss.losses._outcomes import Divergence, divergence, from_probabilities, outcomes


@over_rows
def kl_divergence(
    log_predictions: Floats, targets: Numbers, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The Kullback-Leibler divergence of predicted log-probabilities from target probabilities t.

    `sum_k(t[k] * (log(t[k]) - log_p[k]))` with log_p = log_predictions and t = targets.

    $$\ell = \sum_k t_k (\log t_k - \log p_k)$$

    Targets in [0, 1], both ends included: an outcome of target 0 contributes 0 even at a log-probability of minus
    infinity, where any other makes the loss infinite. The predictions are taken as they are, not normalised: pass
    `log_softmax` of logits. A row with a negative target has loss nan.

    The slope in a target is $1 + \log t_k - \log p_k$, minus infinity at a target of 0. There the gradient has the
    logarithm of the smallest normal number, about -87 in float32, in the place of $\log t_k$, and is finite.

    Args:
        log_predictions: Log-probabilities, `[..., classes]`.
        targets: Probabilities, of the shape of the predictions.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Log-predictions that are not floats.

    Example:
        >>> print(kl_divergence(jnp.log(jnp.array([0.5, 0.5])), jnp.array([1.0, 0.0])).round(4))
        0.6931

    Source: Kullback and Leibler, "On Information and Sufficiency", 1951.
    """
    return _divergence(
        "kl_divergence", log_predictions, targets, axis, where, numerics.relative_entropy, _NAMES, (0.0, 1.0)
    )


@over_rows
def kl_divergence_with_log_targets(
    log_predictions: Floats, log_targets: Floats, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The Kullback-Leibler divergence of predicted log-probabilities from target log-probabilities.

    `sum_k(exp(log_t[k]) * (log_t[k] - log_p[k]))` with log_p = log_predictions and log_t = log_targets.

    $$\ell = \sum_k e^{\log t_k} (\log t_k - \log p_k)$$

    Log-probabilities from minus infinity; an outcome of log-target minus infinity contributes 0, any other makes
    the loss infinite where the prediction is minus infinity.

    Args:
        log_predictions: Log-probabilities, `[..., classes]`.
        log_targets: Log-probabilities, of the shape of `log_predictions`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Log-predictions that are not floats.

    Example:
        >>> print(kl_divergence_with_log_targets(jnp.log(jnp.array([0.5, 0.5])), jnp.array([0.0, -jnp.inf])).round(4))
        0.6931

    Source: Kullback and Leibler, "On Information and Sufficiency", 1951.
    """
    names = ("log_predictions", "log_targets")
    term = numerics.relative_entropy_log
    return _divergence(
        "kl_divergence_with_log_targets", log_predictions, log_targets, axis, where, term, names, (0.0, 0.0)
    )


@over_rows
def generalized_kl_divergence(
    log_predictions: Floats, targets: Numbers, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The Kullback-Leibler divergence between positive measures that need not sum to 1.

    `sum_k(t[k] * (log(t[k]) - log_p[k]) - t[k] + exp(log_p[k]))` with log_p = log_predictions and t = targets.

    $$\ell = \sum_k \left(t_k (\log t_k - \log p_k) - t_k + p_k\right)$$

    Targets from 0, that end included; for two distributions it is the Kullback-Leibler divergence. Never negative: each
    term is the Poisson deviance of a target under a log-rate, halved. A row with a negative target has loss nan.

    Args:
        log_predictions: Logarithms of the predicted measure, `[..., outcomes]`.
        targets: The measure, of the shape of `log_predictions`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Log-predictions that are not floats.

    Example:
        >>> print(generalized_kl_divergence(jnp.array([0.0, 0.0]), jnp.array([2.0, 1.0])).round(4))
        0.3863

    Source: Boyd and Vandenberghe, "Convex Optimization", 2004, p. 90.
    """
    term = numerics.generalized_relative_entropy
    return _divergence("generalized_kl_divergence", log_predictions, targets, axis, where, term, _NAMES, (0.0, 1.0))


@over_rows
def kl_divergence_from_probabilities(
    predictions: Floats, targets: Numbers, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The Kullback-Leibler divergence of predicted probabilities p from target probabilities t.

    `sum_k(t[k] * log(t[k] / p[k]))` with p = predictions and t = targets.

    $$\ell = \sum_k t_k \log \frac{t_k}{p_k}$$

    Probabilities in [0, 1], both ends included; an outcome of target 0 contributes 0. They are taken as they are, not
    normalised nor clipped; a row with one outside [0, 1] has loss nan. Exact also where the two nearly agree.

    Args:
        predictions: Probabilities, `[..., classes]`.
        targets: Probabilities, of the shape of the predictions.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(kl_divergence_from_probabilities(jnp.array([0.5, 0.5]), jnp.array([1.0, 0.0])).round(4))
        0.6931

    Source: Kullback and Leibler, "On Information and Sufficiency", 1951.
    """
    name = "kl_divergence_from_probabilities"
    return from_probabilities(name, predictions, targets, axis, where, numerics.kl_rows)


_NAMES = ("log_predictions", "targets")


def _divergence(
    name: str,
    predictions: Any,
    targets: Any,
    axis: Axes | None,
    where: Any,
    formula: Divergence,
    names: tuple[str, str],
    fills: tuple[float, float],
) -> Rows[Array]:
    """The sum of one term per outcome."""
    given = outcomes(name, predictions, targets, axis, where, names, fills)  # the term of two filled elements is 0
    if names is not _NAMES:
        return given.finish(formula(given.p, given.t, given.axes))
    inside = ~(jnp.min(given.t, given.axes, keepdims=True) < 0)  # a row with a negative target is nan by its logarithm
    return given.finish(divergence(name, given, formula, inside, "targets must not be negative"))


@class_form
class KLDivergence(Loss):
    """Kullback-Leibler divergence from log-probabilities: the class form of `kl_divergence`."""

    fn = staticmethod(kl_divergence)
    axis: Axes | None = -1


@class_form
class KLDivergenceWithLogTargets(Loss):
    """Kullback-Leibler divergence of log-probabilities: the class form of `kl_divergence_with_log_targets`."""

    fn = staticmethod(kl_divergence_with_log_targets)
    axis: Axes | None = -1


@class_form
class GeneralizedKLDivergence(Loss):
    """Generalized Kullback-Leibler divergence: the class form of `generalized_kl_divergence`."""

    fn = staticmethod(generalized_kl_divergence)
    axis: Axes | None = -1


@class_form
class KLDivergenceFromProbabilities(Loss):
    """Kullback-Leibler divergence of probabilities: the class form of `kl_divergence_from_probabilities`."""

    fn = staticmethod(kl_divergence_from_probabilities)
    axis: Axes | None = -1


__all__ = [
    "GeneralizedKLDivergence",
    "KLDivergence",
    "KLDivergenceFromProbabilities",
    "KLDivergenceWithLogTargets",
    "generalized_kl_divergence",
    "kl_divergence",
    "kl_divergence_from_probabilities",
    "kl_divergence_with_log_targets",
]
