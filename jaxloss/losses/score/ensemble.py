r"""The continuous ranked probability score (CRPS) of an ensemble of numbers, and the energy score of one of vectors."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import class_axes, floats, one_class_axis, real, wide, without
from jaxloss._class_form import class_form
from jaxloss._domain import outside_is_nan
from jaxloss._loss import Loss
from jaxloss._masks import inert, kept, masked, of_elements
from jaxloss._options import option
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Axes, Floats, Mask, Numbers
from jaxloss.losses._label_rows import kept_of


@over_rows
def crps_ensemble(
    ensemble: Floats, targets: Numbers, *, fair: bool = False, axis: Axes | None = -1, where: Mask | None = None
) -> Rows[Array]:
    r"""The continuous ranked probability score of a forecast by M members, whose order does not matter.

    `sum_i(|x_i - t|) / M - sum_ij(|x_i - x_j|) / (2 * M * m)` with x_i the members, t = targets and m = M, or m = M - 1
    if `fair=True`.

    $$\ell = \frac1M \sum_i |x_i - t| - \frac1{2 M m} \sum_{i, j} |x_i - x_j|$$

    with m = M for the score of the ensemble as a law, or with `fair` m = M - 1, which estimates without bias the score
    of the law that the members are drawn from. It is computed by one sort, as a sum of terms of at least 0. A single
    member has no pairs, and its score is the absolute error either way. Any real members and targets; an infinite one
    has an infinite loss, but that the fair score does not depend on the outermost member beyond the target on its
    side. The slope in a member is $(m \operatorname{sign}(x_i - t) - (B_i - A_i)) / M m$, where $B_i$ members are below
    it and $A_i$ above: equal members have equal slopes, and the slope at the target is the mean of those of both sides.

    Args:
        ensemble: The members, `[..., M]`.
        targets: The shape of `ensemble` without `axis`.
        fair: Whether pairs are averaged without those of a member with itself.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.

    Returns:
        One value per target, in its units.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Members that are not floats.

    Example:
        >>> ensemble, targets = jnp.array([[0.0, 1.0, 3.0, 4.0]]), jnp.array([2.0])
        >>> print(crps_ensemble(ensemble, targets), crps_ensemble(ensemble, targets, fair=True).round(4))
        [0.625] [0.3333]

    Source: Hersbach, "Decomposition of the continuous ranked probability score for ensemble prediction systems", 2000;
    with `fair` Ferro, "Fair scores for ensemble forecasts", 2014.
    """
    name = "crps_ensemble"
    option(name, "fair", fair)
    x, t = _given(name, ensemble, targets)
    axes = class_axes(name, "ensemble", x, axis)
    _fitting(name, x, t, without(x.shape, axes))
    elements, rows = kept_of(name, where, x, axes)
    counting = rows_of(t, rows, axes).counting
    (x,) = inert(of_elements(elements, rows, x.shape), (x, 0.0))
    (t,) = inert(counting, (numerics.aligned_labels(x, t, axes), 0.0))
    t = jnp.expand_dims(t, axes)
    x, t = (one_class_axis(numerics.replicated(a.astype(_common(x, t)), axes), axes) for a in (x, t))
    members = None if elements is None else one_class_axis(numerics.replicated(elements, axes), axes)
    losses = jnp.squeeze(numerics.ensemble_score(x, t, members, min(axes), fair), min(axes))
    return Rows(masked(losses, counting), counting)


@over_rows
def energy_score(ensemble: Floats, targets: Numbers, *, fair: bool = False, where: Mask | None = None) -> Rows[Array]:
    r"""The score of a forecast of a vector by M members, which in one dimension is the `crps_ensemble`.

    `sum_i(|x_i - t|) / M - sum_ij(|x_i - x_j|) / (2 * M * m)` with Euclidean lengths of vectors, x_i the members,
    t = targets and m = M, or m = M - 1 if `fair=True`.

    $$\ell = \frac1M \sum_i |x_i - t| - \frac1{2 M m} \sum_{i, j} |x_i - x_j|$$

    with Euclidean distances, and m = M, or with `fair` m = M - 1, as in `crps_ensemble`. The distance of two equal
    vectors has slope 0. Any finite vectors; with an infinite element the loss is nan. The time is that of the
    M (M - 1) / 2 pairs, the memory that of the ensemble.

    Args:
        ensemble: The members, `[..., M, variables]`.
        targets: The shape of `ensemble` without the axis of the members, `[..., variables]`.
        fair: Whether pairs are averaged without those of a member with itself.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per vector, in its units: the shape of `targets` without its last axis.

    Raises:
        ValueError: Shapes that do not fit, an ensemble without members.
        TypeError: Members that are not floats.

    Example:
        >>> ensemble, targets = jnp.array([[[0.0, 0.0], [6.0, 8.0]]]), jnp.array([[3.0, 4.0]])
        >>> print(energy_score(ensemble, targets), energy_score(ensemble, targets, fair=True))
        [2.5] [0.]

    Source: Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", 2007, section 4.3.
    """
    name = "energy_score"
    option(name, "fair", fair)
    x, t = _given(name, ensemble, targets)
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ValueError(
            f"{name}: ensemble {x.shape} must have members and variables, `[..., M, variables]`, at least one of each."
        )
    _fitting(name, x, t, (*x.shape[:-2], x.shape[-1]))
    rows = None if where is None else kept(name, where, x.shape[:-2])
    t = numerics.aligned_labels(x, t, (x.ndim - 2,))
    if rows is not None:
        rows = numerics.sharded_like(x, rows[..., None, None])
        x, t = numerics.keep(rows, x), numerics.keep(jnp.squeeze(rows, -2), t)
    t = t[..., None, :]
    x, t = (a.astype(_common(x, t)) for a in (x, t))
    largest = jnp.maximum(*(jnp.max(jnp.abs(lax.stop_gradient(a)), (-2, -1), keepdims=True) for a in (x, t)))
    inside = jnp.isfinite(largest)
    unit = _unit(largest)
    x, t = (numerics.keep(inside, a) * (1 / unit) for a in (x, t))
    count = x.shape[-2]
    apart = jnp.mean(numerics.length(x - t), (-2, -1))
    losses = apart - numerics.sum_of_distances(x) / (count * max(count - 1, 1) if fair else count * count)
    inside, unit = (jnp.squeeze(a, (-2, -1)) for a in (inside, unit))
    losses = losses * unit
    losses = outside_is_nan(name, losses, lambda: inside, "vectors must be finite")
    counting = rows_of(losses, rows, (-2, -1)).counting
    return Rows(masked(losses, counting), counting)


def _unit(largest: Array) -> Array:
    """1, or a power of two in units of which the distances of large vectors can be added, whose score is a float."""
    unit = 2.0**40
    most = float(jnp.finfo(largest.dtype).max) / unit
    return jnp.where(largest > most, numerics.filled(largest, unit), jnp.ones_like(largest))


def _given(name: str, ensemble: Any, targets: Any) -> tuple[Array, Array]:
    return floats(name, "ensemble", ensemble), real(name, "targets", targets)


def _fitting(name: str, x: Array, t: Array, shape: tuple[int, ...]) -> None:
    if t.shape != shape:
        raise ValueError(
            f"{name}: ensemble {x.shape} and targets {t.shape} do not fit: targets lack the axis of the members, and "
            f"need shape {shape}."
        )


def _common(x: Array, t: Array) -> Any:
    """The dtype that both are computed in, once what is masked is filled."""
    return wide(*(a.dtype for a in (x, t) if jnp.issubdtype(a.dtype, jnp.floating)))


@class_form
class CRPSEnsemble(Loss):
    """Continuous ranked probability score of ensembles: the class form of `crps_ensemble`."""

    fn = staticmethod(crps_ensemble)
    fair: bool = False
    axis: Axes | None = -1


@class_form
class EnergyScore(Loss):
    """Energy score: the class form of `energy_score`."""

    fn = staticmethod(energy_score)
    fair: bool = False


__all__ = ["CRPSEnsemble", "EnergyScore", "crps_ensemble", "energy_score"]
