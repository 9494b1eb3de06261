"""A walk over frames that sums the alignments of a label sequence, and the walk back that gives their gradient.

The walk keeps two log-probabilities for each count n of labels passed: `rested`, of all alignments of the
frames so far that have passed n labels, and `ready`, of those that may emit label n in the next frame. Impossible is a
large negative number instead of minus infinity: sums of it stay impossible, and no difference of two is nan.

Each sum on the way is of two terms, and their shares in it are all that the gradient needs: back from the end, where
one count of labels is certain, they tell how probable each step was, given the label sequence. Such a probability is a
product of shares, without a logarithm, and what a frame emits adds up to 1.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import form
from jaxloss.numerics._row_sums import RowSums, log_probabilities, row_sums
from jaxloss.numerics._shapes import known
from jaxloss.numerics.elementary import log1p_near
from jaxloss.numerics.guarded import clip_positive_infinity

IMPOSSIBLE = -1e30
State = tuple[jax.Array, jax.Array]
Frames = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


@jax.custom_jvp
def log_add(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""$\log(e^a + e^b)$ of finite numbers, and the lesser term's share in the sum, negative if that term is a's."""
    gap = a - b
    e = jnp.exp(-jnp.abs(gap))
    lesser = jnp.maximum(e * (1 / (1 + e)), float(jnp.finfo(e.dtype).tiny))  # 0 has no sign
    return jnp.maximum(a, b) + log1p_near(e), jnp.where(gap >= 0, lesser, -lesser)


@log_add.defjvp
def _log_add_jvp(primals, tangents):
    value, lesser = log_add(*primals)
    of_a, of_b = _shares(lesser)
    a, b = tangents
    return (value, lesser), (of_a * a + of_b * b, of_a * of_b * (b - a))


def _shares(lesser: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The shares of a and of b, both with all their digits; of 0, all is a's."""
    of_b = lesser >= 0
    return jnp.where(of_b, 1 - lesser, -lesser), jnp.where(of_b, lesser, 1 + lesser)


def frames_of(x: jax.Array, labels: jax.Array, live: jax.Array, blank: jax.Array) -> tuple[Frames, jax.Array, RowSums]:
    """The logits of blank `[T, B, 1]` and of labels 1 to S `[T, B, S + 1]`, the largest of those, which frames count.

    A walk takes them relative to the largest, or it would drag the digits of all frames along; the sum over the frames
    of the largest one's log-probability comes with them, `[B]`.
    """
    sums = row_sums(x, -1)
    live = live[..., None]

    def logits(index: jax.Array) -> jax.Array:
        values = clip_positive_infinity(jnp.take_along_axis(x, index[:, None, :], -1))
        return jnp.swapaxes(jnp.where(live, values, jnp.zeros_like(values)), 0, 1)

    of_blank = logits(jnp.full_like(labels, blank, shape=(labels.shape[0], 1)))
    of_labels = jnp.pad(logits(labels), ((0, 0), (0, 0), (1, 0)), constant_values=-jnp.inf)
    best = jnp.maximum(of_blank, jnp.max(of_labels, -1, keepdims=True))
    logs = log_probabilities(jnp.swapaxes(best, 0, 1), sums)
    best = jnp.maximum(best, IMPOSSIBLE)
    total = jnp.sum(jnp.maximum(jnp.where(live, logs, jnp.zeros_like(logs)), IMPOSSIBLE), (1, 2))
    return (of_blank, of_labels, best, jnp.swapaxes(live, 0, 1)), total, sums


def is_repeated(labels: jax.Array) -> jax.Array:
    """Where label n + 1 is label n, `[B, S + 1]`: between the two a blank must come."""
    return jnp.pad(labels[:, 1:] == labels[:, :-1], ((0, 0), (1, 1)))[:, : labels.shape[1] + 1]


def walk(frames: Frames, repeated: jax.Array, *, with_shares: bool) -> tuple[State, Any]:
    """The state after all frames and, if they are to be kept, the lesser shares in both sums of each frame."""
    zero = 0 * jnp.sum(jnp.maximum(frames[1][:1], IMPOSSIBLE), 0)  # of the sharding of the frames
    n = lax.broadcasted_iota(jnp.int32, (1, zero.shape[1]), 1)
    rested, ready = (zero + jnp.where(n == first, 0, IMPOSSIBLE).astype(zero.dtype) for first in (0, 1))

    def step(state: State, frame: Frames) -> tuple[State, State | None]:
        rested, ready = state
        of_blank, of_labels, best, live = frame
        of_blank, of_labels = (jnp.maximum(a - best, IMPOSSIBLE) for a in (of_blank, of_labels))
        in_blank, in_label = rested + of_blank, ready + of_labels
        all_rested, of_rested = log_add(in_blank, in_label)
        before = jnp.where(repeated, in_blank, all_rested)
        all_ready, of_ready = log_add(in_label, _shifted(before, (1, 0), IMPOSSIBLE))
        after = jnp.where(live, all_rested, rested), jnp.where(live, all_ready, ready)
        if not with_shares:
            return after, None
        # In a frame that does not count, all of each state is what it was.
        nothing = jnp.zeros_like(rested)
        return after, (jnp.where(live, of_rested, nothing), jnp.where(live, of_ready, nothing))

    return lax.scan(step, (rested, ready), frames)


def _step_back(after: State, lesser: State, repeated: jax.Array) -> State:
    """From the probabilities of the states after a frame, given the label sequence, to those of what it emitted."""
    rested, ready = after
    rest_in_blank, rest_in_label = _shares(lesser[0])
    stay, move = _shares(lesser[1])
    moved = _shifted(ready * move, (0, 1), 0)
    nothing = jnp.zeros_like(moved)
    all_rested = rested + jnp.where(repeated, nothing, moved)
    in_blank = all_rested * rest_in_blank + jnp.where(repeated, moved, nothing)
    return in_blank, all_rested * rest_in_label + ready * stay


def _end(like: jax.Array, lengths: jax.Array) -> State:
    n = lax.broadcasted_iota(jnp.int32, (1, like.shape[2]), 1)
    nothing = 0 * jnp.sum(like[:1], 0)  # of the sharding of the shares
    return nothing + (n == lengths[:, None]).astype(like.dtype), nothing


def _posteriors_by_scan(lesser: State, repeated: jax.Array, lengths: jax.Array) -> State:
    """The same without writing in place, which a derivative would have to undo with copies of the whole array."""

    def step(after: State, lesser: State) -> tuple[State, State]:
        blank, label = emitted = _step_back(after, lesser, repeated)
        return emitted, (label, jnp.sum(blank, -1))

    return lax.scan(step, _end(lesser[1], lengths), lesser, reverse=True)[1]


@form(_posteriors_by_scan)
def posteriors_of(lesser: State, repeated: jax.Array, lengths: jax.Array) -> State:
    """The probabilities that a frame emits each label `[T, B, S + 1]`, or blank `[T, B]`, given the label sequence.

    They are written in place, over shares that have been read. Measured: jaxlib 0.10.2, gradient of ctc_loss
    32x500x128x100, the twin stores 28.3 MB and the form 21.7 MB.
    """
    return _posteriors_in_place(lesser, repeated, lengths)


@jax.custom_jvp
def _posteriors_in_place(lesser: State, repeated: jax.Array, lengths: jax.Array) -> State:
    """The probabilities that a frame emits each label `[T, B, S + 1]`, or blank `[T, B]`, given the label sequence.

    The loop puts them where shares were that it has done with.
    """
    of_rested, of_ready = lesser
    count = of_ready.shape[0]

    def step(i: jax.Array, carry: tuple[State, jax.Array, jax.Array]) -> tuple[State, jax.Array, jax.Array]:
        after, labels, blanks = carry
        t = count - 1 - i
        at = lambda a: lax.dynamic_index_in_dim(a, t, 0, keepdims=False)  # noqa: E731
        put = lambda a, row: lax.dynamic_update_index_in_dim(a, row, t, 0)  # noqa: E731
        emitted = _step_back(after, (at(of_rested), at(labels)), repeated)
        return emitted, put(labels, emitted[1]), put(blanks, jnp.sum(emitted[0], -1))

    blanks = 0 * of_rested[..., 0]
    if known(count) and not count:
        return of_ready, blanks
    _, labels, blanks = lax.fori_loop(0, count, step, (_end(of_ready, lengths), of_ready, blanks))
    return labels, blanks


@_posteriors_in_place.defjvp
def _posteriors_in_place_jvp(primals, tangents):
    return jax.jvp(_posteriors_by_scan, primals, tangents)


def _shifted(a: jax.Array, pad: tuple[int, int], fill: float) -> jax.Array:
    """Along the labels by one."""
    inner = a[:, :-1] if pad[0] else a[:, 1:]
    return jnp.pad(inner, ((0, 0), pad), constant_values=fill)


def at_length(a: jax.Array, lengths: jax.Array) -> jax.Array:
    """The element of each row at its length."""
    return jnp.take_along_axis(a, lengths[:, None], 1)[:, 0]
