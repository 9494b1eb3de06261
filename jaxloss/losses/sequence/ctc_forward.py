r"""Connectionist temporal classification with its forward probabilities, as optax returns them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._options import number, option
from jaxloss._program import one_program
from jaxloss._types import Array, Floats, Labels, Numbers, Scalar
from jaxloss.losses.sequence._sequences import operands, sequences


def ctc_loss_with_forward_probs(
    logits: Floats,
    logit_paddings: Numbers | None,
    labels: Labels,
    label_paddings: Numbers | None,
    *,
    blank_id: int = 0,
    log_epsilon: Scalar = -1e5,
) -> tuple[Array, Array, Array]:
    r"""`ctc_loss`, and the log-probabilities of the first frames' alignments to the first labels.

    `alpha_blank(t, n) = sum(prod(p[s, path[s]] for s <= t) for paths with path[t] == blank)` with p = softmax(logits),
    and `alpha_label(t, n)` is the same sum over the paths with `path[t] == y[n]`, where y = labels.

    $$\alpha_{blank}(t, n) = \sum_{\pi: \pi_t = blank} \prod_{s \le t} p_s(\pi_s), \quad
    \alpha_{label}(t, n) = \sum_{\pi: \pi_t = y_n} \prod_{s \le t} p_s(\pi_s)$$

    over the alignments $\pi$ of the first t frames to the first n labels, p the softmax of the logits. As in optax, the
    last frame's $\alpha_{blank}$ has $\alpha_{label}$ added to it: its element n is the likelihood of the first n
    labels. A frame that does not count repeats the sums of the frame before it.

    The domain is that of `ctc_loss`, and a sequence outside of it has nan in all three results. For the loss alone
    `ctc_loss` is faster and takes less memory: here an array of the size of the logits is kept for the gradient.

    Args:
        logits: Unnormalised log-probabilities of the classes in each frame, `[..., frames, classes]`.
        logit_paddings: 1 for a frame that does not count, else 0, `[..., frames]`; anywhere. None if all do.
        labels: Class indices, `[..., length]`.
        label_paddings: 1 for a label that does not count, else 0, `[..., length]`; on the right. None as above.
        blank_id: The class index of the blank.
        log_epsilon: What stands for the logarithm of 0 in the forward probabilities, minus infinity if wanted; labels
            that do not count have it too.

    Returns:
        One loss per sequence, in nats; $\log \alpha_{blank}$ for 0 labels and more, `[frames, ..., length + 1]`; and
        $\log \alpha_{label}$ for 1 label and more, `[frames, ..., length]`.

    Raises:
        ValueError: Shapes that do not fit, a blank out of range.
        TypeError: Logits that are not floats, labels that are not integers.

    Example:
        >>> logits = jnp.log(jnp.array([[0.6, 0.4], [0.3, 0.7]]))  # two frames of blank and one symbol
        >>> loss, of_blank, of_label = ctc_loss_with_forward_probs(logits, None, jnp.array([1]), None)
        >>> print(f"{jnp.exp(-loss):.2f} {jnp.exp(of_blank[0, 0]):.2f} {jnp.exp(of_label[1, 0]):.2f}")
        0.82 0.60 0.70

    Source: Graves et al., "Connectionist Temporal Classification", 2006.
    """
    name = "ctc_loss_with_forward_probs"
    arrays = operands(
        name,
        logits=logits,
        labels=labels,
        logit_paddings=logit_paddings,
        label_paddings=label_paddings,
    )
    epsilon = number(name, "log_epsilon", log_epsilon, jnp.float32)
    return _with_forward_probs(arrays, epsilon, name, option(name, "blank_id", blank_id))


@one_program("name", "blank")
def _with_forward_probs(arrays: dict[str, Any], epsilon: Array, name: str, blank: int) -> tuple[Array, Array, Array]:
    given = sequences(name, arrays, blank)
    x, labels, live, lengths = given.flat
    index = jnp.asarray(blank, jnp.int32)
    losses = numerics.ctc_nll(x, labels, live, lengths, index).reshape(given.batch)

    def logs(sums: Array, first: int) -> Array:
        labels_passed = first + lax.broadcasted_iota(jnp.int32, sums.shape, 2)
        possible = (labels_passed <= lengths[None, :, None]) & (sums != -jnp.inf)
        sums = jnp.where(possible, sums, epsilon.astype(sums.dtype))
        sums = jnp.moveaxis(sums, -1, 1).reshape(sums.shape[0], sums.shape[-1], *given.batch)
        return jnp.moveaxis(given.answer(sums), 1, -1)

    in_blank, in_label = numerics.ctc_forward(x, labels, live, index)
    return given.answer(losses), logs(in_blank, 0), logs(in_label, 1)


__all__ = ["ctc_loss_with_forward_probs"]
