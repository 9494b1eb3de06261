r"""The negative log-likelihood of counts over classes."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import finite_from_0
from jaxloss._loss import Loss
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss.losses._outcomes import divergence, outcomes


@over_rows
def multinomial_nll(
    logits: Floats, targets: Numbers, *, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The negative log-likelihood of counts over classes, of as many trials as they sum to, from logits.

    `sum_k(log_factorial(t_k)) - log_factorial(n) + sum_k(t_k * (log(sum_j(exp(x_j))) - x_k))` with x = logits,
    t = targets and n = sum_k(t_k).

    $$\ell = \sum_k \log t_k! - \log n! + \sum_k t_k \left(\log \sum_j e^{x_j} - x_k\right), \quad n = \sum_k t_k$$

    Any logits, minus infinity included: a class of count 0 contributes 0 there, any other has an infinite loss. Counts
    from 0, fractional ones by the gamma function; a row with a negative one has loss nan. Without the factorials, which
    no parameter affects, it is `softmax_cross_entropy` of the counts.

    Args:
        logits: Unnormalised log-probabilities, `[..., classes]`.
        targets: Counts, of the shape of `logits`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats: the shape of `logits` without `axis`.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Logits that are not floats.

    Example:
        >>> print(multinomial_nll(jnp.zeros((1, 3)), jnp.array([[2.0, 1.0, 0.0]])).round(4))
        [2.1972]

    Source: McCullagh and Nelder, "Generalized Linear Models", 1989, section 5.3.
    """
    name = "multinomial_nll"
    given = outcomes(name, logits, targets, axis, where, ("logits", "targets"), (-jnp.inf, 0.0), 0.0)
    inside = jnp.all(finite_from_0(given.t), given.axes, keepdims=True)
    rule = "targets must be counts of at least 0"
    return given.finish(divergence(name, given, numerics.multinomial_nll, inside, rule))


@class_form
class MultinomialNLL(Loss):
    """Multinomial negative log-likelihood: the class form of `multinomial_nll`."""

    fn = staticmethod(multinomial_nll)
    axis: Axes | None = -1


__all__ = ["MultinomialNLL", "multinomial_nll"]
