r"""The negative log-likelihood of values above 0 that follow an inverse Gaussian law, such as times of passage."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers
from jaxloss.losses.likelihood._positive import positive


def inverse_gaussian_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    concentration: Numbers,
    log_input: bool = True,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of targets t under inverse Gaussian laws of mean m and shape lambda.

    `(log(2 * pi * t**3 / lambda) + lambda * (t - m)**2 / (m**2 * t)) / 2` with lambda = concentration and
    m = exp(predictions), or m = predictions if `log_input=False`.

    $$\ell = \frac12 \left(\log \frac{2 \pi t^3}{\lambda} + \frac{\lambda (t - m)^2}{m^2 t}\right)$$

    with $m = e^x$ for a prediction x. The variance is $m^3 / \lambda$. Any real log-mean, plus infinity included, where
    the law is that of Lévy; a log-mean of minus infinity has an infinite loss. Means, targets and shapes are above 0:
    elsewhere the loss is nan. An infinite target has an infinite loss.

    Args:
        predictions: Logarithms of the mean, or means with `log_input=False`; any shape.
        targets: Above 0, of the shape of `predictions`.
        concentration: The shape $\lambda$ of the law, in the units of the targets, above 0: of the shape of
            `predictions`, with length 1 on axes where it does not vary, or a scalar.
        log_input: Whether the predictions are logarithms of the mean.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> losses = inverse_gaussian_nll(jnp.array([0.0, 1.0]), jnp.array([1.0, 3.0]), concentration=2.0)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.5724 2.2239

    Source: Tweedie, "Statistical properties of inverse Gaussian distributions", 1957.
    """
    elements = positive("inverse_gaussian_nll", predictions, targets, concentration, log_input, where)
    return elements.finish(numerics.inverse_gaussian_nll(*elements.arrays, log_input))


@class_form
class InverseGaussianNLL(Loss):
    """Inverse Gaussian negative log-likelihood: the class form of `inverse_gaussian_nll`."""

    fn = staticmethod(inverse_gaussian_nll)
    log_input: bool = True


__all__ = ["InverseGaussianNLL", "inverse_gaussian_nll"]
