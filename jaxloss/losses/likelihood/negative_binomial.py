r"""The negative log-likelihoods of counts whose variance exceeds their mean, under negative binomial laws."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import finite_from_0
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import option
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.likelihood._concentrations import above_0, concentrations


def negative_binomial_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    concentration: Numbers | None = None,
    log_concentration: Numbers | None = None,
    offset: Numbers | None = None,
    log_input: bool = True,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of counts k under negative binomial laws of mean m and variance `m + m**2 / r`.

    `lgamma(r) + log_factorial(k) - lgamma(k + r) - r * log(r / (r + m)) - k * log(m / (r + m))` with r = concentration
    and m = exp(predictions + offset), or m = predictions * exp(offset) if `log_input=False`.

    $$\ell = \log \Gamma(r) + \log k! - \log \Gamma(k + r) - r \log \frac{r}{r + m} - k \log \frac{m}{r + m}$$

    with $m = e^{x + o}$ for a log-mean x and an offset o, or m the mean times $e^o$. Any real log-mean, minus infinity
    included; means and counts from 0, both ends included: a count of 0 at a mean of 0 has loss 0, any other an infinite
    one. Fractional counts are taken by the gamma function. A negative mean or count, and a concentration r of 0 or less
    or infinity, have loss nan.

    The concentration is one over what many call the dispersion alpha: as r grows, the law becomes Poisson's. In
    float32 the value is free of cancellation for r from 1e-4 to 1e10 and counts to 1e8.

    Args:
        predictions: Log-means, or means with `log_input=False`; any shape.
        targets: Counts, of the shape of `predictions`.
        concentration: The concentrations r, above 0: of the shape of `predictions`, with length 1 on axes where they
            do not vary, or a scalar. Give either them or their logarithms.
        log_concentration: The logarithms of the concentrations, from -40 to 40; their shape is as that of those.
        offset: The logarithm of the exposure, which is added to the log-mean; a scalar, or as the concentration.
        log_input: Whether the predictions are the logarithms of the means.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ, or not exactly one of `concentration` and `log_concentration`.
        TypeError: Predictions that are not floats.

    Example:
        >>> losses = negative_binomial_nll(jnp.array([0.0, 1.0]), jnp.array([0.0, 4.0]), concentration=2.0)
        >>> print(f"{losses[0]:.4f} {losses[1]:.4f}")
        0.8109 2.3129

    Source: Lawless, "Negative binomial and mixed Poisson regression", 1987; Loader, "Fast and accurate computation of
    binomial probabilities", 2000, for the form without cancellation.
    """
    name = "negative_binomial_nll"
    option(name, "log_input", log_input)
    at_least_0 = lambda m: m >= 0  # noqa: E731
    means = Given(
        "predictions", predictions, 1.0, None if log_input else at_least_0, "predictions must be means of at least 0"
    )
    further = [
        Given("targets", targets, 1.0, finite_from_0, "targets must be counts of at least 0"),
        concentrations(name, concentration, log_concentration),
    ]
    if offset is not None:
        further.append(Given("offset", offset, 0.0, broadcasts=True))
    elements = elementwise(name, where, means, *further)
    x, k, r, *exposure = elements.arrays
    r = r if log_concentration is None else jnp.exp(r)
    if log_input:
        x = x + exposure[0] if exposure else x
        return elements.finish(numerics.negative_binomial_log_mean(x, k, r))
    if exposure:
        return elements.finish(numerics.negative_binomial_exposed(x, exposure[0], k, r))
    return elements.finish(numerics.negative_binomial_mean(x, k, r))


def negative_binomial_nll_from_logits(
    logits: Floats, targets: Numbers, *, total_count: Numbers, where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of k successes before the last of r failures, from the log-odds x of a success.

    `lgamma(r) + log_factorial(k) - lgamma(k + r) - r * log(sigmoid(-x)) - k * log(sigmoid(x))` with x = logits,
    k = targets and r = total_count.

    $$\ell = \log \Gamma(r) + \log k! - \log \Gamma(k + r) - r \log \sigma(-x) - k \log \sigma(x)$$

    with the logistic function $\sigma$; the mean is $r e^x$ and the variance $r e^x (1 + e^x)$. It is the law of
    `NegativeBinomial(total_count, logits=)` of PyTorch, and of `scipy.stats.nbinom` of r and $\sigma(-x)$. Any real
    log-odds, both infinities included: what is then certain has loss 0, anything else an infinite one. Counts from 0,
    fractional ones by the gamma function; r above 0, need not be an integer. Elsewhere the loss is nan.

    Args:
        logits: Log-odds; any shape.
        targets: Counts of successes, of the shape of `logits`.
        total_count: The number r of failures: of the shape of `logits`, with length 1 on axes where it does not vary,
            or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> losses = negative_binomial_nll_from_logits(jnp.array([0.0, 0.0]), jnp.array([0.0, 2.0]), total_count=1.0)
        >>> print(losses.round(4))
        [0.6931 2.0794]

    Source: as `negative_binomial_nll`.
    """
    name = "negative_binomial_nll_from_logits"
    elements = elementwise(
        name,
        where,
        Given("logits", logits, 0.0),
        Given("targets", targets, 1.0, finite_from_0, "targets must be counts of at least 0"),
        above_0("total_count", total_count),
    )
    return elements.finish(numerics.negative_binomial_from_logits(*elements.arrays))


@class_form
class NegativeBinomialNLL(Loss):
    """Negative binomial negative log-likelihood: the class form of `negative_binomial_nll`."""

    fn = staticmethod(negative_binomial_nll)
    log_input: bool = True


@class_form
class NegativeBinomialNLLFromLogits(Loss):
    """Negative binomial negative log-likelihood: the class form of `negative_binomial_nll_from_logits`."""

    fn = staticmethod(negative_binomial_nll_from_logits)


__all__ = [
    "NegativeBinomialNLL",
    "NegativeBinomialNLLFromLogits",
    "negative_binomial_nll",
    "negative_binomial_nll_from_logits",
]
