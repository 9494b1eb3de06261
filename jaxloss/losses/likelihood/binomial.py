r"""The negative log-likelihoods of successes of a known number of trials, alike or with a probability that varies."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import finite_from_0
from jaxloss._elements import Elements, Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.likelihood._concentrations import above_0


def binomial_nll(logits: Floats, targets: Numbers, *, total_count: Numbers, where: Mask | None = None) -> Array:
    r"""The negative log-likelihood of k successes of n trials, from the log-odds x of a success.

    `log_factorial(k) + log_factorial(n - k) - log_factorial(n) - k * log(sigmoid(x)) - (n - k) * log(sigmoid(-x))` with
    x = logits, k = targets and n = total_count.

    $$\ell = -\log \binom{n}{k} - k \log \sigma(x) - (n - k) \log \sigma(-x)$$

    with the logistic function $\sigma$. Any real log-odds, both infinities included: what is then certain has loss 0,
    anything else an infinite one. Counts from 0 to n, fractional ones by the gamma function; n from 0. Elsewhere the
    loss is nan. In float32 the value is free of cancellation for numbers of trials to 1e8.

    Args:
        logits: Log-odds; any shape.
        targets: Counts of successes, of the shape of `logits`.
        total_count: The numbers of trials n: of the shape of `logits`, with length 1 on axes where they do not vary, or
            a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> losses = binomial_nll(jnp.array([0.0, 2.0]), jnp.array([1.0, 4.0]), total_count=4.0)
        >>> print(f"{losses[0]:.4f} {losses[1]:.4f}")
        1.3863 0.5077

    Source: McCullagh and Nelder, "Generalized Linear Models", 1989, section 4.2; Loader, "Fast and accurate computation
    of binomial probabilities", 2000, for the form without cancellation.
    """
    elements = _of_trials("binomial_nll", logits, targets, total_count, where)
    return elements.finish(numerics.binomial_nll(*elements.arrays))


def beta_binomial_nll(
    logits: Floats, targets: Numbers, *, total_count: Numbers, concentration: Numbers, where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of k successes of n trials whose probability follows a beta law.

    `log_beta(alpha, beta) - log_beta(k + alpha, n - k + beta) - log(comb(n, k))` with alpha = c * sigmoid(x) and
    beta = c * sigmoid(-x), where log_beta(a, b) is lgamma(a) + lgamma(b) - lgamma(a + b).

    $$\ell = -\log \binom{n}{k} - \log \frac{\mathrm{B}(k + \alpha, n - k + \beta)}{\mathrm{B}(\alpha, \beta)}$$

    with $\alpha = c \, \sigma(x)$ and $\beta = c \, \sigma(-x)$ for log-odds x, the logistic function $\sigma$ and a
    concentration c: the mean is $n \sigma(x)$, and the variance that of the binomial law times $(c + n) / (c + 1)$. As
    c grows, the law becomes the binomial one. Any real log-odds, both infinities included; counts from 0 to n,
    fractional ones by the gamma function; n from 0. Elsewhere, and for a concentration of 0 or less or infinity, the
    loss is nan.

    Args:
        logits: Log-odds; any shape.
        targets: Counts of successes, of the shape of `logits`.
        total_count: The numbers of trials n: of the shape of `logits`, with length 1 on axes where they do not vary, or
            a scalar.
        concentration: The concentrations c, above 0; their shape is as that of `total_count`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> losses = beta_binomial_nll(jnp.zeros(2), jnp.array([1.0, 4.0]), total_count=4.0, concentration=2.0)
        >>> print(f"{losses[0]:.4f} {losses[1]:.4f}")
        1.6094 1.6094

    Source: Skellam, "A probability distribution derived from the binomial distribution by regarding the probability of
    success as variable between the sets of trials", 1948.
    """
    name = "beta_binomial_nll"
    elements = _of_trials(name, logits, targets, total_count, where, above_0("concentration", concentration))
    return elements.finish(numerics.beta_binomial_nll(*elements.arrays))


def _of_trials(
    name: str, logits: Floats, targets: Numbers, total_count: Numbers, where: Mask | None, *further: Given
) -> Elements:
    """Log-odds, counts of successes, and the numbers of trials, of which there are as many or more."""
    rule = "total_count must be at least 0 and finite"
    elements = elementwise(
        name,
        where,
        Given("logits", logits, 0.0),
        Given("targets", targets, 1.0, finite_from_0, "targets must be counts of at least 0"),
        Given("total_count", total_count, 2.0, finite_from_0, rule, broadcasts=True),
        *further,
    )
    _, k, n, *_ = elements.arrays
    return elements.within(name, (k <= n, "targets must be at most total_count"))


@class_form
class BinomialNLL(Loss):
    """Binomial negative log-likelihood: the class form of `binomial_nll`."""

    fn = staticmethod(binomial_nll)


@class_form
class BetaBinomialNLL(Loss):
    """Beta-binomial negative log-likelihood: the class form of `beta_binomial_nll`."""

    fn = staticmethod(beta_binomial_nll)


__all__ = ["BetaBinomialNLL", "BinomialNLL", "beta_binomial_nll", "binomial_nll"]
