r"""Connectionist temporal classification: the likelihood of label sequences without an alignment to the frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import floats, integers, real
from jaxloss._domain import outside_is_nan
from jaxloss._loss import Loss
from jaxloss._masks import kept, masked
from jaxloss._options import number, option
from jaxloss._program import one_program
from jaxloss._types import Array, Floats, Labels, Mask, Numbers, Scalar


def ctc_loss(
    logits: Floats,
    logit_paddings: Numbers | None,
    labels: Labels,
    label_paddings: Numbers | None,
    *,
    blank_id: int = 0,
    log_epsilon: Scalar = -1e5,
    zero_infinity: bool = False,
    logit_lengths: Labels | None = None,
    label_lengths: Labels | None = None,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of a label sequence under all of its alignments to the frames.

    $$\ell = -\log \sum_{\pi \in \mathcal{B}^{-1}(y)} \prod_t \frac{e^{x_{t, \pi_t}}}{\sum_k e^{x_{t, k}}}$$

    where $\mathcal{B}$ merges the repetitions of an alignment $\pi$ and then drops its blanks. Any logits, minus
    infinity included; never negative. A sequence without an alignment (more labels than frames, a blank between two
    equal ones counted in, or none of finite logits) has an infinite loss and gradient 0. A label that is the blank or
    outside 0 to K - 1 has loss nan and gradient 0, as have label paddings that are not on the right, and a length below
    0 or above what there is.

    The gradient is the closed form, the softmax minus the posterior of each class; while it is computed, no other
    array of the size of the logits is kept.

    Args:
        logits: Unnormalised log-probabilities of the classes in each frame, `[..., frames, classes]`.
        logit_paddings: 1 for a frame that does not count, else 0, `[..., frames]`; anywhere. Such a frame is inert,
            even if it holds nan. None if every frame counts, or their lengths are given.
        labels: Class indices, `[..., length]`.
        label_paddings: 1 for a label that does not count, else 0, `[..., length]`; on the right. None as above.
        blank_id: The class index of the blank.
        log_epsilon: For optax's callers, and not used: the probability of the impossible is 0 here, not e^-100000.
        zero_infinity: Whether a sequence without an alignment has loss 0 instead of infinity.
        logit_lengths: How many frames count, from the first on, `[...]`, in place of `logit_paddings`.
        label_lengths: How many labels count, `[...]`, in place of `label_paddings`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per sequence, in nats: the shape of `labels` without its last axis.

    Raises:
        ValueError: Shapes that do not fit, a blank out of range, both paddings and lengths of the same.
        TypeError: Logits that are not floats, labels or lengths that are not integers.

    Example:
        >>> logits = jnp.log(jnp.array([[0.6, 0.4], [0.3, 0.7]]))  # two frames of blank and one symbol
        >>> loss = ctc_loss(logits, jnp.zeros(2), jnp.array([1]), jnp.zeros(1))
        >>> print(jnp.exp(-loss).round(4))  # all alignments but the one of two blanks
        0.82

    Source: Graves et al., "Connectionist Temporal Classification", 2006.
    """
    name = "ctc_loss"
    operands = {
        "logits": logits,
        "labels": labels,
        "logit_paddings": logit_paddings,
        "label_paddings": label_paddings,
        "logit_lengths": logit_lengths,
        "label_lengths": label_lengths,
        "where": where,
    }
    operands = {k: None if v is None else real(name, k, v) for k, v in operands.items()}
    number(name, "log_epsilon", log_epsilon, jnp.float32)
    zero_infinity = option(name, "zero_infinity", zero_infinity)
    return _ctc_loss(operands, name, option(name, "blank_id", blank_id), zero_infinity)


@one_program("name", "blank", "zero_infinity")
def _ctc_loss(arrays: dict[str, Any], name: str, blank: int, zero_infinity: bool) -> Array:
    x = floats(name, "logits", arrays["logits"])
    if x.ndim < 2:
        raise ValueError(f"{name}: logits {x.shape} need two axes at least, [..., frames, classes].")
    x = numerics.replicated(x, (x.ndim - 2, x.ndim - 1))  # on explicit meshes: a walk looks classes up frame by frame
    y = integers(name, "labels", arrays["labels"])
    batch, classes = x.shape[:-2], x.shape[-1]
    if y.ndim != x.ndim - 1 or y.shape[:-1] != batch:
        raise ValueError(f"{name}: labels {y.shape} and logits {x.shape} do not fit: labels need shape {batch} + (S,).")
    if blank < 0 or (numerics.known(classes) and blank >= classes):
        raise ValueError(
            f"{name}: blank_id {blank} is out of range: with {classes} classes it is from 0 to {classes - 1}."
        )
    frames = _counted(name, "logit", x.shape[:-1], arrays)
    symbols = _counted(name, "label", y.shape, arrays)
    where = kept(name, arrays["where"], batch)
    live, counted = frames.mask, symbols.mask
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
    rules = [
        (jnp.all(proper | ~counted, -1), f"labels must be from 0 to {classes - 1} and not the blank, {blank}"),
        (on_the_right, "label_paddings must be on the right"),
        *_some_class(blank, classes, batch),
        *frames.rules("logit"),
        *symbols.rules("label"),
    ]
    for holds, rule in rules:
        inside = holds if where is None else holds | ~where
        losses = outside_is_nan(name, losses, lambda inside=inside: inside, rule)
    return masked(losses, where)


def _some_class(blank: int, classes: Any, batch: tuple[Any, ...]) -> list[tuple[Array, str]]:
    """Where the blank is a class, of a number of classes that is symbolic: it is known when the program is called."""
    if not blank or numerics.known(classes):
        return []
    found = jnp.asarray(blank, jnp.int32) < jnp.asarray(classes, jnp.int32)
    return [(jnp.broadcast_to(found, batch), f"blank_id {blank} must be below the number of classes")]


class Counted(NamedTuple):
    """A mask of the elements of a sequence that count, and the lengths that it comes from, if they were given."""

    mask: Array
    lengths: Array | None

    def rules(self, which: str) -> list[tuple[Array, str]]:
        """Pairs of a mask of the possible lengths and the message for one that is not."""
        if self.lengths is None:
            return []
        most = self.mask.shape[-1]
        return [((self.lengths >= 0) & (self.lengths <= most), f"{which}_lengths must be from 0 to {most}")]


def _counted(name: str, which: str, shape: tuple[Any, ...], arrays: dict[str, Any]) -> Counted:
    paddings, lengths = arrays[f"{which}_paddings"], arrays[f"{which}_lengths"]
    if paddings is not None and lengths is not None:
        raise ValueError(f"{name}: give {which}_paddings or {which}_lengths, not both.")
    if lengths is None:
        return Counted(jnp.ones(shape, bool) if paddings is None else _live(name, which, paddings, shape), None)
    array = integers(name, f"{which}_lengths", lengths)
    if array.shape != shape[:-1]:
        raise ValueError(
            f"{name}: {which}_lengths {array.shape} do not fit: they need shape {shape[:-1]}, one for each sequence."
        )
    return Counted(lax.broadcasted_iota(array.dtype, shape, len(shape) - 1) < array[..., None], array)


def _live(name: str, which: str, paddings: Any, shape: tuple[int, ...]) -> Array:
    array = real(name, f"{which}_paddings", paddings)
    if array.shape != shape:
        raise ValueError(
            f"{name}: {which}_paddings {array.shape} do not fit: they need shape {shape}, 1 where padded, else 0."
        )
    return array == jnp.zeros((), array.dtype)


@dataclass(frozen=True, kw_only=True)
class CTCLoss(Loss):
    """Connectionist temporal classification: the class form of `ctc_loss`."""

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
        """
        arrays = {"logit_lengths": logit_lengths, "label_lengths": label_lengths, "where": where}
        return ctc_loss(predictions, logit_paddings, targets, label_paddings, **arrays, **self._options())


__all__ = ["CTCLoss", "ctc_loss"]
