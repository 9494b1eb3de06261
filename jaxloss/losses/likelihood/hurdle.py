r"""Counts whose zeros have a probability of their own, and whose positive counts follow a law without its zeros."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import option
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.likelihood._concentrations import concentrations


def hurdle_poisson_nll(
    predictions: Floats, targets: Numbers, *, gate_logits: Numbers, log_input: bool = True, where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of counts k that are 0, or follow a Poisson law of rate r without its zeros.

    `-log(sigmoid(g)) if k == 0 else -log(sigmoid(-g)) + r - k * log(r) + log_factorial(k) + log(1 - exp(-r))` with
    g = gate_logits and r = exp(predictions), or r = predictions if `log_input=False`.

    $$\ell = \begin{cases} -\log \sigma(g) & k = 0 \\
    -\log \sigma(-g) + r - k \log r + \log k! + \log(1 - e^{-r}) & k \ge 1 \end{cases}$$

    with $\sigma(g) = 1 / (1 + e^{-g})$ the probability of a zero, and $r = e^x$ for a log-rate x. Any real log-rate and
    gate, all infinities included; rates from 0, where every positive count is a 1. The loss is infinite where the
    outcome is impossible. Counts are 0 or at least 1, and fractional ones are taken by the gamma function; any other
    count, and a negative rate, has loss nan. At a count of 0 the loss jumps, and its slope in the count is 0.

    Args:
        predictions: Log-rates of the Poisson law, or rates with `log_input=False`; any shape.
        targets: Counts, of the shape of `predictions`.
        gate_logits: Log-odds of a zero: of the shape of `predictions`, with length 1 on axes where they do not vary, or
            a scalar.
        log_input: Whether the predictions are log-rates.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> gates = jnp.array([0.0, -1.0])
        >>> losses = hurdle_poisson_nll(jnp.array([0.0, 1.0]), jnp.array([0, 2]), gate_logits=gates)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.6931 1.6564

    Source: Mullahy, "Specification and testing of some modified count data models", 1986.
    """
    name = "hurdle_poisson_nll"
    option(name, "log_input", log_input)
    rates = None if log_input else lambda r: r >= 0
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, rates, "predictions must be rates of at least 0"),
        Given("targets", targets, 1.0, _counted, _COUNTS),
        Given("gate_logits", gate_logits, 0.0, broadcasts=True),
    )
    nll = numerics.hurdle_poisson_log_rate if log_input else numerics.hurdle_poisson_rate
    return elements.finish(nll(*elements.arrays))


def hurdle_negative_binomial_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    gate_logits: Numbers,
    concentration: Numbers | None = None,
    log_concentration: Numbers | None = None,
    log_input: bool = True,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of counts k that are 0, or follow a negative binomial law without its zeros.

    `-log(sigmoid(g)) if k == 0 else -log(sigmoid(-g)) + nll + log(1 - (1 + m / r)**(-r))` with g = gate_logits and nll
    the `negative_binomial_nll` of the count k for the mean m and the concentration r.

    $$\ell = \begin{cases} -\log \sigma(g) & k = 0 \\
    -\log \sigma(-g) + \ell_r(m, k) + \log\left(1 - (1 + m / r)^{-r}\right) & k \ge 1 \end{cases}$$

    with $\sigma(g) = 1 / (1 + e^{-g})$ the probability of a zero, and $\ell_r(m, k)$ the loss of
    `negative_binomial_nll` of mean m, or $e^x$ for a log-mean x, and concentration r. Any real log-mean and gate, all
    infinities included; means from 0, where every positive count is a 1. The loss is infinite where the outcome is
    impossible. Counts are 0 or at least 1, and fractional ones are taken by the gamma function; any other count, a
    negative mean, and a concentration of 0 or less or infinity, have loss nan. At a count of 0 the loss jumps, and its
    slope in the count is 0. As the concentration grows, the law becomes that of `hurdle_poisson_nll`.

    Args:
        predictions: Log-means of the law with its zeros, or means with `log_input=False`; any shape.
        targets: Counts, of the shape of `predictions`.
        gate_logits: Log-odds of a zero: of the shape of `predictions`, with length 1 on axes where they do not vary, or
            a scalar.
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
        >>> losses = hurdle_negative_binomial_nll(log_means, counts, gate_logits=gates, concentration=2.0)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.6931 1.8361

    Source: Mullahy, "Specification and testing of some modified count data models", 1986; Greene, "Accounting for
    excess zeros and sample selection in Poisson and negative binomial regression models", 1994.
    """
    name = "hurdle_negative_binomial_nll"
    option(name, "log_input", log_input)
    means = None if log_input else lambda m: m >= 0
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, means, "predictions must be means of at least 0"),
        Given("targets", targets, 1.0, _counted, _COUNTS),
        concentrations(name, concentration, log_concentration),
        Given("gate_logits", gate_logits, 0.0, broadcasts=True),
    )
    x, k, r, g = elements.arrays
    r = r if log_concentration is None else jnp.exp(r)
    nll = numerics.hurdle_negative_binomial_log_mean if log_input else numerics.hurdle_negative_binomial_mean
    return elements.finish(nll(x, k, r, g))


_COUNTS = "targets must be counts, 0 or at least 1"


def _counted(k: Array) -> Array:
    return (k == 0) | ((k >= 1) & (k < jnp.inf))


@class_form
class HurdleNegativeBinomialNLL(Loss):
    """Hurdle negative binomial negative log-likelihood: the class form of `hurdle_negative_binomial_nll`."""

    fn = staticmethod(hurdle_negative_binomial_nll)
    log_input: bool = True


@class_form
class HurdlePoissonNLL(Loss):
    """Hurdle Poisson negative log-likelihood: the class form of `hurdle_poisson_nll`."""

    fn = staticmethod(hurdle_poisson_nll)
    log_input: bool = True


__all__ = [
    "HurdleNegativeBinomialNLL",
    "HurdlePoissonNLL",
    "hurdle_negative_binomial_nll",
    "hurdle_poisson_nll",
]
