r"""The negative log-likelihood of values above 0 that follow a gamma law, such as amounts, durations and variances."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.likelihood._positive import positive


def gamma_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    concentration: Numbers,
    log_input: bool = True,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of targets t under gamma laws of mean m and concentration k, also called shape.

    `lgamma(k) - k * log(k / m) - (k - 1) * log(t) + k * t / m` with k = concentration and m = exp(predictions), or
    m = predictions if `log_input=False`.

    $$\ell = \log \Gamma(k) - k \log \frac{k}{m} - (k - 1) \log t + \frac{k t}{m}$$

    with $m = e^x$ for a prediction x. The variance is $m^2 / k$, the rate $k / m$; a concentration of 1 is the
    exponential law. Any real log-mean; at either infinity the loss is infinite. Means, targets and concentrations are
    above 0: elsewhere the loss is nan. An infinite target has an infinite loss. For concentrations to 1e8 nothing
    cancels: the formula's terms are a billion then, and the loss is near 10.

    Args:
        predictions: Logarithms of the mean, or means with `log_input=False`; any shape.
        targets: Above 0, of the shape of `predictions`.
        concentration: The concentration k, above 0: of the shape of `predictions`, with length 1 on axes where it does
            not vary, or a scalar.
        log_input: Whether the predictions are logarithms of the mean.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> losses = gamma_nll(jnp.zeros(2), jnp.array([1.5, 1.5]), concentration=jnp.array([1.0, 4.0]))
        >>> print("{:.4f} {:.4f}".format(*losses))
        1.5000 1.0302

    Source: McCullagh and Nelder, "Generalized Linear Models", 1989, chapter 8.
    """
    elements = positive("gamma_nll", predictions, targets, concentration, log_input, where)
    return elements.finish(numerics.gamma_nll(*elements.arrays, log_input))


@class_form
class GammaNLL(Loss):
    """Gamma negative log-likelihood: the class form of `gamma_nll`."""

    fn = staticmethod(gamma_nll)
    log_input: bool = True


__all__ = ["GammaNLL", "gamma_nll"]
