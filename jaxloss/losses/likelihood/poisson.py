r"""Losses of counts that follow a Poisson law: the negative log-likelihood and the deviance."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import checked_only, finite_from_0
from jaxloss._elements import Elements, Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import is_zero, number, option
from jaxloss._types import Array, Constant, Floats, Mask, Numbers, Scalar


def poisson_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    log_input: bool = True,
    full: Constant = False,
    eps: Scalar = 0.0,
    offset: Numbers | None = None,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of counts k under Poisson laws of rate r, from the log-rate x or the rate itself.

    `exp(x) - k * x` with x = predictions and k = targets, or `r - k * log(r + eps)` with r = predictions if
    `log_input=False`; `full="exact"` adds `log_factorial(k)`.

    $$\ell = e^x - k x \;[+ \log k!] \qquad \text{or} \qquad \ell = r - k \log (r + \varepsilon) \;[+ \log k!]$$

    Any real log-rate, minus infinity included; rates and counts from 0, both ends included: a count of 0 at a rate of 0
    has loss 0, any other an infinite one. A rate below 0 has loss nan. Without the constant, a negative count has the
    value that the formula gives it; with it, nan. Fractional counts are taken by the gamma function.

    An offset o is the logarithm of the exposure, such as the time or the area in which the events were counted: the law
    of a count has the rate $e^{x + o}$, or $r e^o$. An offset of minus infinity is an exposure of 0.

    With `full="exact"` the result is the true likelihood, free of cancellation for counts from 0 to 1e8: in float32 the
    textbook form with log-gamma is off by more than 10 at a count of 1e7.

    Args:
        predictions: Log-rates, or rates with `log_input=False`; any shape.
        targets: Counts, of the shape of `predictions`.
        log_input: Whether the predictions are log-rates.
        full: The constant $\log k!$: `False` leaves it out, `"exact"` or `True` adds it, and `"stirling"` adds
            Stirling's formula where the count is above 1, which is what torch's `full=True` does.
        eps: Added to the rate under the logarithm, with `log_input=False`; at least 0. With eps above 0 the slope at a
            rate of 0 is finite, and the loss is another function near 0.
        offset: The logarithms of the exposures: of the shape of `predictions`, with length 1 on axes where they do not
            vary, or a scalar; 0 if left out.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ, an unknown `full`, a negative `eps`.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(poisson_nll(jnp.array([0.0, 1.0]), jnp.array([1, 2])).round(4))
        [1.     0.7183]
        >>> print(poisson_nll(jnp.array([1.0, 1e7]), jnp.array([1.0, 1e7]), log_input=False, full="exact").round(4))
        [1.    8.978]

    Source: Loader, "Fast and accurate computation of binomial probabilities", 2000 (the saddle-point form).
    """
    name = "poisson_nll"
    option(name, "full", full)
    option(name, "log_input", log_input)
    # A rate of 0 times an infinite exposure is no number.
    bounded = None if log_input else lambda o: o < jnp.inf
    rule = "offset must be below infinity where predictions are rates"
    exposure = () if offset is None else (Given("offset", offset, 0.0, bounded, rule, broadcasts=True),)
    elements = _counted(name, predictions, targets, where, *exposure, log_input=log_input, countable=bool(full))
    x, k, *o = elements.arrays
    least, exact = elements.option(number(name, "eps", eps, x.dtype)), full in (True, "exact")
    if log_input:
        log_rate = x + o[0] if o else x
        losses = numerics.poisson_exact_log_rate(log_rate, k) if exact else numerics.poisson_log_rate(log_rate, k)
    elif not is_zero(eps):
        losses = numerics.poisson_above(exact, x, o[0], k, least) if o else _above(x, k, least, exact)
    elif o:
        nll = numerics.poisson_exact_exposed_rate if exact else numerics.poisson_exposed_rate
        losses = nll(x, o[0], k)
    else:
        losses = numerics.poisson_exact_rate(x, k) if exact else numerics.poisson_rate(x, k)
    if full == "stirling":
        large = jnp.maximum(k, 1)
        stirling = numerics.xlogx(large) - large + 0.5 * jnp.log(2 * jnp.pi * large)
        losses = losses + jnp.where(k > 1, stirling, jnp.zeros_like(k))
    return elements.finish(checked_only(name, losses, lambda: k >= 0, _COUNTS))


def _above(rate: Array, k: Array, least: Array, exact: bool) -> Array:
    """The loss with eps added to the rate under the logarithm."""
    # At an infinite rate the loss is infinite, not the difference of two infinities.
    infinite = rate == jnp.inf
    shifted = jnp.where(infinite, jnp.ones_like(rate), rate) + least
    losses = numerics.poisson_exact_rate(shifted, k) - least if exact else rate - numerics.xlogy(k, shifted)
    return jnp.where(infinite, rate, losses)


def poisson_deviance(
    predictions: Floats, targets: Numbers, *, log_input: bool = True, where: Mask | None = None
) -> Array:
    r"""The unit deviance of counts k under Poisson laws of rate r: 0 where they agree, and never negative.

    `2 * (k * log(k / r) - (k - r))` with r = exp(predictions), or r = predictions if `log_input=False`.

    $$\ell = 2 \left(k \log \frac{k}{r} - (k - r)\right)$$

    with $r = e^x$ for a log-rate x. It is twice the difference between the negative log-likelihood and its minimum.
    Any real log-rate; rates and counts from 0, both ends included, with $0 \log 0 = 0$; a negative rate or count has
    loss nan.

    Args:
        predictions: Log-rates, or rates with `log_input=False`; any shape.
        targets: Counts, of the shape of `predictions`.
        log_input: Whether the predictions are log-rates.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(poisson_deviance(jnp.array([3.0, 3.0]), jnp.array([3, 0]), log_input=False))
        [0. 6.]

    Source: McCullagh and Nelder, "Generalized Linear Models", 1989, section 2.3.
    """
    name = "poisson_deviance"
    option(name, "log_input", log_input)
    elements = _counted(name, predictions, targets, where, log_input=log_input, countable=True)
    x, k = elements.arrays
    half = numerics.half_deviance_log_rate(x, k) if log_input else numerics.half_deviance_rate(x, k)
    return elements.finish(2 * half)


_COUNTS = "targets must be counts of at least 0"


def _counted(
    name: str,
    predictions: Floats,
    targets: Numbers,
    where: Mask | None,
    *others: Given,
    log_input: bool,
    countable: bool,
) -> Elements:
    """Predictions, counts and others: rates have a domain, and so have counts if they must be at least 0."""
    inside = lambda r: r >= 0  # noqa: E731
    rates = Given(
        "predictions", predictions, 1.0, None if log_input else inside, "predictions must be rates of at least 0"
    )
    counts = Given("targets", targets, 1.0, finite_from_0 if countable else None, _COUNTS)
    return elementwise(name, where, rates, counts, *others)


@class_form
class PoissonNLL(Loss):
    """Poisson negative log-likelihood: the class form of `poisson_nll`."""

    fn = staticmethod(poisson_nll)
    log_input: bool = True
    full: Constant = False
    eps: Scalar = 0.0


@class_form
class PoissonDeviance(Loss):
    """Poisson deviance: the class form of `poisson_deviance`."""

    fn = staticmethod(poisson_deviance)
    log_input: bool = True


__all__ = ["PoissonDeviance", "PoissonNLL", "poisson_deviance", "poisson_nll"]
