r"""Counts with more zeros than their law has: some zeros are structural, the other counts follow the law."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import finite_from_0
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import option
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.likelihood._concentrations import concentrations


def zero_inflated_poisson_nll(
    predictions: Floats, targets: Numbers, *, gate_logits: Numbers, log_input: bool = True, where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of counts k that are structural zeros, or follow a Poisson law of rate r.

    `-log(sigmoid(g) + sigmoid(-g) * exp(-r)) if k == 0 else -log(sigmoid(-g)) + r - k * log(r) + log_factorial(k)` with
    g = gate_logits and r = exp(predictions), or r = predictions if `log_input=False`.

    $$\ell = \begin{cases} -\log \left(\sigma(g) + \sigma(-g) e^{-r}\right) & k = 0 \\
    -\log \sigma(-g) + r - k \log r + \log k! & k > 0 \end{cases}$$

    with $\sigma(g) = 1 / (1 + e^{-g})$ the probability of a structural zero, and $r = e^x$ for a log-rate x. Any real
    log-rate and gate, all infinities included; rates and counts from 0. The loss is infinite where the outcome is
    impossible. With a gate of minus infinity it is the Poisson law's. A negative rate or count has loss nan; fractional
    counts are taken by the gamma function. At a count of 0 the loss jumps, and its slope in the count is 0.

    Args:
        predictions: Log-rates of the Poisson law, or rates with `log_input=False`; any shape.
        targets: Counts, of the shape of `predictions`.
        gate_logits: Log-odds of a structural zero: of the shape of `predictions`, with length 1 on axes where they do
            not vary, or a scalar.
        log_input: Whether the predictions are log-rates.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> gates = jnp.array([0.0, -1.0])
        >>> losses = zero_inflated_poisson_nll(jnp.array([0.0, 1.0]), jnp.array([0, 2]), gate_logits=gates)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.3799 1.7247

    Source: Lambert, "Zero-inflated Poisson regression, with an application to defects in manufacturing", 1992.
    """
    name = "zero_inflated_poisson_nll"
    option(name, "log_input", log_input)
    inside = lambda a: a >= 0  # noqa: E731
    rule = "predictions must be rates of at least 0"
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, None if log_input else inside, rule),
        Given("targets", targets, 1.0, finite_from_0, "targets must be counts of at least 0"),
        Given("gate_logits", gate_logits, 0.0, broadcasts=True),
    )
    nll = numerics.zero_inflated_poisson_log_rate if log_input else numerics.zero_inflated_poisson_rate
    return elements.finish(nll(*elements.arrays))


def zero_inflated_negative_binomial_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    gate_logits: Numbers,
    concentration: Numbers | None = None,
    log_concentration: Numbers | None = None,
    log_input: bool = True,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of counts k that are structural zeros, or follow a negative binomial law.

    `-log(sigmoid(g) + sigmoid(-g) * (r / (r + m))**r) if k == 0 else -log(sigmoid(-g)) + nll` with g = gate_logits and
    nll the `negative_binomial_nll` of the count k for the mean m and the concentration r.

    $$\ell = \begin{cases} -\log \left(\sigma(g) + \sigma(-g) \left(\frac{r}{r + m}\right)^r\right) & k = 0 \\
    -\log \sigma(-g) - \log \frac{\Gamma(k + r)}{k! \, \Gamma(r)} - r \log \frac{r}{r + m}
    - k \log \frac{m}{r + m} & k > 0 \end{cases}$$

    with $\sigma(g) = 1 / (1 + e^{-g})$ the probability of a structural zero, m the mean of the law, $e^x$ for a
    log-mean x, and r its concentration: its variance is $m + m^2 / r$. Any real log-mean and gate, all infinities
    included; means and counts from 0. The loss is infinite where the outcome is impossible. A negative mean or count,
    and a concentration of 0 or less or infinity, have loss nan; fractional counts are taken by the gamma function. At a
    count of 0 the loss jumps, and its slope in the count is 0.

    Args:
        predictions: Log-means of the negative binomial law, or means with `log_input=False`; any shape.
        targets: Counts, of the shape of `predictions`.
        gate_logits: Log-odds of a structural zero: of the shape of `predictions`, with length 1 on axes where they do
            not vary, or a scalar.
        concentration: The concentrations r, above 0: as the gates. Give either them or their logarithms.
        log_concentration: The logarithms of the concentrations, from -40 to 40; as the gates.
        log_input: Whether the predictions are the logarithms of the means.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ, or not exactly one of `concentration` and `log_concentration`.
        TypeError: Predictions that are not floats.

    Example:
        >>> log_means, counts, gates = jnp.array([0.0, 1.0]), jnp.array([0, 2]), jnp.array([0.0, -1.0])
        >>> losses = zero_inflated_negative_binomial_nll(log_means, counts, gate_logits=gates, concentration=2.0)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.3254 2.0341

    Source: Greene, "Accounting for excess zeros and sample selection in Poisson and negative binomial regression
    models", 1994.
    """
    name = "zero_inflated_negative_binomial_nll"
    option(name, "log_input", log_input)
    inside = lambda a: a >= 0  # noqa: E731
    # A zero may be structural, but a mean that is nan is no loss.
    known = (lambda a: ~jnp.isnan(a)) if log_input else inside
    rule = f"predictions must be {'log-means, not nan' if log_input else 'means of at least 0'}"
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, known, rule),
        Given("targets", targets, 1.0, finite_from_0, "targets must be counts of at least 0"),
        concentrations(name, concentration, log_concentration),
        Given("gate_logits", gate_logits, 0.0, broadcasts=True),
    )
    x, k, r, g = elements.arrays
    r = r if log_concentration is None else jnp.exp(r)
    if log_input:
        return elements.finish(numerics.zero_inflated_negative_binomial_log_mean(x, k, r, g))
    return elements.finish(numerics.zero_inflated_negative_binomial_mean(x, k, r, g))


@class_form
class ZeroInflatedNegativeBinomialNLL(Loss):
    """Zero-inflated negative binomial likelihood: the class form of `zero_inflated_negative_binomial_nll`."""

    fn = staticmethod(zero_inflated_negative_binomial_nll)
    log_input: bool = True


@class_form
class ZeroInflatedPoissonNLL(Loss):
    """Zero-inflated Poisson negative log-likelihood: the class form of `zero_inflated_poisson_nll`."""

    fn = staticmethod(zero_inflated_poisson_nll)
    log_input: bool = True


__all__ = [
    "ZeroInflatedNegativeBinomialNLL",
    "ZeroInflatedPoissonNLL",
    "zero_inflated_negative_binomial_nll",
    "zero_inflated_poisson_nll",
]
