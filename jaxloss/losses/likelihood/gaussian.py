r"""The negative log-likelihood of values that follow a Gaussian law of given variance, log-variance or scale."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise, one_of
from jaxloss._loss import Loss
from jaxloss._options import is_zero, number, option
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar


def gaussian_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    variance: Numbers | None = None,
    log_variance: Numbers | None = None,
    scale: Numbers | None = None,
    full: bool = False,
    beta: Scalar = 0.0,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of targets t under Gaussian laws of mean x and variance v.

    `(log(v) + (x - t)**2 / v) / 2`, to which `full=True` adds `log(2 * pi) / 2`, with v = variance,
    v = exp(log_variance) or v = scale**2, whichever is given.

    $$\ell = \frac12 \left(\log v + \frac{(x - t)^2}{v}\right) \; \left[+ \frac12 \log 2 \pi\right]$$

    Exactly one of variance, its logarithm, and the standard deviation is given. Any real mean, target and log-variance;
    an infinite error has an infinite loss. A variance or scale must be above 0: elsewhere the loss is nan. A learned
    variance is best predicted as its logarithm, which keeps it from 0.

    A learned variance lets a model turn samples down that it fits badly. With `beta` the loss is multiplied by
    $v^\beta$, which is not differentiated: at 1 the slope in the mean is that of the squared error.

    Args:
        predictions: The means; any shape.
        targets: The shape of `predictions`.
        variance: The variances, in the squared units of the predictions: of the shape of `predictions`, with length
            1 on axes where they do not vary, or a scalar.
        log_variance: Their logarithms, of such a shape.
        scale: The standard deviations, of such a shape.
        full: Whether to add the constant, for the likelihood itself.
        beta: The power of the variance that weighs the losses (beta-NLL); in [0, 1].
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ, or not exactly one of `variance`, `log_variance` and `scale`.
        TypeError: Predictions that are not floats.

    Example:
        >>> variance = jnp.array([1.0, 4.0])
        >>> print(gaussian_nll(jnp.array([2.0, 2.0]), jnp.array([0.0, 0.0]), variance=variance, full=True).round(4))
        [2.9189 2.1121]

    Source: Nix and Weigend, "Estimating the mean and variance of the target probability distribution", 1994; for beta
    Seitzer et al., "On the pitfalls of heteroscedastic uncertainty estimation with probabilistic networks", 2022.
    """
    name = "gaussian_nll"
    option(name, "full", full)
    spread, array = one_of(name, variance=variance, log_variance=log_variance, scale=scale)
    nll = _SPREADS[spread]
    least = -math.inf if spread == "log_variance" else 0
    rule = f"{spread} must be above {'minus infinity' if spread == 'log_variance' else 0}"
    elements = elementwise(
        name,
        where,
        Given("predictions", predictions, 0.0),
        Given("targets", targets, 0.0),
        Given(spread, array, _FILLS[spread], lambda v: v > least, rule, broadcasts=True),
    )
    x, y, v = elements.arrays
    exponent = elements.option(number(name, "beta", beta, x.dtype))
    if is_zero(beta):
        losses, weight = nll(x - y, v, None)
    else:
        # An infinite power of the variance is the loss, whatever is divided by it, and has no slopes.
        infinite = v == jnp.inf
        losses, weight = nll(x - y, jnp.where(infinite, jnp.ones_like(v), v), exponent)
        losses = jnp.where(infinite, numerics.filled(v, jnp.inf), losses)
    return elements.finish(losses + weight * (0.5 * math.log(2 * math.pi)) if full else losses)


def _of_variance(error: Array, variance: Array, beta: Array | None) -> tuple[Array, Array]:
    """The losses times a power of the variance, and the power, which is not differentiated; 1 without a beta."""
    weight = jnp.ones_like(variance, shape=()) if beta is None else jnp.power(lax.stop_gradient(variance), beta)
    return numerics.gaussian_nll(error, variance, weight), weight


def _of_scale(error: Array, scale: Array, beta: Array | None) -> tuple[Array, Array]:
    held, one = lax.stop_gradient(scale), jnp.ones_like(scale, shape=())
    divisor, weight = (held, one) if beta is None else (jnp.power(held, 1 - beta), jnp.power(held, 2 * beta))
    return numerics.gaussian_nll_of_scale(error, scale, divisor, weight), weight


def _of_log(error: Array, log_variance: Array, beta: Array | None) -> tuple[Array, Array]:
    zero = jnp.zeros_like(log_variance, shape=())
    log_weight = zero if beta is None else beta * lax.stop_gradient(log_variance)
    return numerics.gaussian_nll_of_log(error, log_variance, log_weight), jnp.exp(log_weight)


_SPREADS = {"variance": _of_variance, "log_variance": _of_log, "scale": _of_scale}
_FILLS = {"variance": 1.0, "log_variance": 0.0, "scale": 1.0}


@class_form
class GaussianNLL(Loss):
    """Gaussian negative log-likelihood: the class form of `gaussian_nll`."""

    fn = staticmethod(gaussian_nll)
    full: bool = False
    beta: Scalar = 0.0


__all__ = ["GaussianNLL", "gaussian_nll"]
