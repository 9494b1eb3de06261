r"""The forward probabilities of label sequences: what the alignments of the first frames to the first labels add up to.

An alignment of the first t frames that has passed the first n labels ends in a blank or in label n. With $p_t$ the
probabilities of frame t, the two sums over such alignments are

$$b_t(n) = p_t(blank) (b_{t-1}(n) + l_{t-1}(n)), \quad
l_t(n) = p_t(y_n) (l_{t-1}(n) + b_{t-1}(n-1) + [y_n \ne y_{n-1}] l_{t-1}(n-1))$$

and are kept as logarithms, from $b_0(0) = 1$ on.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics.ctc_walk import IMPOSSIBLE, State, is_repeated, log_add
from jaxloss.numerics.guarded import gated
from jaxloss.numerics.log_sum_exp import log_softmax


def ctc_forward(x: jax.Array, labels: jax.Array, live: jax.Array, blank: jax.Array) -> State:
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
    passed = lax.broadcasted_iota(jnp.int32, (1, labels.shape[1] + 1), 1)
    zero = 0 * jnp.sum(of_blank[:1], 0)  # of the sharding of the frames
    start = zero + jnp.where(passed == 0, 0, IMPOSSIBLE).astype(zero.dtype)

    def step(state: State, frame: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[State, State]:
        in_blank, in_label = state
        of_blank, of_labels, live = frame
        rested = _either(in_blank, in_label)
        before = jnp.where(repeated, in_blank[:, :-1], rested[:, :-1])
        following = rested + of_blank, log_add(in_label, before)[0] + of_labels
        state = jax.tree.map(lambda new, old: jnp.where(live, new, old), following, state)
        return state, state

    last, sums = lax.scan(step, (start, start[:, 1:]), (of_blank, of_labels, jnp.swapaxes(live, 0, 1)[..., None]))
    in_blank = jnp.concatenate([sums[0][:-1], _either(*last)[None]])
    return _or_infinite(in_blank[: sums[0].shape[0]]), _or_infinite(sums[1])


def _either(in_blank: jax.Array, in_label: jax.Array) -> jax.Array:
    """The sums of the alignments that end in a blank or in a label."""
    return jnp.concatenate([in_blank[:, :1], log_add(in_blank[:, 1:], in_label)[0]], 1)


def _or_infinite(log: jax.Array) -> jax.Array:
    return jnp.where(log <= IMPOSSIBLE / 2, jnp.full_like(log, -jnp.inf), log)
