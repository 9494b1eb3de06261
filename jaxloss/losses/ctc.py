r"""Connectionist temporal classification: label sequences that are not aligned to the frames."""

import math
import operator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._check import floats, integers, kept, masked, number, real
from jaxloss._checked import valued
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Labels, Mask, Numbers, Scalar


def ctc_loss(
    logits: Floats,
    logit_paddings: Numbers,
    labels: Labels,
    label_paddings: Numbers,
    *,
    blank_id: int = 0,
    log_epsilon: Scalar = -1e5,
    zero_infinity: bool = False,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of a label sequence under all of its alignments to the frames.

    $$\ell = -\log \sum_{\pi \in \mathcal{B}^{-1}(y)} \prod_t \frac{e^{x_{t, \pi_t}}}{\sum_k e^{x_{t, k}}}$$

    where $\mathcal{B}$ merges the repetitions of an alignment $\pi$ and then drops its blanks. Any logits, minus
    infinity included; never negative. A sequence without an alignment (more labels than frames, a blank between two
    equal ones counted in, or none of finite logits) has an infinite loss and gradient 0. A label that is the blank or
    outside 0 to K - 1 has loss nan, as have label paddings that are not on the right.

    The gradient is the closed form, the softmax minus the posterior of each class; beyond it nothing of the size of the
    logits is held while it is computed but in passing.

    Args:
        logits: Unnormalised log-probabilities of the classes in each frame, `[..., frames, classes]`.
        logit_paddings: 1 for a frame that does not count, else 0, `[..., frames]`; anywhere. Such a frame is inert,
            even if it holds nan.
        labels: Class indices, `[..., length]`.
        label_paddings: 1 for a label that does not count, else 0, `[..., length]`; on the right.
        blank_id: The class index of the blank.
        log_epsilon: For optax's callers, and not used: the probability of the impossible is 0 here, not e^-100000.
        zero_infinity: Whether a sequence without an alignment has loss 0 instead of infinity.
        where: True where a sequence counts, `[...]`; what is masked has loss and gradient 0.

    Returns:
        One value per sequence, in nats: the shape of `labels` without its last axis.

    Raises:
        ValueError: Shapes that do not fit, a blank out of range.
        TypeError: Logits that are not floats, labels that are not integers.

    Example:
        >>> logits = jnp.log(jnp.array([[0.6, 0.4], [0.3, 0.7]]))  # two frames of blank and one symbol
        >>> loss = ctc_loss(logits, jnp.zeros(2), jnp.array([1]), jnp.zeros(1))
        >>> print(jnp.exp(-loss).round(4))  # all alignments but the one of two blanks
        0.82

    Source: Graves et al., "Connectionist Temporal Classification", 2006.
    """
    name = "ctc_loss"
    x = floats(name, "logits", logits)
    if x.ndim < 2:
        raise ValueError(f"{name}: logits {x.shape} need two axes at least, [..., frames, classes].")
    y = integers(name, "labels", labels)
    batch, classes = x.shape[:-2], x.shape[-1]
    if y.ndim != x.ndim - 1 or y.shape[:-1] != batch:
        raise ValueError(f"{name}: labels {y.shape} and logits {x.shape} do not fit: labels need shape {batch} + (S,).")
    live = _live(name, "logit_paddings", logit_paddings, x.shape[:-1])
    counted = _live(name, "label_paddings", label_paddings, y.shape)
    blank = _blank(name, blank_id, classes)
    number(name, "log_epsilon", log_epsilon, x.dtype)
    where = kept(name, where, batch)
    if where is not None:
        live, counted = live & where[..., None], counted & where[..., None]
    live = numerics.aligned_labels(x, live, (x.ndim - 1,))
    y, counted = (numerics.aligned_labels(x, a, (x.ndim - 2, x.ndim - 1)) for a in (y, counted))
    proper = (y >= 0) & (y < classes) & (y != blank)
    on_the_right = jnp.all(counted[..., :-1] >= counted[..., 1:], -1)
    y = jnp.where(proper & counted, y, jnp.full_like(y, blank)).astype(jnp.int32)
    lengths = jnp.sum(counted, -1, dtype=jnp.int32)
    if len(batch) != 1:
        x, y, live, lengths = (a.reshape(math.prod(batch), *a.shape[len(batch) :]) for a in (x, y, live, lengths))
    losses = numerics.ctc_nll(x, y, live, lengths, jnp.asarray(blank, jnp.int32)).reshape(batch)
    if zero_infinity:
        losses = jnp.where(jnp.isinf(losses), jnp.zeros_like(losses), losses)
    rule = f"labels must be from 0 to {classes - 1} and not the blank, {blank}"
    losses = valued(name, losses, lambda: jnp.all(proper | ~counted, -1), rule)
    losses = valued(name, losses, lambda: on_the_right, "label_paddings must be on the right")
    return masked(losses, where)


def _live(name: str, argument: str, paddings: Any, shape: tuple[int, ...]) -> Array:
    array = real(name, argument, paddings)
    if array.shape != shape:
        raise ValueError(
            f"{name}: {argument} {array.shape} do not fit: they need shape {shape}, 1 where padded, else 0."
        )
    return array == jnp.zeros((), array.dtype)


def _blank(name: str, blank_id: Any, classes: int) -> int:
    try:
        blank = operator.index(blank_id)
    except TypeError as error:
        raise TypeError(f"{name}: blank_id must be an integer, got {blank_id!r}.") from error
    if not 0 <= blank < classes:
        raise ValueError(
            f"{name}: blank_id {blank} is out of range: with {classes} classes it is from 0 to {classes - 1}."
        )
    return blank


@dataclass(frozen=True, kw_only=True)
class CTCLoss(Loss):
    """The class form of `ctc_loss`."""

    fn = staticmethod(ctc_loss)
    blank_id: int = 0
    log_epsilon: Scalar = -1e5
    zero_infinity: bool = False

    def losses(  # pyright: ignore[reportIncompatibleMethodOverride]: the arrays that it takes are named
        self,
        predictions: Floats,
        targets: Labels,
        *,
        logit_paddings: Numbers | None = None,
        label_paddings: Numbers | None = None,
        logit_lengths: Labels | None = None,
        label_lengths: Labels | None = None,
        where: Mask | None = None,
    ) -> Array:
        """One value per sequence, not reduced.

        Args:
            predictions: Logits, `[..., frames, classes]`.
            targets: Labels, `[..., length]`.
            logit_paddings: 1 for a frame that does not count, `[..., frames]`; every frame counts if left out.
            label_paddings: 1 for a label that does not count, `[..., length]`; every label counts if left out.
            logit_lengths: How many frames count, `[...]`, in place of their paddings.
            label_lengths: How many labels count, `[...]`, in place of their paddings.
            where: True where a sequence counts, `[...]`.

        Raises:
            ValueError: Both paddings and lengths of the same.
        """
        frames = _paddings("logit", jnp.shape(predictions)[:-1], logit_paddings, logit_lengths)
        labels = _paddings("label", jnp.shape(targets), label_paddings, label_lengths)
        return ctc_loss(predictions, frames, targets, labels, where=where, **self._options())


def _paddings(which: str, shape: tuple[int, ...], paddings: Any, lengths: Any) -> Any:
    if lengths is None:
        return jnp.zeros(shape, bool) if paddings is None else paddings
    if paddings is not None:
        raise ValueError(f"CTCLoss: give {which}_paddings or {which}_lengths, not both.")
    array = integers("CTCLoss", f"{which}_lengths", lengths)
    if array.shape != shape[:-1]:
        raise ValueError(f"CTCLoss: {which}_lengths must have shape {shape[:-1]}, got {array.shape}.")
    index = lax.broadcasted_iota(array.dtype, shape, len(shape) - 1)
    return index >= array[..., None]


__all__ = ["CTCLoss", "ctc_loss"]
