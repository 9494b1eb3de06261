r"""The scores of which quantiles and expectiles are the best forecasts."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._options import number
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar
from jaxloss.losses.score._levels import along_quantiles, level_of_each, rest_of


@over_rows
def quantile_loss(
    predictions: Floats, targets: Numbers, *, quantile: Numbers = 0.5, where: Mask | None = None
) -> Rows[Array]:
    r"""The pinball loss, whose mean is least at a quantile: an error is weighed by the side that it is on.

    `q * (t - x) if t >= x else (1 - q) * (x - t)` with q = quantile, x = predictions and t = targets.

    $$\ell = \begin{cases} q (t - x) & t \ge x \\ (1 - q) (x - t) & t < x \end{cases}$$

    for a prediction x of the quantile of level q of the targets t. Any real predictions and targets; an infinite error
    has an infinite loss, but for one of weight 0, at a level of 0 or 1. Where the prediction is the target, the slope
    is the mean of those of both sides, $1/2 - q$. At the level 1/2 it is half the absolute error.

    Several quantiles of a target are predicted along a last axis. There is one loss for each target then, the mean
    over the quantiles, so that masks and weights are of targets, and the class form's mean is over all.

    Args:
        predictions: With one level, any shape; with an array of Q levels `[..., Q]`.
        targets: The shape of `predictions`, without the axis of the levels if there is one.
        quantile: The level q: a number in [0, 1], or an array of one for each quantile.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per target, in the units of the predictions.

    Raises:
        ValueError: Shapes that do not fit, a level that is not in [0, 1].
        TypeError: Predictions that are not floats.

    Example:
        >>> print(quantile_loss(jnp.array([2.0, 2.0]), jnp.array([3.0, 1.0]), quantile=0.75))
        [0.75 0.25]
        >>> print(quantile_loss(jnp.array([[0.0, 2.0, 4.0]]), jnp.array([3.0]), quantile=[0.25, 0.5, 0.75]))
        [0.5]

    Source: Koenker and Bassett, "Regression quantiles", 1978.
    """
    name = "quantile_loss"
    levels = level_of_each(name, "quantile", quantile)
    if levels.ndim == 0:
        given = Given("predictions", predictions, 0.0), Given("targets", targets, 0.0)
        elements = elementwise(name, where, *given)
        x, t = elements.arrays
        q = levels.astype(x.dtype)
        return Rows(elements.finish(numerics.uneven_absolute(t, x, q, rest_of(q, quantile))), elements.where)
    elements = along_quantiles(name, predictions, targets, levels.shape[0], where)
    x, t = elements.arrays
    q = numerics.sharded_like(x, levels.astype(x.dtype).reshape((1,) * (x.ndim - 1) + levels.shape))
    # The mean's weights are in the levels: a sum of losses may overflow where their mean does not.
    q, rest = (level / levels.shape[0] for level in (q, rest_of(q, quantile)))
    losses = elements.finish(numerics.uneven_absolute(t, x, q, rest))
    return rows_of(jnp.sum(losses, -1), None if elements.where is None else elements.where[..., :1], -1)


def expectile_loss(
    predictions: Floats, targets: Numbers, *, expectile: Scalar = 0.5, where: Mask | None = None
) -> Array:
    r"""The squared error, weighed by the side that it is on, whose mean is least at an expectile.

    `tau * (t - x)**2 if t >= x else (1 - tau) * (t - x)**2` with tau = expectile, x = predictions and t = targets.

    $$\ell = \begin{cases} \tau (t - x)^2 & t \ge x \\ (1 - \tau) (t - x)^2 & t < x \end{cases}$$

    for a prediction x of the expectile of level $\tau$ of the targets t. Any real predictions and targets; an infinite
    error has an infinite loss, but for one of weight 0, at a level of 0 or 1. At the level 1/2 it is half the squared
    error.

    Args:
        predictions: Any shape.
        targets: The shape of `predictions`.
        expectile: The level $\tau$, in [0, 1].
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the squared units of the predictions.

    Raises:
        ValueError: Shapes that differ, a level that is not in [0, 1].
        TypeError: Predictions that are not floats.

    Example:
        >>> print(expectile_loss(jnp.array([2.0, 2.0]), jnp.array([4.0, 0.0]), expectile=0.75))
        [3. 1.]

    Source: Newey and Powell, "Asymmetric least squares estimation and testing", 1987.
    """
    name = "expectile_loss"
    elements = elementwise(name, where, Given("predictions", predictions, 0.0), Given("targets", targets, 0.0))
    x, t = elements.arrays
    tau = number(name, "expectile", expectile, x.dtype)
    return elements.finish(numerics.uneven_square(t - x, tau, rest_of(tau, expectile)))


@class_form
class QuantileLoss(Loss):
    """Quantile loss: the class form of `quantile_loss`."""

    fn = staticmethod(quantile_loss)
    quantile: Numbers = 0.5


@class_form
class ExpectileLoss(Loss):
    """Expectile loss: the class form of `expectile_loss`."""

    fn = staticmethod(expectile_loss)
    expectile: Scalar = 0.5


__all__ = ["ExpectileLoss", "QuantileLoss", "expectile_loss", "quantile_loss"]
