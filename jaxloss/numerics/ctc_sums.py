r"""The forward probabilities of label sequences: what the alignments of the first frames to the first labels add up to.

An alignment of the first t frames that has passed the first n labels ends in a blank or in label n. With $p_t$ the
probabilities of frame t, the two sums over such alignments are

$$b_t(n) = p_t(blank) (b_{t-1}(n) + l_{t-1}(n)), \quad
l_t(n) = p_t(y_n) (l_{t-1}(n) + b_{t-1}(n-1) + [y_n \ne y_{n-1}] l_{t-1}(n-1))$$

and are kept as logarithms, from $b_0(0) = 1$ on.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled
from jaxloss.numerics.ctc_walk import IMPOSSIBLE, is_repeated, log_add
from jaxloss.numerics.guarded import gated
from jaxloss.numerics.log_sum_exp import log_softmax


class Ends(NamedTuple):
    """The logarithms of the sums of the alignments that end in a blank, and of those that end in a label."""

    blank: jax.Array
    label: jax.Array


def ctc_forward(x: jax.Array, labels: jax.Array, live: jax.Array, blank: jax.Array) -> Ends:
    r"""$\log b_t(n)$ for n from 0, `[T, B, S + 1]`, and $\log l_t(n)$ for n from 1, `[T, B, S]`.

    The last frame's first sums are $\log (b_T(n) + l_T(n))$, the log-probabilities of the label sequences themselves.
    A sum without an alignment is minus infinity; a frame that does not count leaves both as they were.

    Args:
        x: Logits, `[B, T, K]`; anything in frames that do not count.
        labels: Class indices in range, `[B, S]`.
        live: Which frames count, `[B, T]`.
        blank: The class index of the blank.
    """
    logs = log_softmax(gated(x, live[..., None]))

    def of(index: jax.Array) -> jax.Array:
        chosen = jnp.take_along_axis(logs, index[:, None, :], -1)
        chosen = jnp.where(live[..., None], chosen, jnp.zeros_like(chosen))
        return jnp.swapaxes(jnp.maximum(chosen, IMPOSSIBLE), 0, 1)

    of_blank, of_labels = of(jnp.full_like(labels, blank, shape=(labels.shape[0], 1))), of(labels)
    repeated = is_repeated(labels)[:, : labels.shape[1]]
    n = lax.broadcasted_iota(jnp.int32, (1, labels.shape[1] + 1), 1)
    zero = 0 * jnp.sum(of_blank[:1], 0)  # sharded as the frames are
    start = zero + jnp.where(n == 0, 0, IMPOSSIBLE).astype(zero.dtype)

    def step(ends: Ends, frame: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Ends, Ends]:
        of_blank, of_labels, live = frame
        passed = _either(ends)
        before = jnp.where(repeated, ends.blank[:, :-1], passed[:, :-1])
        following = Ends(passed + of_blank, log_add(ends.label, before)[0] + of_labels)
        ends = jax.tree.map(lambda new, old: jnp.where(live, new, old), following, ends)
        return ends, ends

    frames = of_blank, of_labels, jnp.swapaxes(live, 0, 1)[..., None]
    last, sums = lax.scan(step, Ends(start, start[:, 1:]), frames)
    of_sequences = jnp.concatenate([sums.blank[:-1], _either(last)[None]])
    return Ends(_or_infinite(of_sequences[: sums.blank.shape[0]]), _or_infinite(sums.label))


def _either(ends: Ends) -> jax.Array:
    """The logarithms of the sums of the alignments that end in either, `[B, S + 1]`."""
    return jnp.concatenate([ends.blank[:, :1], log_add(ends.blank[:, 1:], ends.label)[0]], 1)


def _or_infinite(log: jax.Array) -> jax.Array:
    return jnp.where(log <= IMPOSSIBLE / 2, filled(log, -jnp.inf), log)
