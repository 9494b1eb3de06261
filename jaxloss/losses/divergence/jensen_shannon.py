r"""The Jensen-Shannon divergence: symmetric, bounded, and finite for any two distributions."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._masks import masked
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss.losses._outcomes import from_probabilities, outcomes


@over_rows
def js_divergence(
    predictions: Floats, targets: Numbers, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The Jensen-Shannon divergence between predicted probabilities p and target probabilities t.

    `sum_k(p[k] * log(p[k] / m[k]) + t[k] * log(t[k] / m[k])) / 2` with p = predictions, t = targets and
    `m = (p + t) / 2`.

    $$\ell = \tfrac12 \sum_k \left(p_k \log \frac{p_k}{m_k} + t_k \log \frac{t_k}{m_k}\right), \quad m = (p + t) / 2$$

    From 0 to log 2, and symmetric. Probabilities in [0, 1], both ends included; a row with one outside has loss nan.

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
        >>> print(js_divergence(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])).round(4))
        0.6931

    Source: Lin, "Divergence measures based on the Shannon entropy", 1991.
    """
    rows = lambda p, t, axes: jnp.sum(numerics.js_term(p, t), axes)  # noqa: E731
    return from_probabilities("js_divergence", predictions, targets, axis, where, rows)


@over_rows
def js_divergence_from_logits(
    logits: Floats, target_logits: Floats, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The Jensen-Shannon divergence between the softmaxes of two arrays of logits, as for distillation.

    `sum_k(p[k] * log(p[k] / m[k]) + t[k] * log(t[k] / m[k])) / 2` with p = softmax(logits), t = softmax(target_logits)
    and `m = (p + t) / 2`.

    $$\ell = \tfrac12 \sum_k \left(p_k \log \frac{p_k}{m_k} + t_k \log \frac{t_k}{m_k}\right), \quad m = (p + t) / 2$$

    with p and t the softmaxes. Any logits, minus infinity included. From 0 to log 2, and symmetric.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        target_logits: Unnormalised log-probabilities of the target, of the shape of `logits`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Logits that are not floats.

    Example:
        >>> print(js_divergence_from_logits(jnp.array([50.0, 0.0]), jnp.array([0.0, 50.0])).round(4))
        0.6931

    Source: Lin, "Divergence measures based on the Shannon entropy", 1991.
    """
    name = "js_divergence_from_logits"
    # Outcomes that are left out have probability 0; rows that are left out are rows of zeros.
    names, least = ("logits", "target_logits"), -jnp.inf
    given = outcomes(name, logits, target_logits, axis, where, names, (least, least), row_fill=0.0)
    log_p, log_t = (numerics.log_softmax(x, given.axes) for x in (given.p, given.t))
    terms = masked(numerics.js_log_term(log_p, log_t), given.kept)
    return given.finish(jnp.sum(terms, given.axes))


@class_form
class JSDivergence(Loss):
    """Jensen-Shannon divergence of probabilities: the class form of `js_divergence`."""

    fn = staticmethod(js_divergence)
    axis: Axes | None = -1


@class_form
class JSDivergenceFromLogits(Loss):
    """Jensen-Shannon divergence of softmaxes: the class form of `js_divergence_from_logits`."""

    fn = staticmethod(js_divergence_from_logits)
    axis: Axes | None = -1


__all__ = ["JSDivergence", "JSDivergenceFromLogits", "js_divergence", "js_divergence_from_logits"]
