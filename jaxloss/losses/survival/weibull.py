"""The negative log-likelihood of lifetimes that follow a Weibull law: the hazard is a power of time."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given
from jaxloss._loss import Loss
from jaxloss._options import option
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.survival._lifetimes import (
    Law,
    Lifetimes,
    Observed,
    Pieces,
    Standard,
    lifetime_nll,
    lifetimes,
    standard_pieces,
)

_LAW = Law(
    numerics.weibull_event,
    numerics.weibull_survival,
    numerics.weibull_before,
    numerics.weibull_event_since,
    numerics.weibull_since,
    numerics.weibull_within,
)


def weibull_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    concentration: Numbers,
    censored: Numbers | None = None,
    left_censored: Numbers | None = None,
    upper: Numbers | None = None,
    entry: Numbers | None = None,
    log_input: bool = True,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of lifetimes t under Weibull laws of scale lambda and concentration k.

    `(t / lambda)**k - k * log(t / lambda) + log(t / k)`, and `(t / lambda)**k` where t is right-censored, with
    k = concentration and lambda = exp(predictions), or lambda = predictions if `log_input=False`.

    $$\ell = -\log f(t) = (t / \lambda)^k - k \log (t / \lambda) + \log (t / k), \qquad S(t) = e^{-(t / \lambda)^k}$$

    f is the density and S the probability of survival beyond a time. A right-censored target has the loss
    $-\log S(t)$, a left-censored one $-\log (1 - S(t))$, and an event between the target and `upper` has
    $-\log (S(t) - S(u))$. With an entry a, f and S are those after survival to it, divided by $S(a)$, and a
    left-censored event lies between entry and target. Every one is computed without cancellation.

    Any real logarithm of a scale; scales and concentrations above 0. Finite targets above 0, and from 0 where they are
    right-censored or the lower of two bounds. The slope in an entry of 0 is 0.

    Args:
        predictions: Logarithms of the scale, or scales with `log_input=False`; any shape.
        targets: Times, of the shape of `predictions`; the lower bounds where `upper` is given.
        concentration: The shape k, above 0: below 1 the hazard falls with time, above 1 it rises. Of the shape of
            `predictions`, with length 1 on axes where it does not vary, or a scalar.
        censored: True or 1 where the event is only known to lie beyond the target (right-censored).
        left_censored: True or 1 where the event is only known to lie before the target.
        upper: Upper bounds of the events, of the shape of `predictions`: the target itself for an event at it, infinity
            for one beyond it, and above a target of 0 for one before the bound. It excludes the two flags.
        entry: Times to which survival is a condition of the likelihood, below the targets; 0 is none (left truncation).
        log_input: Whether the predictions are logarithms of the scale.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; that of an event may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ, or flags beside `upper`.
        TypeError: Predictions that are not floats.

    Example:
        >>> x, t, flags = jnp.zeros(3), jnp.array([2.0, 2.0, 2.0]), jnp.array([0, 1, 0])
        >>> losses = weibull_nll(x, t, concentration=2.0, censored=flags, entry=jnp.array([0.0, 0.0, 1.0]))
        >>> print(*(f"{loss:.4f}" for loss in losses))
        2.6137 4.0000 1.6137

    Source: Kalbfleisch and Prentice, "The Statistical Analysis of Failure Time Data", 2002, sections 2.2 and 3.2.
    """
    name = "weibull_nll"
    option(name, "log_input", log_input)
    inside = lambda s: (s > 0) & (s < jnp.inf)  # noqa: E731
    rule = "predictions must be scales above 0"
    scales = Given("predictions", predictions, 0.0 if log_input else 1.0, None if log_input else inside, rule)
    shape = Given("concentration", concentration, 1.0, inside, "concentration must be above 0", broadcasts=True)
    observed = Observed(targets, upper, censored, left_censored, entry)
    elements = lifetimes(name, scales, observed, where, shape, positive=True)
    return lifetime_nll(elements, observed, _pieces, log_input, long=not log_input)


def _pieces(lives: Lifetimes, log_input: bool) -> Pieces:
    x, (k,) = lives.predictions, lives.parameters
    standardized = numerics.standardized if log_input else numerics.standardized_by_scale
    return standard_pieces(_LAW, Standard(lambda t: standardized(x, t, k), k, jnp.log(k)), lives)


@class_form
class WeibullNLL(Loss):
    """Weibull negative log-likelihood: the class form of `weibull_nll`."""

    fn = staticmethod(weibull_nll)
    log_input: bool = True


__all__ = ["WeibullNLL", "weibull_nll"]
