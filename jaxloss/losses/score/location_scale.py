r"""The continuous ranked probability score (CRPS) of forecasts by a law of a location and a scale, in closed form."""

from __future__ import annotations

from collections.abc import Callable

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def crps_gaussian(predictions: Floats, targets: Numbers, *, scale: Numbers, where: Mask | None = None) -> Array:
    r"""The continuous ranked probability score of a Gaussian forecast of mean x and standard deviation s.

    `s * (z * (2 * Phi(z) - 1) + 2 * phi(z) - 1 / sqrt(pi))` with z = (t - x) / s for a target t, and phi and Phi the
    density and the distribution function of the standard normal law.

    $$\ell = s \left(z (2 \Phi(z) - 1) + 2 \varphi(z) - \frac1{\sqrt \pi}\right), \quad z = \frac{t - x}{s}$$

    with the standard law's density $\varphi$ and distribution function $\Phi$. It is the integral of the squared
    difference between the forecast's distribution function and the step at the target t, and never negative: at z = 0
    it is 0.234 s, far out it is $|t - x| - s / \sqrt \pi$, and nothing cancels between. Any real mean and target; an
    infinite error has an infinite loss. The scale must be above 0: elsewhere the loss is nan.

    Args:
        predictions: The means; any shape.
        targets: The shape of `predictions`.
        scale: The scales s, above 0, in the units of the predictions: of the shape of `predictions`, with length 1 on
            axes where they do not vary, or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the predictions.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> losses = crps_gaussian(jnp.array([0.0, 0.0]), jnp.array([0.0, 3.0]), scale=1.0)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.2337 2.4366

    Source: Gneiting et al., "Calibrated probabilistic forecasting using ensemble model output statistics and minimum
    CRPS estimation", 2005.
    """
    return _score("crps_gaussian", numerics.crps_gaussian, predictions, targets, scale, where)


def crps_logistic(predictions: Floats, targets: Numbers, *, scale: Numbers, where: Mask | None = None) -> Array:
    r"""The continuous ranked probability score of a logistic forecast of location x and scale s.

    `s * (|z| + 2 * log(1 + exp(-|z|)) - 1)` with z = (t - x) / s for a target t.

    $$\ell = s \left(|z| + 2 \log(1 + e^{-|z|}) - 1\right), \quad z = \frac{t - x}{s}$$

    Never negative: at z = 0 it is 0.386 s, far out $|t - x| - s$. Any real location and target; an infinite error has
    an infinite loss. The scale must be above 0: elsewhere the loss is nan. The law's standard deviation is
    $s \pi / \sqrt 3$.

    Args:
        predictions: The locations; any shape.
        targets: The shape of `predictions`.
        scale: The scales s, above 0, in the units of the predictions: of the shape of `predictions`, with length 1 on
            axes where they do not vary, or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the predictions.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> losses = crps_logistic(jnp.array([0.0, 0.0]), jnp.array([0.0, 3.0]), scale=1.0)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.3863 2.0972

    Source: Taillardat et al., "Calibrated ensemble forecasts using quantile regression forests and ensemble model
    output statistics", 2016.
    """
    return _score("crps_logistic", numerics.crps_logistic, predictions, targets, scale, where)


def crps_laplace(predictions: Floats, targets: Numbers, *, scale: Numbers, where: Mask | None = None) -> Array:
    r"""The continuous ranked probability score of a Laplace forecast of location x and scale s.

    `s * (|z| + exp(-|z|) - 3 / 4)` with z = (t - x) / s for a target t.

    $$\ell = s \left(|z| + e^{-|z|} - \tfrac34\right), \quad z = \frac{t - x}{s}$$

    Never negative: at z = 0 it is s / 4, far out $|t - x| - 3 s / 4$. Any real location and target; an infinite error
    has an infinite loss. The scale must be above 0: elsewhere the loss is nan. The law's standard deviation is
    $s \sqrt 2$.

    Args:
        predictions: The locations; any shape.
        targets: The shape of `predictions`.
        scale: The scales s, above 0, in the units of the predictions: of the shape of `predictions`, with length 1 on
            axes where they do not vary, or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the predictions.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> losses = crps_laplace(jnp.array([0.0, 0.0]), jnp.array([0.0, 3.0]), scale=1.0)
        >>> print("{:.4f} {:.4f}".format(*losses))
        0.2500 2.2998

    Source: Jordan, Krüger and Lerch, "Evaluating probabilistic forecasts with scoringRules", 2019.
    """
    return _score("crps_laplace", numerics.crps_laplace, predictions, targets, scale, where)


def _score(
    name: str,
    formula: Callable[[Array, Array], Array],
    predictions: Floats,
    targets: Numbers,
    scale: Numbers,
    where: Mask | None,
) -> Array:
    inside = lambda s: s > 0  # noqa: E731
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 0.0),
        Given("targets", targets, 0.0),
        Given("scale", scale, 1.0, inside, "scale must be above 0", broadcasts=True),
    )
    x, t, s = elements.arrays
    return elements.finish(formula(t - x, s))


@class_form
class CRPSGaussian(Loss):
    """Continuous ranked probability score of Gaussian forecasts: the class form of `crps_gaussian`."""

    fn = staticmethod(crps_gaussian)


@class_form
class CRPSLogistic(Loss):
    """Continuous ranked probability score of logistic forecasts: the class form of `crps_logistic`."""

    fn = staticmethod(crps_logistic)


@class_form
class CRPSLaplace(Loss):
    """Continuous ranked probability score of Laplace forecasts: the class form of `crps_laplace`."""

    fn = staticmethod(crps_laplace)


__all__ = ["CRPSGaussian", "CRPSLaplace", "CRPSLogistic", "crps_gaussian", "crps_laplace", "crps_logistic"]
