"""The negative log-likelihood of lifetimes that follow an exponential law: the hazard is constant."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given
from jaxloss._loss import Loss
from jaxloss._options import option
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.survival._lifetimes import Lifetimes, Observed, Pieces, lifetime_nll, lifetimes


def exponential_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    censored: Numbers | None = None,
    left_censored: Numbers | None = None,
    upper: Numbers | None = None,
    entry: Numbers | None = None,
    log_input: bool = True,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of lifetimes t under exponential laws of scale lambda, which is the mean.

    `t / lambda + log(lambda)`, and `t / lambda` where the target t is right-censored, with lambda = exp(predictions),
    or lambda = predictions if `log_input=False`.

    $$\ell = -\log f(t) = \frac{t}{\lambda} + \log \lambda, \qquad S(t) = e^{-t / \lambda}$$

    f is the density and S the probability of survival beyond a time. A right-censored target has the loss
    $-\log S(t)$, a left-censored one $-\log (1 - S(t))$, and an event between the target and `upper` has
    $-\log (S(t) - S(u))$. With an entry a, f and S are those after survival to it, divided by $S(a)$, and a
    left-censored event lies between entry and target. Every one is computed without cancellation.

    Any real logarithm of a scale; scales above 0. Finite targets from 0, for events too.

    Args:
        predictions: Logarithms of the scale, or scales with `log_input=False`; any shape.
        targets: Times, of the shape of `predictions`; the lower bounds where `upper` is given.
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
        >>> x, t = jnp.array([0.0, 0.0]), jnp.array([2.0, 2.0])
        >>> print(exponential_nll(x, t, censored=jnp.array([False, True]), entry=jnp.array([0.0, 0.5])))
        [2.  1.5]

    Source: Kalbfleisch and Prentice, "The Statistical Analysis of Failure Time Data", 2002, sections 2.2 and 3.2.
    """
    name = "exponential_nll"
    option(name, "log_input", log_input)
    inside = None if log_input else lambda s: (s > 0) & (s < jnp.inf)
    scales = Given("predictions", predictions, 0.0 if log_input else 1.0, inside, "predictions must be scales above 0")
    observed = Observed(targets, upper, censored, left_censored, entry)
    elements = lifetimes(name, scales, observed, where, positive=False)
    return lifetime_nll(elements, observed, _pieces, log_input)


def _pieces(lives: Lifetimes, log_input: bool) -> Pieces:
    """Nothing but the time since the entry counts, and for an interval its length."""
    density = numerics.exponential_event if log_input else numerics.exponential_event_by_scale
    survived = numerics.exponential_survival if log_input else numerics.exponential_survival_by_scale
    standard = numerics.standardized if log_input else numerics.standardized_by_scale
    t, entry = lives.targets, lives.entry

    def scale(asked: Array | None) -> Array:
        return numerics.keep(asked, lives.predictions, 0.0 if log_input else 1.0)

    def elapsed(asked: Array | None, start: Array | None, end: Array) -> Array:
        return numerics.keep(asked, end if start is None else end - start, 1.0)

    def within(asked: Array | None) -> Array:
        apart = elapsed(asked, entry, t) if lives.upper is None else elapsed(asked, t, lives.upper)
        return numerics.weibull_before(standard(scale(asked), apart, jnp.ones_like(apart)))

    return Pieces(
        lambda asked: density(scale(asked), elapsed(asked, entry, t)),
        lambda asked: survived(scale(asked), elapsed(asked, entry, t)),
        within,
    )


@class_form
class ExponentialNLL(Loss):
    """Exponential negative log-likelihood: the class form of `exponential_nll`."""

    fn = staticmethod(exponential_nll)
    log_input: bool = True


__all__ = ["ExponentialNLL", "exponential_nll"]
