r"""The probability that frames say anything but a label sequence, exact however small it is.

Of a label sequence that is nearly certain, $-\log P = -\log(1 - Q)$ has all its digits in Q, the probability of all
other outcomes, and P has lost them. Q is a sum of positive terms: a walk back over the frames keeps the probability of
going wrong from here on, for each count n of labels passed, after a blank and after label n itself. In each frame the
walk goes wrong if a class is emitted that the state does not take, and the probability of those is added up without
those that it takes. So are the derivatives, which are sums of products of these, and need no rule.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._shapes import known

BLOCK = 8  # frames
State = tuple[jax.Array, jax.Array]
Frames = tuple["Emitted", jax.Array, jax.Array, jax.Array]


class Emitted(NamedTuple):
    """What frames emit: logits, which become probabilities block by block, and a probability."""

    labels: jax.Array  # of label n, [T, B, S + 1]; minus infinity for n = 0, anything beyond the length
    blank: jax.Array  # [T, B, 1]
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
        emitted: What the frames emit.
        base: What logits are relative to, and
        inverse: one over the sum of all classes' exponentials, `[T, B, 1]`.
        labels: Class indices in range, `[B, S]`.
        live: Which frames count, `[T, B, 1]`.
        lengths: How many labels count, `[B]`.
    """
    n = lax.broadcasted_iota(jnp.int32, (1, labels.shape[1] + 1), 1)
    current = jnp.where((n > 0) & (n <= lengths[:, None]), jnp.pad(labels, ((0, 0), (1, 0))), -1)
    following = jnp.pad(current[:, 1:], ((0, 0), (0, 1)), constant_values=-1)
    split = (current == following) & (current >= 0)  # a blank must come between the two
    table = _wrong(current, following).astype(base.dtype)
    apart = jnp.where(split, jnp.zeros_like(split, base.dtype), jnp.ones_like(split, base.dtype))

    def step(state: State, frame: tuple[jax.Array, ...]) -> tuple[State, None]:
        after_blank, after_label = state
        wrong, label, blank, live = frame
        rested = wrong + blank * after_blank
        moved = jnp.pad((label * after_label)[:, 1:], ((0, 0), (0, 1)))
        # After a blank label n is wrong too, unless it is the next one.
        before = rested + apart * label + moved, rested + label * after_label + apart * moved
        return _chosen(live, before, state), None

    # Derivatives keep the states between blocks of frames, and compute the rest again.
    @partial(jax.checkpoint, prevent_cse=False)
    def block(state: State, frames: Frames) -> tuple[State, None]:
        emitted, base, inverse, live = frames
        p = lambda logits: jnp.exp(logits - base) * inverse  # noqa: E731
        of_labels = p(jnp.where(current >= 0, emitted.labels, -jnp.inf))  # and so no slope in those that do not count
        wrong = emitted.others + jnp.einsum("tbj,bnj->tbn", of_labels, table, precision=lax.Precision.HIGHEST)
        return lax.scan(step, state, (wrong, of_labels, p(emitted.blank), live), reverse=True)[0], None

    short = 0 * jnp.sum(emitted.blank[:1], 0) + (n != lengths[:, None]).astype(base.dtype)
    (after_blank, _), _ = lax.scan(block, (short, short), _blocks((emitted, base, inverse, live)), reverse=True)
    return after_blank[:, 0]


def _chosen(live: jax.Array, one: State, other: State) -> State:
    return jnp.where(live, one[0], other[0]), jnp.where(live, one[1], other[1])


def _blocks(frames: Frames) -> Frames:
    """Arrays of frames as arrays of blocks of them, filled up with such as do not count."""
    count = frames[-1].shape[0]
    size, blocks = count, 1  # a symbolic number is not cut
    if known(count):
        size = _size(count)
        blocks = -(-count // size)
    fill = blocks * size - count if known(count) else 0
    fitted = lambda a: jnp.pad(a, ((0, fill), (0, 0), (0, 0))) if fill else a  # noqa: E731
    return jax.tree.map(lambda a: fitted(a).reshape(blocks, size, *a.shape[1:]), frames)


def _size(count: int) -> int:
    """How many frames a block has: a number that divides them, if there is one, so that nothing is copied."""
    fitting = (n for n in range(min(2 * BLOCK, count), BLOCK // 2, -1) if count % n == 0)
    return next(fitting, min(BLOCK, max(count, 1)))


def _wrong(current: jax.Array, following: jax.Array) -> jax.Array:
    """Where label j, counted once, is one that may not come after label n, `[B, n, j]`."""
    j = lax.broadcasted_iota(jnp.int32, (1, current.shape[1], current.shape[1]), 2)
    earlier = (current[:, :, None] == current[:, None, :]) & (lax.broadcasted_iota(jnp.int32, j.shape, 1) < j)
    first = (current >= 0) & ~jnp.any(earlier, 1)
    column = current[:, None, :]
    return first[:, None, :] & (column != current[:, :, None]) & (column != following[:, :, None])
