"""Reductions of losses to one number; no other file depends on which reduction it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import jax.numpy as jnp
from jax import lax
from numpy.lib.array_utils import normalize_axis_tuple

from jaxloss._arrays import fitted, floats, real
from jaxloss._masks import inert, kept
from jaxloss._options import choice
from jaxloss._types import Array, Axes, AxisName, Floats, Mask, Numbers, Reduction
from jaxloss.numerics import aligned, divide


def check_reduction(name: str, reduction: str) -> None:
    choice(name, "reduction", reduction, get_args(Reduction))


def reduce(
    losses: Floats,
    *,
    weights: Numbers | None = None,
    where: Mask | None = None,
    reduction: Reduction = "mean",
    axis: Axes | None = None,
    axis_name: AxisName = None,
) -> Array:
    r"""Weighs, masks and reduces losses.

    | reduction | value |
    |---|---|
    | `"none"` | $w l$, 0 where masked |
    | `"sum"` | $\sum w l$ |
    | `"mean"` | $\sum w l / \sum w$ over what is not masked; 0 where that is 0/0 |
    | `"sum_over_batch_size"` | $\sum w l / n$ with n the number of losses not masked |

    Weights and mask are broadcast against the losses: trailing axes are added to them, never leading ones, so that a
    shape `[batch]` weighs samples. A weight of 0 multiplies; to leave out a nan, mask it. All axes are reduced by
    default.

    With `axis_name`, the mesh axes of `shard_map`, `pmap` or `vmap`, numerator and denominator are summed over the
    devices before they are divided. Where each device differentiates its own copy (`pmap`,
    `shard_map(check_vma=False)`), average the gradients afterwards: `lax.pmean(grads, axis_name)`.

    Args:
        losses: One value per element.
        weights: Weights of the losses; a shape `[batch]` weighs samples, by the rules of `reduce`.
        where: True where a loss counts; fits as `weights` do. A masked loss is not read, nan or not.
        reduction: `"mean"`, `"sum"`, `"sum_over_batch_size"` or `"none"`; the table of `reduce` defines them.
        axis: The axes to reduce; the default is described above.
        axis_name: Mesh axes over which numerator and denominator are summed, so that the mean is global.

    Returns:
        A scalar, or an array of the axes not reduced.

    Raises:
        ValueError: A weight or mask that does not fit the losses, or an unknown reduction.
        TypeError: A mask that is not boolean.

    Example:
        >>> round(float(reduce(jnp.array([1.0, 2.0, 6.0]), weights=jnp.array([1.0, 1.0, 2.0]))), 4)
        3.75
    """
    return reduced("reduce", losses, weights, where, reduction, axis, axis_name)


def total(
    losses: Floats,
    *,
    weights: Numbers | None = None,
    where: Mask | None = None,
    axis: Axes | None = None,
    axis_name: AxisName = None,
) -> tuple[Array, Array]:
    r"""The numerator $\sum w l$ and the denominator $\sum w$ of the weighted mean, to be added up over micro-batches.

    The mean over micro-batches of unequal weight is the sum of the numerators over the sum of the denominators, and so
    is its gradient: accumulate the gradients of the numerators, and divide once at the end. All axes are reduced by
    default.

    Args:
        losses: One value per element.
        weights: Weights of the losses; a shape `[batch]` weighs samples, by the rules of `reduce`.
        where: As in `reduce`.
        axis: The axes to reduce; the default is described above.
        axis_name: Mesh axes over which numerator and denominator are summed, so that the mean is global.

    Returns:
        The pair (numerator, denominator).

    Raises:
        ValueError: A weight or mask that does not fit the losses.
        TypeError: A mask that is not boolean.

    Example:
        >>> batches = [jnp.array([1.0, 2.0]), jnp.array([6.0])]
        >>> numerators, denominators = zip(*[total(losses) for losses in batches])
        >>> float(sum(numerators) / sum(denominators))
        3.0
    """
    return totalled("total", losses, weights, where, "mean", axis, axis_name)


def reduced(
    name: str,
    losses: Any,
    weights: Any,
    where: Any,
    reduction: str,
    axis: Axes | None = None,
    axis_name: AxisName = None,
) -> Array:
    """`reduce`, with the name of the caller for its errors."""
    check_reduction(name, reduction)
    losses = floats(name, "losses", losses)
    axis = _axes(name, losses, axis)
    if reduction == "none":
        if weights is None and where is None:
            return losses
        weight, losses = _weighed(name, losses, weights, where)
        return weight * losses
    if reduction == "mean" and weights is None and where is None and axis_name is None:
        return jnp.mean(losses, axis) if losses.size else jnp.sum(losses, axis)
    numerator, denominator = totalled(name, losses, weights, where, reduction, axis, axis_name)
    return numerator if reduction == "sum" else divide(numerator, denominator)


def totalled(
    name: str,
    losses: Any,
    weights: Any,
    where: Any,
    reduction: str,
    axis: Axes | None = None,
    axis_name: AxisName = None,
) -> tuple[Array, Array]:
    """`total`, with the name of the caller for its errors, and the denominator that the reduction asks for."""
    losses = floats(name, "losses", losses)
    axis = _axes(name, losses, axis)
    weight, losses = _weighed(name, losses, weights, where)
    return _pair(name, jnp.sum(weight * losses, axis), weight, weights, where, reduction, axis, axis_name)


def reduced_by(
    name: str,
    weighted_sum: Callable[[Array], Array],
    like: Array,
    weights: Any,
    where: Any,
    reduction: str,
    axis_name: AxisName = None,
) -> Array:
    """`reduced` for losses that are never stored one by one: `weighted_sum` takes weights of the shape of `like`."""
    check_reduction(name, reduction)
    weight, _ = _weighed(name, like, weights, where)
    pair = _pair(name, weighted_sum(weight), weight, weights, where, reduction, None, axis_name)
    return pair[0] if reduction == "sum" else divide(*pair)


def _pair(
    name: str,
    numerator: Array,
    weight: Array,
    weights: Any,
    where: Any,
    reduction: str,
    axis: Axes | None,
    axis_name: AxisName,
) -> tuple[Array, Array]:
    if reduction == "sum_over_batch_size" and weights is not None:
        weight, _ = _weighed(name, jnp.zeros_like(weight), None, where)
    pair = numerator, jnp.sum(weight, axis)
    if axis_name is None:
        return pair
    try:
        return lax.psum(pair, axis_name)
    except NameError as error:
        raise ValueError(
            f"{name}: axis_name {axis_name!r} is no mesh axis here: call the loss inside jax.shard_map, jax.pmap or "
            "jax.vmap(..., axis_name=...) over it; under jax.jit alone the mean is global without it."
        ) from error


def _axes(name: str, losses: Array, axis: Any) -> tuple[int, ...] | None:
    """The axes to reduce as non-negative indices. Unlike class axes they may be empty."""
    if axis is None:
        return None
    try:
        return normalize_axis_tuple(axis, losses.ndim)
    except TypeError as error:
        raise TypeError(f"{name}: axis must be an integer or a tuple of integers, got {axis!r}.") from error
    except ValueError as error:
        raise ValueError(f"{name}: axis {axis} is out of range for losses of shape {losses.shape}: {error}.") from error


def _weighed(name: str, losses: Array, weights: Any, where: Any) -> tuple[Array, Array]:
    """Weights of the shape of the losses, and the losses, both 0 where the mask is False."""
    if weights is None:
        weight = jnp.ones_like(losses)
    else:
        given = real(name, "weights", weights).astype(losses.dtype)
        weight = jnp.broadcast_to(fitted(name, "weights", given, losses.shape), losses.shape)
    losses, weight = aligned(losses, weight)
    weight, losses = inert(kept(name, where, losses.shape), (weight, 0.0), (losses, 0.0))
    return weight, losses
