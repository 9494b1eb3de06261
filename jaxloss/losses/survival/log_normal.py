"""The negative log-likelihood of lifetimes whose logarithm follows a Gaussian law."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.survival._lifetimes import Law, Observed, location_nll

_LAW = Law(
    numerics.gaussian_event,
    numerics.gaussian_survival,
    numerics.gaussian_before,
    numerics.gaussian_event_since,
    numerics.gaussian_since,
    numerics.gaussian_within,
)


def log_normal_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    scale: Numbers,
    censored: Numbers | None = None,
    left_censored: Numbers | None = None,
    upper: Numbers | None = None,
    entry: Numbers | None = None,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of lifetimes t of Gaussian logarithms, of mean x and standard deviation s.

    `z**2 / 2 + log(s * t) + log(2 * pi) / 2`, and `-log(1 - Phi(z))` where t is right-censored, with
    z = (log(t) - x) / s and Phi the distribution function of the standard normal law.

    $$\ell = -\log f(t) = \frac{z^2}{2} + \log (s t) + \frac12 \log 2 \pi, \qquad S(t) = 1 - \Phi(z)$$

    with $z = (\log t - x) / s$.

    f is the density and S the probability of survival beyond a time. A right-censored target has the loss
    $-\log S(t)$, a left-censored one $-\log (1 - S(t))$, and an event between the target and `upper` has
    $-\log (S(t) - S(u))$. With an entry a, f and S are those after survival to it, divided by $S(a)$, and a
    left-censored event lies between entry and target. Every one is computed without cancellation.

    Any real location; scales above 0. Finite targets above 0, and from 0 where they are right-censored or the lower of
    two bounds. The slope in an entry of 0 is 0.

    Args:
        predictions: The location of the logarithm of the lifetime; any shape.
        targets: Times, of the shape of `predictions`; the lower bounds where `upper` is given.
        scale: The standard deviation s of the logarithm, above 0: of the shape of `predictions`, with length 1 on axes
            where it does not vary, or a scalar.
        censored: True or 1 where the event is only known to lie beyond the target (right-censored).
        left_censored: True or 1 where the event is only known to lie before the target.
        upper: Upper bounds of the events, of the shape of `predictions`: the target itself for an event at it, infinity
            for one beyond it, and above a target of 0 for one before the bound. It excludes the two flags.
        entry: Times to which survival is a condition of the likelihood, below the targets; 0 is none (left truncation).
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; that of an event may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ, or flags beside `upper`.
        TypeError: Predictions that are not floats.

    Example:
        >>> x, t, flags = jnp.zeros(2), jnp.array([2.0, 2.0]), jnp.array([False, True])
        >>> losses = log_normal_nll(x, t, scale=0.5, censored=flags)
        >>> print(*(f"{loss:.4f}" for loss in losses))
        1.8798 2.4910

    Source: Kalbfleisch and Prentice, "The Statistical Analysis of Failure Time Data", 2002, sections 2.2 and 3.2.
    """
    observed = Observed(targets, upper, censored, left_censored, entry)
    return location_nll("log_normal_nll", _LAW, predictions, scale, observed, where)


@class_form
class LogNormalNLL(Loss):
    """Log-normal negative log-likelihood: the class form of `log_normal_nll`."""

    fn = staticmethod(log_normal_nll)


__all__ = ["LogNormalNLL", "log_normal_nll"]
