r"""The likelihood of classes with an order, cut out of a continuous law by cutpoints: ordinal regression."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import floating, integers, real, wide
from jaxloss._class_form import class_form
from jaxloss._domain import required
from jaxloss._loss import Loss
from jaxloss._masks import inert, kept, masked
from jaxloss._options import option
from jaxloss._types import Array, Floats, Labels, Link, Mask, Numbers

# Of each law minus the logarithms of three probabilities: of more than z, of less than z, and between two numbers.
_LAWS = {
    "logit": (
        numerics.logistic_survival,
        numerics.logistic_before,
        lambda z, a, spread: numerics.logistic_survival(a) + numerics.logistic_within(z, a, spread),
    ),
    "probit": (numerics.gaussian_survival, numerics.gaussian_before, numerics.gaussian_between),
    "cloglog": (
        numerics.weibull_survival,
        numerics.weibull_before,
        lambda z, a, spread: numerics.weibull_survival(a) + numerics.weibull_within(z, a, spread),
    ),
}


def cumulative_link_nll(
    predictions: Floats, labels: Labels, *, cutpoints: Numbers, link: Link = "logit", where: Mask | None = None
) -> Array:
    r"""The negative log-likelihood of a class y of K classes with an order, under a score x.

    `-log(F(c[y] - x) - F(c[y - 1] - x))` with x = predictions, y = labels, c = cutpoints, `c[-1] = -inf`,
    `c[K - 1] = inf` and the distribution function F of the link.

    $$\ell = -\log\left(F(c_y - x) - F(c_{y - 1} - x)\right), \quad c_{-1} = -\infty, \; c_{K - 1} = \infty$$

    The distribution function F is $1 / (1 + e^{-z})$ with `link="logit"`, the proportional odds model, the Gaussian one
    with `"probit"`, and $1 - e^{-e^z}$ with `"cloglog"`, the proportional hazards model. A high score makes high
    classes probable. Any score, infinite ones too, and cutpoints that increase, the first and the last of which may be
    infinite: an impossible class has an infinite loss. Loss and slopes are exact for classes as narrow as floats can
    say, and in both tails; second derivatives are exact to the digits of the inverse square of the width. Cutpoints
    that do not increase have loss nan, and so has a label out of range.

    Args:
        predictions: The scores; any shape.
        labels: The classes, from 0 to K - 1; the shape of `predictions`.
        cutpoints: The K - 1 cutpoints between neighbouring classes, increasing: `[K - 1]`, or `[..., K - 1]` with those
            of each sample.
        link: The law that the cutpoints cut: `"logit"`, `"probit"` or `"cloglog"`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that do not fit, an unknown link.
        TypeError: Predictions that are not floats, labels that are not integers.

    Example:
        >>> cutpoints = jnp.array([-1.0, 0.5, 2.0])
        >>> losses = cumulative_link_nll(jnp.array([0.0, 0.0, 3.0]), jnp.array([0, 1, 3]), cutpoints=cutpoints)
        >>> print("{:.4f} {:.4f} {:.4f}".format(*losses))
        1.3133 1.0398 0.3133

    Source: McCullagh, "Regression models for ordinal data", 1980.
    """
    name = "cumulative_link_nll"
    after, before, between = _LAWS[option(name, "link", link)]
    x, y, c, mask = _checked(name, predictions, labels, cutpoints, where)
    inside = _inside(name, y, c)
    x, c = numerics.gated(x, inside), numerics.gated(c, jnp.broadcast_to(inside[..., None], c.shape))
    y = jnp.where(inside, y, jnp.zeros_like(y)).astype(jnp.int32)
    upper, lower = (numerics.label_value(c, jnp.expand_dims(t, -1), c.ndim - 1)[..., 0] for t in (y, y - 1))
    # An infinite cutpoint is none: the class has one side alone, as the first and the last have.
    above, below = (y < c.shape[-1]) & (upper < jnp.inf), (y > 0) & (lower > -jnp.inf)
    both = above & below & inside
    end, start = numerics.difference_as_pair(upper, x), numerics.difference_as_pair(lower, x)
    spread = numerics.keep(both, upper - lower, 1.0)
    # Each piece is computed where it is asked for, and elsewhere at harmless numbers.
    of = lambda where, z, fill: (numerics.keep(where, z[0], fill), numerics.keep(where, z[1]))  # noqa: E731
    first, last = above & ~below, below & ~above
    pieces = (
        (first, before(of(first, end, 0.0))),
        (last, after(of(last, start, 0.0))),
        (both, between(of(both, end, 1.0), of(both, start, 0.0), spread)),
    )
    losses = sum((masked(piece, where) for where, piece in pieces), jnp.zeros_like(x))
    return masked(numerics.nan_unless(inside, losses), mask)


def _checked(
    name: str, predictions: Any, labels: Any, cutpoints: Any, where: Any
) -> tuple[Array, Array, Array, Array | None]:
    """The arrays of one dtype, filled where they are masked; cutpoints for each sample."""
    x, y, c = (
        floating(name, "predictions", predictions),
        integers(name, "labels", labels),
        real(name, "cutpoints", cutpoints),
    )
    if y.shape != x.shape:
        raise ValueError(
            f"{name}: predictions {x.shape} and labels {y.shape} differ in shape, and must have the same shape; losses "
            "do not broadcast: reshape one."
        )
    if c.ndim < 1 or c.shape[-1] == 0 or c.shape[:-1] not in ((), x.shape):
        raise ValueError(
            f"{name}: predictions {x.shape} and cutpoints {c.shape} do not fit: cutpoints need shape [K - 1], or "
            f"{(*x.shape, 'K - 1')} with those of each sample, and there are at least two classes."
        )
    mask = kept(name, where, x.shape)
    dtype = wide(x.dtype, *((c.dtype,) if jnp.issubdtype(c.dtype, jnp.floating) else ()))
    mask = None if mask is None else numerics.sharded_like(x, mask)
    (x,) = inert(mask, (x, 0.0))
    x = x.astype(dtype)
    y, c = numerics.sharded_like(x, y), jnp.broadcast_to(c, (*x.shape, c.shape[-1]))
    c = numerics.sharded_like(jnp.broadcast_to(x[..., None], c.shape), c)
    if mask is not None:
        (y,) = inert(mask, (y, 0))
        steps = numerics.columns(c, c.ndim - 1, c.dtype)
        c = jnp.where(mask[..., None], c, steps)
    return x, y, c.astype(dtype), mask


def _inside(name: str, y: Array, c: Array) -> Array:
    """Which samples have a label in range and cutpoints that increase."""
    labelled, increasing = (y >= 0) & (y <= c.shape[-1]), jnp.all(c[..., 1:] > c[..., :-1], -1)
    required(name, labelled, f"labels must be from 0 to {c.shape[-1]}")
    required(name, increasing, "cutpoints must increase")
    return labelled & increasing


@class_form
class CumulativeLinkNLL(Loss):
    """Cumulative link likelihood: the class form of `cumulative_link_nll`."""

    fn = staticmethod(cumulative_link_nll)
    link: Link = "logit"


__all__ = ["CumulativeLinkNLL", "cumulative_link_nll"]
