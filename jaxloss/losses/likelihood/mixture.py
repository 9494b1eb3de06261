r"""The negative log-likelihood of a mixture of any laws, from the losses of its components."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._masks import masked
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Mask
from jaxloss.losses._outcomes import outcomes


@over_rows
def mixture_nll(
    component_losses: Floats, weight_logits: Floats, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The negative log-likelihood under a mixture, from the negative log-likelihoods under its components.

    `-log(sum_k(pi_k * exp(-l_k)))` with l_k the component_losses and pi = softmax(weight_logits).

    $$\ell = -\log \sum_k \pi_k e^{-\ell_k}, \qquad \pi = \text{softmax}(w)$$

    The losses $\ell_k$ are those of any likelihood, with the targets broadcast along the components, and must be whole,
    with all constants. An impossible component, of loss infinity, contributes nothing, and neither does one of weight
    logit minus infinity, whatever its loss; if all components are such, the loss is infinite. The slopes in the losses
    are the responsibilities, the posterior probabilities of the components, which are 0 then, and those in the logits
    are the weights less the responsibilities.

    Args:
        component_losses: The losses $\ell_k$ in nats, `[..., components]`.
        weight_logits: The unnormalised log-weights w, of the shape of `component_losses`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per row, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ, an axis out of range.
        TypeError: Losses that are not floats.

    Example:
        >>> from jaxloss import gaussian_nll
        >>> means, targets = jnp.array([[-1.0, 2.0], [-1.0, 2.0]]), jnp.array([[2.5, 2.5], [0.5, 0.5]])
        >>> components = gaussian_nll(means, targets, variance=jnp.array([[1.0, 0.25]]), full=True)
        >>> losses = mixture_nll(components, jnp.log(jnp.array([[0.3, 0.7], [0.3, 0.7]])))
        >>> print("{:.4f} {:.4f}".format(*losses))
        1.0817 3.0998

        Counts that follow one of two negative binomial laws:

        >>> from jaxloss import negative_binomial_nll
        >>> log_means, counts = jnp.array([[0.0, 3.0]]), jnp.array([[4.0, 4.0]])
        >>> components = negative_binomial_nll(log_means, counts, concentration=2.0)
        >>> print("{:.4f}".format(*mixture_nll(components, jnp.zeros((1, 2)))))
        3.5848

    Source: McLachlan and Peel, "Finite Mixture Models", 2000.
    """
    names = "component_losses", "weight_logits"
    # A component that is left out has weight 0, and a row that is left out is a row of zeros.
    fills = jnp.inf, -jnp.inf
    given = outcomes("mixture_nll", component_losses, weight_logits, axis, where, names, fills, row_fill=0.0)
    losses = numerics.mixture_nll(given.p, given.t, given.axes)
    rows = None if given.rows is None else jnp.squeeze(given.rows, given.axes)
    return given.finish(masked(losses, rows))


@class_form
class MixtureNLL(Loss):
    """Negative log-likelihood of a mixture: the class form of `mixture_nll`."""

    fn = staticmethod(mixture_nll)
    axis: Axes | None = -1


__all__ = ["MixtureNLL", "mixture_nll"]
