r"""Connectionist temporal classification: the likelihood of label sequences without an alignment to the frames."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._options import number, option
from jaxloss._program import one_program
from jaxloss._types import Array, Floats, Labels, Mask, Numbers, Scalar
from jaxloss.losses.sequence._sequences import operands, sequences


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

    `-log(sum of p(path) over the paths that collapse to the labels)` with x = logits and p(path) the product over the
    frames t of `softmax(x[t])[path[t]]`.

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
    arrays = operands(
        name,
        logits=logits,
        labels=labels,
        logit_paddings=logit_paddings,
        label_paddings=label_paddings,
        logit_lengths=logit_lengths,
        label_lengths=label_lengths,
        where=where,
    )
    number(name, "log_epsilon", log_epsilon, jnp.float32)
    zero_infinity = option(name, "zero_infinity", zero_infinity)
    return _ctc_loss(arrays, name, option(name, "blank_id", blank_id), zero_infinity)


@one_program("name", "blank", "zero_infinity")
def _ctc_loss(arrays: dict[str, Any], name: str, blank: int, zero_infinity: bool) -> Array:
    given = sequences(name, arrays, blank)
    losses = numerics.ctc_nll(*given.flat, jnp.asarray(blank, jnp.int32)).reshape(given.batch)
    if zero_infinity:
        losses = jnp.where(jnp.isinf(losses), jnp.zeros_like(losses), losses)
    return given.answer(losses)


@class_form
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
