"""Two distributions over the same outcomes: checks, masks and domains that the divergences share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import class_axes, floating, for_indices, real, same_shape, wide
from jaxloss._domain import required
from jaxloss._masks import inert, kept_rows, of_elements
from jaxloss._rows import Rows, rows_of
from jaxloss._types import Array, Axes

Divergence = Callable[[Array, Array, tuple[int, ...]], Array]


class Outcomes(NamedTuple):
    """Predictions and targets of one shape and dtype, filled where they are masked."""

    p: Array
    t: Array
    axes: tuple[int, ...]
    kept: Array | None  # which elements count
    rows: Array | None  # and which rows, with axes of length 1

    def finish(self, losses: Array) -> Rows[Array]:
        """The losses, with the rows that count."""
        return rows_of(losses, self.rows, self.axes)


def outcomes(
    name: str,
    predictions: Any,
    targets: Any,
    axis: Axes | None,
    where: Any,
    names: tuple[str, str],
    fills: tuple[float, float],
    row_fill: float | None = None,
) -> Outcomes:
    """Both arrays, checked; `fills` stand where an outcome is masked, `row_fill` where a row is."""
    p, t = floating(name, names[0], predictions), real(name, names[1], targets)
    same_shape(name, {names[0]: p, names[1]: t}, for_indices(name, p, t if names[1] == "targets" else p))
    dtype = wide(*(a.dtype for a in (p, t) if jnp.issubdtype(a.dtype, jnp.floating)))
    p, t = numerics.aligned(p, t if jnp.issubdtype(t.dtype, jnp.floating) else t.astype(dtype))
    axes = class_axes(name, names[0], p, axis)
    elements, rows = kept_rows(name, where, p.shape, axes)
    kept = of_elements(elements, rows, p.shape)
    p, t = inert(kept, (p, fills[0]), (t, fills[1]))
    if row_fill is not None:
        p, t = inert(rows, (p, row_fill), (t, row_fill))
    # The cast comes after the filling: eagerly and under `jax_debug_nans`, a cast of a masked nan would be an error.
    return Outcomes(p.astype(dtype), t.astype(dtype), axes, kept, rows)


def divergence(name: str, given: Outcomes, formula: Divergence, inside: Array, rule: str) -> Array:
    """The divergence of each row, nan with gradient 0 where the row is not `inside` the domain.

    `inside` keeps the axes with length 1.
    """
    required(name, inside, rule)
    # Gated, not filled: that would take a pass over both arrays before the formula's.
    p, t = numerics.gated(given.p, inside), numerics.gated(given.t, inside)
    return numerics.nan_unless(jnp.squeeze(inside, given.axes), formula(p, t, given.axes))


def from_probabilities(
    name: str, predictions: Any, targets: Any, axis: Axes | None, where: Any, formula: Divergence
) -> Rows[Array]:
    """A divergence between two rows of probabilities, nan where one is outside [0, 1]."""
    # An outcome of probability 0 in both distributions adds 0.
    given = outcomes(name, predictions, targets, axis, where, ("predictions", "targets"), (0.0, 0.0))
    # Above 0 for a p below 0 or above 1, from where p - 1 is exact: one maximum instead of two extremes.
    excess = [jnp.maximum(-a, a - 1) for a in (given.p, given.t)]
    inside = jnp.max(jnp.maximum(*excess), given.axes, keepdims=True) <= 0
    return given.finish(divergence(name, given, formula, inside, "probabilities must be in [0, 1]"))
