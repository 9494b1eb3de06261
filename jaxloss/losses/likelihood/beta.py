r"""The negative log-likelihood of shares, from 0 to 1, that follow a beta law."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import in_unit
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.likelihood._concentrations import above_0


def beta_nll(logits: Floats, targets: Numbers, *, concentration: Numbers, where: Mask | None = None) -> Array:
    r"""The negative log-likelihood of shares t under beta laws of mean sigmoid(x) and concentration c.

    `lgamma(alpha) + lgamma(beta) - lgamma(c) - (alpha - 1) * log(t) - (beta - 1) * log(1 - t)` with
    alpha = c * sigmoid(x), beta = c * sigmoid(-x), x = logits, t = targets and c = concentration.

    $$\ell = \log \mathrm{B}(\alpha, \beta) - (\alpha - 1) \log t - (\beta - 1) \log(1 - t), \qquad
    \alpha = c \, \sigma(x), \; \beta = c \, \sigma(-x)$$

    Any real logit; an infinite one is the law of one certain share, 0 or 1. Targets are in [0, 1], elsewhere the loss
    is nan; at 0 it is infinite if $\alpha > 1$, minus infinity if $\alpha < 1$, since the density is infinite there,
    and so at 1 with $\beta$. Move targets that are 0 or 1 inwards where that is not meant. The concentration, which is
    $\alpha + \beta$, must be above 0; for any to 1e8 no two large terms cancel.

    Args:
        logits: Log-odds x of the mean; any shape.
        targets: Shares in [0, 1], of the shape of `logits`.
        concentration: The concentration c, above 0: of the shape of `logits`, with length 1 on axes where it does not
            vary, or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> losses = beta_nll(jnp.array([0.5, 1.0]), jnp.array([0.3, 0.9]), concentration=jnp.array([2.0, 5.0]))
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.3082 -0.8430

    Source: Ferrari and Cribari-Neto, "Beta regression for modelling rates and proportions", 2004.
    """
    elements = elementwise(
        "beta_nll",
        where,
        Given("logits", logits, 0.0),
        Given("targets", targets, 0.5, in_unit, "targets must be in [0, 1]"),
        above_0("concentration", concentration),
    )
    return elements.finish(numerics.beta_nll(*elements.arrays))


@class_form
class BetaNLL(Loss):
    """Beta negative log-likelihood: the class form of `beta_nll`."""

    fn = staticmethod(beta_nll)


__all__ = ["BetaNLL", "beta_nll"]
