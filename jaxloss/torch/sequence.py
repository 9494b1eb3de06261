"""PyTorch's connectionist temporal classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

import jaxloss
from jaxloss import numerics
from jaxloss._arrays import integers
from jaxloss._domain import checked_only, outside_is_nan
from jaxloss._options import option
from jaxloss._types import Array, Floats, Labels
from jaxloss.torch._conventions import Reduction, chosen, operands, reduced
from jaxloss.torch._loss import Loss


def ctc_loss(
    log_probs: Floats,
    targets: Labels,
    input_lengths: Labels,
    target_lengths: Labels,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Array:
    r"""The negative log-likelihood of label sequences under all of their alignments to the frames.

    $$\ell = -\log \sum_{\pi \in \mathcal{B}^{-1}(y)} \prod_t p_{t, \pi_t}$$

    where $\mathcal{B}$ merges the repetitions of an alignment and then drops its blanks; see `jaxloss.ctc_loss`. The
    log-probabilities are normalised first, which changes nothing if they are log-probabilities. An infeasible sequence
    has an infinite loss and gradient 0.

    The reductions are `"none"`, `"mean"` (of the losses divided by their target lengths) and `"sum"`.

    Args:
        log_probs: Log-probabilities, `(T, N, C)`; `(T, C)` for a single sequence.
        targets: Class indices, padded `(N, S)`, or concatenated, of the length that the target lengths add up to. Of a
            single sequence `(S,)`. Padded ones take less memory where the lengths are not known while compiling.
        input_lengths: How many frames count, `(N,)`; `()` or `(1,)` for a single sequence.
        target_lengths: How many class indices count, `(N,)`; `()` or `(1,)` for a single sequence.
        blank: The class index of the blank.
        reduction: How the losses become one number, see above.
        zero_infinity: Whether an infeasible sequence has loss 0 instead of infinity.

    Returns:
        A scalar; with `"none"` one value per sequence, in nats. A label that is the blank or out of range, or a length
        out of range, makes the loss nan.

    Raises:
        ValueError: Shapes that do not fit, a blank out of range, an unknown reduction.
        TypeError: Log-probabilities that are not floats, targets or lengths that are not integers.

    Example:
        >>> log_probs = jnp.log(jnp.array([[[0.6, 0.4]], [[0.3, 0.7]]]))  # two frames of blank and one symbol
        >>> print(jnp.exp(-ctc_loss(log_probs, jnp.array([[1]]), (2,), (1,))).round(4))
        0.82
    """
    name = "ctc_loss"
    reduction = chosen(name, reduction)
    blank, zero_infinity = option(name, "blank", blank), option(name, "zero_infinity", zero_infinity)
    (x,), dtype = operands(name, log_probs=log_probs)
    if x.ndim not in (2, 3):
        raise ValueError(f"{name}: log_probs must have shape (T, N, C) or (T, C), got {x.shape}.")
    single, y = x.ndim == 2, integers(name, "targets", targets)
    x = x[None] if single else jnp.swapaxes(x, 0, 1)
    batch, frames, _ = x.shape
    y = y[None] if single and y.ndim == 1 else y
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[0] != batch):
        raise ValueError(f"{name}: targets must be padded, ({batch}, S), or concatenated, got shape {y.shape}.")
    heard = _lengths(name, "input_lengths", input_lengths, batch, single)
    said = _lengths(name, "target_lengths", target_lengths, batch, single)
    inside = (heard >= 0) & (heard <= frames) & (said >= 0)
    inside &= said <= y.shape[1] if y.ndim == 2 else jnp.sum(said) == y.size
    y = y if y.ndim == 2 else _padded(y, said, frames)
    if blank >= x.shape[-1]:
        raise ValueError(f"{name}: blank {blank} is out of range: with {x.shape[-1]} classes it is below that.")
    loss = jaxloss.CTCLoss(blank_id=blank, zero_infinity=zero_infinity)
    # The lengths are clipped, so that the error for them below is in PyTorch's names.
    counts = {"logit_lengths": jnp.clip(heard, 0, frames), "label_lengths": jnp.clip(said, 0, y.shape[1])}
    y = checked_only(
        name, y, lambda: _symbols_fit(y, said, x.shape[-1], blank), _SYMBOLS.format(x.shape[-1] - 1, blank)
    )
    values = loss.losses(x, y, **counts)
    values = outside_is_nan(name, values, lambda: inside, "lengths must not be beyond log_probs or targets")
    if reduction == "mean":
        values = values / jnp.maximum(said, 1).astype(values.dtype)
    return reduced(values[0] if single else values, reduction, dtype)


_SYMBOLS = "targets must be from 0 to {} and not the blank, {}"


def _symbols_fit(y: Array, lengths: Array, classes: int, blank: int) -> Array:
    beyond = lax.broadcasted_iota(lengths.dtype, y.shape, 1) >= lengths[:, None]
    return beyond | (y >= 0) & (y < classes) & (y != blank)


def _lengths(name: str, argument: str, x: Any, batch: int, single: bool) -> Array:
    array = integers(name, argument, x)
    if array.shape != (batch,) and not (single and array.ndim == 0):
        raise ValueError(f"{name}: {argument} must have shape ({batch},), got {array.shape}.")
    return array.reshape(batch)


def _padded(y: Array, lengths: Array, frames: int) -> Array:
    """Concatenated targets as padded ones."""
    # A sequence with more labels than frames has no alignment, so that its first frames + 1 labels are enough.
    index = jnp.arange(min(y.size, frames + 1), dtype=lengths.dtype)
    starts = jnp.cumsum(lengths) - lengths
    return numerics.look_up(jnp.append(y, jnp.zeros_like(y, shape=1)), starts[:, None] + index[None])


@dataclass(frozen=True)
class CTCLoss(Loss):
    """The class form of `functional.ctc_loss`."""

    fn = staticmethod(ctc_loss)
    blank: int = 0
    reduction: Reduction = "mean"
    zero_infinity: bool = False

    def __call__(self, log_probs: Floats, targets: Labels, input_lengths: Labels, target_lengths: Labels) -> Array:
        """The reduced loss."""
        return self.forward(log_probs, targets, input_lengths, target_lengths)


__all__ = ["CTCLoss", "ctc_loss"]
