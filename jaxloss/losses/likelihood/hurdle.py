r"""Counts whose zeros have a probability of their own, and whose positive counts follow a law without its zeros."""

from __future__ import annotations

from dataclasses import dataclass

from jaxloss import numerics
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import option
from jaxloss._types import Array, Floats, Mask, Numbers


def hurdle_poisson_nll(
    predictions: Floats, targets: Numbers, *, gate_logits: Numbers, log_input: bool = True, where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of counts k that are 0, or follow a Poisson law of rate r without its zeros.

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
    counts = lambda k: (k == 0) | (k >= 1)  # noqa: E731
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 1.0, rates, "predictions must be rates of at least 0"),
        Given("targets", targets, 1.0, counts, "targets must be counts, 0 or at least 1"),
        Given("gate_logits", gate_logits, 0.0, broadcasts=True),
    )
    nll = numerics.hurdle_poisson_log_rate if log_input else numerics.hurdle_poisson_rate
    return elements.finish(nll(*elements.arrays))


@dataclass(frozen=True, kw_only=True)
class HurdlePoissonNLL(Loss):
    """Hurdle Poisson negative log-likelihood: the class form of `hurdle_poisson_nll`."""

    fn = staticmethod(hurdle_poisson_nll)
    log_input: bool = True


__all__ = ["HurdlePoissonNLL", "hurdle_poisson_nll"]
