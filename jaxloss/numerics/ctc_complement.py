r"""The probability Q that the frames emit anything but a label sequence, exact however small it is.

The loss of a nearly certain label sequence is $-\log(1 - Q)$, which needs the digits of Q; 1 - P has lost them. Q is a
sum of positive terms. Let $u_n$ be the probability that the frames from here on emit anything but the rest of the
sequence, after its first n labels and a blank, and $v_n$ the same after label n itself. They are computed from the
last frame to the first. In a frame, let $p_0$ be the probability of the blank, $p_n$ that of label n, and $w_n$ that of
all classes but the blank and the labels n and n + 1. With $d_n = 0$ if these two labels are equal, else 1,

$$u_n = w_n + p_0 u_n' + d_n p_n + p_{n+1} v_{n+1}', \quad v_n = w_n + p_0 u_n' + p_n v_n' + d_n p_{n+1} v_{n+1}'$$

where a prime is the next frame's value. After the last frame both are 0 if n is the length of the sequence, else 1; and
Q is $u_0$ before the first. No term is a difference, so that derivatives of these sums are exact without a rule.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._shapes import known

BLOCK = 8  # frames
State = tuple[jax.Array, jax.Array]  # u and v
Frames = tuple["Emitted", jax.Array, jax.Array, jax.Array]


class Emitted(NamedTuple):
    """The logits of labels and blank, which become probabilities block by block, and the probability of the others."""

    labels: jax.Array  # the logit of label n, [T, B, S + 1]; minus infinity for n = 0, anything beyond the length
    blank: jax.Array  # the logit of the blank, [T, B, 1]
    others: jax.Array  # the probability of all classes that are neither the blank nor a label, [T, B, 1]


def complement_probability(
    emitted: Emitted,
    base: jax.Array,
    inverse: jax.Array,
    labels: jax.Array,
    live: jax.Array,
    lengths: jax.Array,
) -> jax.Array:
    """Q of each sequence, `[B]`.

    Args:
        emitted: The logits and the probability that the frames have.
        base: The number that is subtracted from the logits of a frame before the exponential, `[T, B, 1]`.
        inverse: One over the sum of the exponentials of all classes, `[T, B, 1]`.
        labels: Class indices in range, `[B, S]`.
        live: Which frames count, `[T, B, 1]`.
        lengths: The length of each label sequence, `[B]`.
    """
    n = lax.broadcasted_iota(jnp.int32, (1, labels.shape[1] + 1), 1)
    current = jnp.where((n > 0) & (n <= lengths[:, None]), jnp.pad(labels, ((0, 0), (1, 0))), -1)
    following = jnp.pad(current[:, 1:], ((0, 0), (0, 1)), constant_values=-1)
    different = ((current != following) | (current < 0)).astype(base.dtype)  # d_n
    table = _wrong(current, following).astype(base.dtype)

    def step(state: State, frame: tuple[jax.Array, ...]) -> tuple[State, None]:
        u, v = state
        wrong, label, blank, live = frame
        same = wrong + blank * u
        moved = jnp.pad((label * v)[:, 1:], ((0, 0), (0, 1)))
        before = same + different * label + moved, same + label * v + different * moved
        return (jnp.where(live, before[0], u), jnp.where(live, before[1], v)), None

    # For derivatives, the states between blocks of frames are stored, and those inside a block computed again.
    @partial(jax.checkpoint, prevent_cse=False)
    def block(state: State, frames: Frames) -> tuple[State, None]:
        emitted, base, inverse, live = frames
        p = lambda logits: jnp.exp(logits - base) * inverse  # noqa: E731
        of_labels = p(jnp.where(current >= 0, emitted.labels, -jnp.inf))  # labels beyond the length have no slope
        wrong = emitted.others + jnp.einsum("tbj,bnj->tbn", of_labels, table, precision=lax.Precision.HIGHEST)
        return lax.scan(step, state, (wrong, of_labels, p(emitted.blank), live), reverse=True)[0], None

    end = 0 * jnp.sum(emitted.blank[:1], 0) + (n != lengths[:, None]).astype(base.dtype)  # sharded as the frames are
    (u, _), _ = lax.scan(block, (end, end), _blocks((emitted, base, inverse, live)), reverse=True)
    return u[:, 0]


def _blocks(frames: Frames) -> Frames:
    """Arrays of frames as arrays of blocks of frames; frames that do not count fill up the last block."""
    count = frames[-1].shape[0]
    size, blocks = count, 1  # a symbolic number of frames cannot be cut into blocks
    if known(count):
        size = _size(count)
        blocks = -(-count // size)
    fill = blocks * size - count if known(count) else 0
    fitted = lambda a: jnp.pad(a, ((0, fill), (0, 0), (0, 0))) if fill else a  # noqa: E731
    return jax.tree.map(lambda a: fitted(a).reshape(blocks, size, *a.shape[1:]), frames)


def _size(count: int) -> int:
    """The number of frames in a block, which divides the number of frames if it can: then nothing is padded."""
    fitting = (n for n in range(min(2 * BLOCK, count), BLOCK // 2, -1) if count % n == 0)
    return next(fitting, min(BLOCK, max(count, 1)))


def _wrong(current: jax.Array, following: jax.Array) -> jax.Array:
    """1 where label j is the first of its class, and neither label n nor label n + 1, `[B, n, j]`."""
    j = lax.broadcasted_iota(jnp.int32, (1, current.shape[1], current.shape[1]), 2)
    earlier = (current[:, :, None] == current[:, None, :]) & (lax.broadcasted_iota(jnp.int32, j.shape, 1) < j)
    first = (current >= 0) & ~jnp.any(earlier, 1)
    column = current[:, None, :]
    return first[:, None, :] & (column != current[:, :, None]) & (column != following[:, :, None])
