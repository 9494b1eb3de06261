r"""Unit deviances: twice how much less likely a target is than under the law that suits it best."""

from __future__ import annotations

import math

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import number, option
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar
from jaxloss.losses.likelihood._concentrations import above_0


def tweedie_deviance(
    predictions: Floats, targets: Numbers, *, power: Scalar = 1.5, log_input: bool = True, where: Mask | None = None
) -> Array:
    r"""The unit deviance of targets t under Tweedie's laws, of mean mu and variance `mu**p` times a dispersion.

    `2 * (max(t, 0)**(2 - p) / ((1 - p) * (2 - p)) - t * mu**(1 - p) / (1 - p) + mu**(2 - p) / (2 - p))` with p = power
    and mu = exp(predictions), or mu = predictions if `log_input=False`; it is `(t - mu)**2` at p = 0.

    $$\ell = 2 \left(\frac{\max(t, 0)^{2 - p}}{(1 - p)(2 - p)} - \frac{t \mu^{1 - p}}{1 - p} +
    \frac{\mu^{2 - p}}{2 - p}\right)$$

    with $\mu = e^x$ for a log-mean x. It is 0 where they agree, and never negative. A power p of 0 is the squared
    error, 1 the Poisson deviance, 2 that of the gamma law, 3 that of the inverse Gaussian law; between 1 and 2 the law
    has zeros and positive numbers. The loss is continuous in p there, and may be differentiated in it: near 1 and 2,
    where the terms are infinite, nothing cancels.

    Targets may be any real number for $p \le 0$, from 0 for $1 \le p < 2$, and above 0 for $p \ge 2$. Means are from 0,
    and any real number for p = 0. Elsewhere, and for powers between 0 and 1, to which no law belongs, the loss is nan.
    At a target of 0 the slope in it, for $p \ge 1$, is that at the smallest normal number.

    Args:
        predictions: Log-means, or means with `log_input=False`; any shape.
        targets: The shape of `predictions`.
        power: The power p of the mean that the variance grows with: at most 0, or at least 1. It may be traced.
        log_input: Whether the predictions are log-means.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ, a power between 0 and 1.
        TypeError: Predictions that are not floats.

    Example:
        >>> means, targets = jnp.array([3.0, 3.0]), jnp.array([3.0, 0.0])
        >>> print(tweedie_deviance(means, targets, power=1.5, log_input=False).round(4))
        [0.     6.9282]

    Source: Jorgensen, "Exponential dispersion models", 1987.
    """
    name = "tweedie_deviance"
    option(name, "log_input", log_input)
    of = lambda a: number(name, "power", power, a.dtype)  # noqa: E731

    def mean_inside(m: Array) -> Array:
        return (m >= 0) | (of(m) == 0)

    def target_inside(t: Array) -> Array:
        p = of(t)
        return (abs(t) < math.inf) & ((p <= 0) | ((p >= 1) & (t >= 0) & ((p < 2) | (t > 0))))

    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, None if log_input else mean_inside, "predictions must be at least 0"),
        Given("targets", targets, 1.0, target_inside, "power and targets must be those of a Tweedie law"),
    )
    x, t = elements.arrays
    return elements.finish(2 * numerics.half_tweedie(log_input, x, t, elements.option(of(x))))


def gamma_deviance(
    predictions: Floats, targets: Numbers, *, log_input: bool = True, where: Mask | None = None
) -> Array:
    r"""The unit deviance of targets t under gamma laws of mean mu: 0 where they agree, and never negative.

    `2 * (log(mu / t) + t / mu - 1)` with mu = exp(predictions), or mu = predictions if `log_input=False`.

    $$\ell = 2 \left(\log \frac{\mu}{t} + \frac{t}{\mu} - 1\right)$$

    with $\mu = e^x$ for a log-mean x. It depends on the ratio alone. Any real log-mean, means from 0, where the loss is
    infinite; targets above 0. Elsewhere the loss is nan.

    Args:
        predictions: Log-means, or means with `log_input=False`; any shape.
        targets: The shape of `predictions`.
        log_input: Whether the predictions are log-means.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(gamma_deviance(jnp.array([3.0, 6.0]), jnp.array([3.0, 3.0]), log_input=False).round(4))
        [0.     0.3863]

    Source: McCullagh and Nelder, "Generalized Linear Models", 1989, section 2.3.
    """
    name = "gamma_deviance"
    option(name, "log_input", log_input)
    means = None if log_input else lambda m: m >= 0
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, means, "predictions must be means of at least 0"),
        Given("targets", targets, 1.0, lambda t: t > 0, "targets must be above 0"),
    )
    half = numerics.half_gamma_log_mean if log_input else numerics.half_gamma_mean
    return elements.finish(2 * half(*elements.arrays))


def binomial_deviance(
    logits: Floats, targets: Numbers, *, total_count: Numbers = 1, where: Mask | None = None
) -> Array:
    r"""The unit deviance of y successes among n trials under a binomial law, from the logit x of a success.

    `2 * (y * log(y / (n * sigmoid(x))) + (n - y) * log((n - y) / (n * sigmoid(-x))))` with x = logits, y = targets and
    n = total_count.

    $$\ell = 2 \left(y \log \frac{y}{n \sigma(x)} + (n - y) \log \frac{n - y}{n \sigma(-x)}\right)$$

    with $\sigma(x) = 1 / (1 + e^{-x})$ and $0 \log 0 = 0$. It is 0 at the logit $\log(y / (n - y))$, and never
    negative. Any real logit, both infinities included; $n > 0$ and y from 0 to n, fractional numbers too. Elsewhere
    the loss is nan. For one trial it is twice the cross-entropy of a label. At y = 0 and y = n the slopes in y and n
    are those at the smallest normal number from there.

    Args:
        logits: Log-odds of a success; any shape.
        targets: Numbers of successes, of the shape of `logits`.
        total_count: The numbers of trials: of the shape of `logits`, with length 1 on axes where they do not vary, or a
            scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> print(binomial_deviance(jnp.array([0.0, 0.0]), jnp.array([5, 2]), total_count=10).round(4))
        [0.     3.8549]

    Source: McCullagh and Nelder, "Generalized Linear Models", 1989, section 4.4.
    """
    name, rule = "binomial_deviance", "targets must be numbers of successes from 0 to total_count"
    elements = elementwise(
        name,
        where,
        Given("logits", logits, 0.0),
        Given("targets", targets, 0.0, lambda y: y >= 0, rule),
        above_0("total_count", total_count),
    )
    elements = elements.within(name, (elements.arrays[1] <= elements.arrays[2], rule))
    return elements.finish(2 * numerics.half_binomial_deviance(*elements.arrays))


@class_form
class TweedieDeviance(Loss):
    """Tweedie deviance: the class form of `tweedie_deviance`."""

    fn = staticmethod(tweedie_deviance)
    power: Scalar = 1.5
    log_input: bool = True


@class_form
class GammaDeviance(Loss):
    """Gamma deviance: the class form of `gamma_deviance`."""

    fn = staticmethod(gamma_deviance)
    log_input: bool = True


@class_form
class BinomialDeviance(Loss):
    """Binomial deviance: the class form of `binomial_deviance`."""

    fn = staticmethod(binomial_deviance)


__all__ = [
    "BinomialDeviance",
    "GammaDeviance",
    "TweedieDeviance",
    "binomial_deviance",
    "gamma_deviance",
    "tweedie_deviance",
]
