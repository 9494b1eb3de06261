r"""The negative log-likelihood of values that follow a Gaussian law of given variance."""

import math
from dataclasses import dataclass

from jaxloss import numerics
from jaxloss._check import inert, kept, masked, matched, option
from jaxloss._checked import valued
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def gaussian_nll(
    predictions: Floats, targets: Numbers, *, variance: Numbers, full: bool = False, where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of targets t under Gaussian laws of mean x and variance v.

    $$\ell = \frac12 \left(\log v + \frac{(x - t)^2}{v}\right) \; \left[+ \frac12 \log 2 \pi\right]$$

    Any real mean and target; an infinite error has an infinite loss. The variance is above 0: an element where it is
    not has loss nan, for there is no such law. To keep a learned variance from 0, predict its logarithm or bound it.

    Args:
        predictions: The means; any shape.
        targets: The shape of `predictions`.
        variance: The variances, in the squared units of the predictions; the shape of `predictions`.
        full: Whether to add the constant, for the likelihood itself.
        where: True where an element counts; what is masked has loss and gradient 0.

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
    x, y = matched(name, predictions, targets)
    x, v = matched(name, x, variance, ("predictions", "variance"))
    where = kept(name, where, x.shape)
    x, y, v = inert(where, (x, 0.0), (y.astype(x.dtype), 0.0), (v, 1.0))
    losses = valued(name, numerics.gaussian_nll(x - y, v), lambda: v > 0, "variance must be above 0")
    return masked(losses + 0.5 * math.log(2 * math.pi) if full else losses, where)


@dataclass(frozen=True, kw_only=True)
class GaussianNLL(Loss):
    """The class form of `gaussian_nll`."""

    fn = staticmethod(gaussian_nll)
    full: bool = False


__all__ = ["GaussianNLL", "gaussian_nll"]
