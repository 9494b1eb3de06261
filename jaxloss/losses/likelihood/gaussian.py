r"""The negative log-likelihood of values that follow a Gaussian law of given variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxloss import numerics
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import option
from jaxloss._types import Array, Floats, Mask, Numbers


def gaussian_nll(
    predictions: Floats, targets: Numbers, *, variance: Numbers, full: bool = False, where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of targets t under Gaussian laws of mean x and variance v.

    $$\ell = \frac12 \left(\log v + \frac{(x - t)^2}{v}\right) \; \left[+ \frac12 \log 2 \pi\right]$$

    Any real mean and target; an infinite error has an infinite loss. The variance must be above 0: elsewhere the
    loss is nan. To keep a learned variance from 0, predict its logarithm or bound it.

    Args:
        predictions: The means; any shape.
        targets: The shape of `predictions`.
        variance: The variances, in the squared units of the predictions: of the shape of `predictions`, with length
            1 on axes where they do not vary, or a scalar.
        full: Whether to add the constant, for the likelihood itself.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> variance = jnp.array([1.0, 4.0])
        >>> print(gaussian_nll(jnp.array([2.0, 2.0]), jnp.array([0.0, 0.0]), variance=variance, full=True).round(4))
        [2.9189 2.1121]

    Source: Nix and Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
    """
    name = "gaussian_nll"
    option(name, "full", full)
    inside = lambda v: v > 0  # noqa: E731
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 0.0),
        Given("targets", targets, 0.0),
        Given("variance", variance, 1.0, inside, "variance must be above 0", broadcasts=True),
    )
    x, y, v = elements.arrays
    losses = numerics.gaussian_nll(x - y, v)
    return elements.finish(losses + 0.5 * math.log(2 * math.pi) if full else losses)


@dataclass(frozen=True, kw_only=True)
class GaussianNLL(Loss):
    """Gaussian negative log-likelihood: the class form of `gaussian_nll`."""

    fn = staticmethod(gaussian_nll)
    full: bool = False


__all__ = ["GaussianNLL", "gaussian_nll"]
