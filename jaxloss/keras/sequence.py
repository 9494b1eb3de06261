"""Keras' connectionist temporal classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import fitted, floats, real
from jaxloss._domain import outside_is_nan
from jaxloss._program import one_program
from jaxloss._types import Array, Floats, Labels
from jaxloss.keras._loss import Form
from jaxloss.keras._masks import without
from jaxloss.keras._pairs import indices
from jaxloss.keras._reduction import ReductionName

_BLANK = 0
_NAME = "ctc"


def ctc(y_true: Labels, y_pred: Floats) -> Array:
    r"""The negative log-likelihood of label sequences, $-\log \sum_\pi \prod_t p_{t, \pi_t}$ over their alignments.

    See `jaxloss.ctc_loss`.

    Args:
        y_true: Class indices, `[batch, length]`; 0 is the blank, and pads on the right. As in Keras a sequence is as
            long as it has labels above 0, and a blank among those is a symbol like any other. Floats that are whole
            numbers are taken too; a sequence with one that is none, or is out of range, has loss nan.
        y_pred: Logits, `[batch, frames, classes]`; every frame counts.

    Returns:
        One value per sequence, `[batch]`, in the dtype of `y_pred` but at least float32.

    Raises:
        ValueError: Shapes of other ranks.

    Example:
        >>> logits = jnp.log(jnp.array([[[0.6, 0.4], [0.3, 0.7]]]))  # two frames of blank and one symbol
        >>> print(jnp.exp(-ctc([[1]], logits)).round(4))
        [0.82]
    """
    return _ctc(real(_NAME, "y_true", y_true), floats(_NAME, "y_pred", y_pred), None)


@one_program()
def _ctc(t: Array, p: Array, live: Array | None) -> Array:
    if t.ndim != 2 or p.ndim != 3 or t.shape[0] != p.shape[0]:
        raise ValueError(
            f"{_NAME}: y_true {t.shape} and y_pred {p.shape} must be [batch, length] and [batch, frames, classes]: "
            "for other ranks use jaxloss.ctc_loss."
        )
    t = indices(t)
    lengths = jnp.sum(t != _BLANK, -1, dtype=jnp.int32)
    valid = (t >= 0) & (t < p.shape[-1])
    t = jnp.where(valid, t, jnp.full_like(t, _BLANK)).astype(jnp.int32)
    live = jnp.ones(p.shape[:2], bool) if live is None else live
    # Not the native loss, to which a blank among the labels is a mistake.
    values = numerics.ctc_nll(p, t, live, lengths, jnp.asarray(_BLANK, jnp.int32))
    rule = f"y_true must be from 0 to {p.shape[-1] - 1}"
    beyond = lax.broadcasted_iota(jnp.int32, t.shape, 1) >= lengths[:, None]
    return outside_is_nan(_NAME, values, lambda: jnp.all(valid | beyond, -1), rule)


@dataclass(eq=False)
class CTC(Form):
    """The class of `ctc`."""

    fn = staticmethod(ctc)
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "ctc"
    dtype: Any = None

    def _masked(self, y_true: Any, y_pred: Any, masks: list[Array]) -> Array:
        """The losses, of the frames that count where a mask is one of frames."""
        steps = y_pred.shape[:2]
        live = jnp.ones(steps, bool)
        for where in masks:
            kept = where[..., 0] if where.ndim == 3 and where.shape[-1] == 1 else where
            kept = jnp.broadcast_to(fitted(type(self).__name__, "mask", kept, steps, "frames"), steps)
            y_pred, live = without(kept, y_pred), live & kept
        return _ctc(y_true, floats(_NAME, "y_pred", y_pred), live)


__all__ = ["CTC", "ctc"]
