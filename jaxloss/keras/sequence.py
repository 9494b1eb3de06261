"""Keras' connectionist temporal classification."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxloss import losses
from jaxloss._check import real
from jaxloss._types import Array, Floats, Labels
from jaxloss.keras._loss import Form
from jaxloss.keras._pairs import indices


def ctc(y_true: Labels, y_pred: Floats) -> Array:
    r"""The negative log-likelihood of label sequences, $-\log \sum_\pi \prod_t p_{t, \pi_t}$ over their alignments.

    See `jaxloss.ctc_loss`.

    Args:
        y_true: Class indices, `[batch, length]`; 0 is the blank, and pads on the right. Floats that are whole
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
    t, p = real("ctc", "y_true", y_true), real("ctc", "y_pred", y_pred)
    if t.ndim != 2 or p.ndim != 3:
        raise ValueError(
            f"ctc: y_true {t.shape} and y_pred {p.shape} must be [batch, length] and [batch, frames, classes]: "
            "for other ranks use jaxloss.ctc_loss."
        )
    t = indices(t)
    return losses.CTCLoss().losses(p, t, label_lengths=jnp.sum(t != 0, -1, dtype=jnp.int32))


@dataclass(eq=False)
class CTC(Form):
    """The class of `ctc`."""

    fn = staticmethod(ctc)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = "ctc"
    dtype: Any = None


__all__ = ["CTC", "ctc"]
