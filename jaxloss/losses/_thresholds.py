"""Rows of logits for thresholds in their order, and how far each row came: to an interval, or a class with an order."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import floating, integers, wide
from jaxloss._domain import outside_is_nan
from jaxloss._masks import inert, kept, masked
from jaxloss._rows import Rows
from jaxloss._types import Array


class ThresholdRows(NamedTuple):
    """Logits `[..., thresholds]` and a level for each row, filled where they are masked."""

    x: Array
    levels: Array
    mask: Array | None
    valid: Array
    """Which levels are in range."""
    rule: str

    @property
    def before(self) -> Array:
        """The thresholds below the level."""
        return self._index < self.levels[..., None]

    @property
    def at(self) -> Array:
        """The threshold at the level."""
        return self._index == self.levels[..., None]

    @property
    def _index(self) -> Array:
        return numerics.columns(self.x, self.x.ndim - 1, self.levels.dtype)

    def finish(self, name: str, answers: Array, asked: Array | None = None) -> Rows[Array]:
        r"""The sum of $-\log \sigma(x)$ over answers of yes and $-\log \sigma(-x)$ over those of no.

        `asked` are the thresholds that are summed over; None for all.
        """
        x = self.x if asked is None else numerics.keep(asked, self.x)
        terms = masked(numerics.softplus(jnp.where(answers, -x, x)), asked)
        losses = outside_is_nan(name, jnp.sum(terms, -1), lambda: self.valid, self.rule)
        return Rows(masked(losses, self.mask), self.mask)


def threshold_rows(name: str, logits: Any, argument: str, levels: Any, where: Any, *, beyond: int) -> ThresholdRows:
    """Both arrays, checked; levels are from 0 to the number of thresholds, less one unless one may be `beyond`."""
    x, t = floating(name, "logits", logits), integers(name, argument, levels)
    each = "threshold" if beyond else "interval"
    if x.ndim < 1 or x.shape[-1] == 0:
        raise ValueError(f"{name}: logits {x.shape} must have a last axis of at least one {each}.")
    if t.shape != x.shape[:-1]:
        raise ValueError(
            f"{name}: {argument} {t.shape} and logits {x.shape} do not fit: with one logit for each {each} on the "
            f"last axis {argument} need shape {x.shape[:-1]}."
        )
    mask = kept(name, where, t.shape)
    if mask is not None:
        mask = numerics.aligned_labels(x, mask, (x.ndim - 1,))
        (x,) = inert(jnp.broadcast_to(mask[..., None], x.shape), (x, 0.0))
    x = x.astype(wide(x.dtype))
    (t,) = inert(mask, (numerics.aligned_labels(x, t, (x.ndim - 1,)), 0))
    largest = x.shape[-1] - 1 + beyond
    valid = (t >= 0) & (t <= largest)
    x = numerics.gated(x, jnp.broadcast_to(valid[..., None], x.shape))
    return ThresholdRows(x, t, mask, valid, f"{argument} must be from 0 to {largest}")


__all__ = ["ThresholdRows", "threshold_rows"]
