r"""The scores of forecasts by central intervals: of one interval, and of a median with several."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._masks import masked
from jaxloss._options import number
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar
from jaxloss.losses.score._levels import along_quantiles, level_of_each

# The levels of the intervals that forecast hubs of epidemics collect, the widest first.
_OF_HUBS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def interval_score(
    lower: Floats, upper: Numbers, targets: Numbers, *, alpha: Scalar = 0.1, where: Mask | None = None
) -> Array:
    r"""The width of a central interval, and a penalty for a target outside of it.

    `(u - l) + 2 / alpha * max(l - t, 0) + 2 / alpha * max(t - u, 0)` with l = lower, u = upper and t = targets.

    $$\ell = (u - l) + \frac2\alpha (l - t)_+ + \frac2\alpha (t - u)_+$$

    for an interval from l to u that should hold the target t with probability $1 - \alpha$. Its mean is least where l
    and u are the quantiles of the levels $\alpha / 2$ and $1 - \alpha / 2$. Any real numbers; an infinite one has an
    infinite loss. Ends in the wrong order are scored by the same formula, which is never negative. Where a target is at
    an end, the slope is the mean of those of both sides.

    Args:
        lower: The lower ends l; any shape.
        upper: The upper ends u, of the shape of `lower`.
        targets: The shape of `lower`; the class form takes them by keyword.
        alpha: The probability of a target outside of the interval, above 0 and at most 1: 0.1 for one of 90%.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in the units of the targets.

    Raises:
        ValueError: Shapes that differ, an alpha out of range.
        TypeError: Lower ends that are not floats.

    Example:
        >>> lower, upper = jnp.array([1.0, 1.0]), jnp.array([3.0, 3.0])
        >>> print(interval_score(lower, upper, jnp.array([2.0, 4.0]), alpha=0.5))
        [2. 6.]
        >>> print(IntervalScore(alpha=0.5)(lower, upper, targets=jnp.array([2.0, 4.0])))
        4.0

    Source: Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", 2007, section 6.2.
    """
    name = "interval_score"
    given = Given("lower", lower, 0.0), Given("upper", upper, 0.0), Given("targets", targets, 0.0)
    elements = elementwise(name, where, *given)
    low, high, t = elements.arrays
    level = number(name, "alpha", alpha, t.dtype)
    inner, outer = jnp.ones_like(level), (2 - level) / level
    # Both ends' pinball losses over alpha / 2, whose sum is the score: nothing is subtracted, not an infinity either.
    losses = numerics.uneven_absolute(t, low, inner, outer) + numerics.uneven_absolute(t, high, outer, inner)
    return elements.finish(losses)


@over_rows
def weighted_interval_score(
    predictions: Floats, targets: Numbers, *, alpha: Numbers | None = None, where: Mask | None = None
) -> Rows[Array]:
    r"""The scores of a median m and of K central intervals, weighted so that they approximate the CRPS.

    `(|t - m| / 2 + sum_k(alpha_k / 2 * S_k)) / (K + 1/2)` with t = targets and S_k the `interval_score` of the interval
    k at the level alpha_k.

    $$\ell = \frac{1}{K + 1/2} \left(\frac12 |t - m| + \sum_k \frac{\alpha_k}{2} S_k\right)$$

    with the `interval_score` $S_k$ of the interval of level $\alpha_k$. It is twice the mean `quantile_loss` of the
    2K + 1 quantiles. Any real predictions and targets; an infinite error has an infinite loss.
    Where a prediction is the target, the slope is the mean of those of both sides.

    Args:
        predictions: The quantiles, `[..., 2 K + 1]`: the lower ends of the K intervals in the order of `alpha`, the
            median, and the upper ends in the opposite order. With the widest interval first they ascend.
        targets: The shape of `predictions` without its last axis.
        alpha: The probabilities of a target outside of each interval, K numbers in [0, 1]; by default those of the
            forecast hubs of epidemics, 11 intervals with 23 quantiles.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per target, in the units of the predictions.

    Raises:
        ValueError: Shapes that do not fit, an alpha out of range.
        TypeError: Predictions that are not floats.

    Example:
        >>> quantiles = jnp.array([[0.0, 1.0, 2.0, 3.0, 4.0]])
        >>> print("{:.2f}".format(*weighted_interval_score(quantiles, jnp.array([3.5]), alpha=[0.2, 0.5])))
        0.86

    Source: Bracher et al., "Evaluating epidemic forecasts in an interval format", 2021.
    """
    name = "weighted_interval_score"
    outside = level_of_each(name, "alpha", _OF_HUBS if alpha is None else alpha).reshape(-1)
    elements = along_quantiles(name, predictions, targets, 2 * outside.shape[0] + 1, where)
    x, t = (numerics.replicated(a, (a.ndim - 1,)) for a in elements.arrays)
    k = outside.shape[0]
    half = 0.5 * outside.astype(x.dtype).reshape((1,) * (x.ndim - 1) + outside.shape)
    low, median, high, t = x[..., :k], x[..., k], x[..., :k:-1], t[..., :k]
    # Each term is weighed before it is added: a sum may overflow where the mean does not.
    weight = 1 / (k + 0.5)
    intervals = numerics.weighted_interval(low, high, t, numerics.sharded_like(low, half), weight)
    middle = jnp.full_like(half, 0.5 * weight, shape=())
    losses = jnp.sum(intervals, -1) + numerics.uneven_absolute(t[..., 0], median, middle, middle)
    counting = rows_of(losses, None if elements.where is None else elements.where[..., :1], -1).counting
    return Rows(masked(losses, counting), counting)


@class_form
class IntervalScore(Loss):
    """Interval score: the class form of `interval_score`."""

    fn = staticmethod(interval_score)
    alpha: Scalar = 0.1


@class_form
class WeightedIntervalScore(Loss):
    """Weighted interval score: the class form of `weighted_interval_score`."""

    fn = staticmethod(weighted_interval_score)
    alpha: Numbers | None = None


__all__ = ["IntervalScore", "WeightedIntervalScore", "interval_score", "weighted_interval_score"]
