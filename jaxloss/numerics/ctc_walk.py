r"""A walk over the frames that sums the alignments of a label sequence, and the walk back that gives their gradient.

Let $a_n$ be the probability that the frames so far have emitted exactly the labels 1 to n (`passed`), and $c_n$ that
of those alignments after which the next frame may emit label n (`ready`). A frame in which the blank has probability
$p_0$ and label n probability $p_n$ changes them to

$$a_n' = a_n p_0 + c_n p_n, \quad c_n' = c_n p_n + \begin{cases} a_{n-1} p_0 & \text{if label n is label n - 1} \\
    a_{n-1}' & \text{else,} \end{cases}$$

since a blank must separate two equal labels. At the end the probability of the sequence is $a_n$ at its length n.

All of this is computed in logarithms. An impossible event has a large negative number as its logarithm, not minus
infinity: sums of such numbers stay impossible, and no difference of two is nan.

Each sum has two terms, and the gradient needs only the share of each term in its sum. The walk back begins at the end,
where the state is certain, and multiplies shares: that gives the posterior probability, given the label sequence, of
each term of each frame, without a logarithm. What a frame emits has posteriors that add up to 1.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import form
from jaxloss.numerics._row_sums import RowSums, log_probabilities, row_sums
from jaxloss.numerics._shapes import known
from jaxloss.numerics.elementary import log1p_near
from jaxloss.numerics.guarded import clip_positive_infinity

IMPOSSIBLE = -1e30


class Frames(NamedTuple):
    """The logits that a walk needs, time first."""

    blank: jax.Array  # the logit of the blank, [T, B, 1]
    labels: jax.Array  # the logits of labels 1 to S, and minus infinity before them, [T, B, S + 1]
    best: jax.Array  # the largest of those, [T, B, 1]
    live: jax.Array  # which frames count, [T, B, 1]


class State(NamedTuple):
    """Two values for each number n of labels, `[B, S + 1]`: logarithms, posteriors, or shares in the two sums."""

    passed: jax.Array  # a_n
    ready: jax.Array  # c_n


class Posteriors(NamedTuple):
    """The probability, given the label sequence, that a frame emits each label or the blank."""

    labels: jax.Array  # [T, B, S + 1]
    blank: jax.Array  # [T, B]


@jax.custom_jvp
def log_add(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""$\log(e^a + e^b)$ of finite numbers, and the share of its lesser term, with a minus sign if that term is a's.

    The share is $e^{-|a - b|} / (1 + e^{-|a - b|})$. The greater term's is 1 less it, so no digit of either is lost.
    """
    gap = a - b
    e = jnp.exp(-jnp.abs(gap))
    lesser = jnp.maximum(e / (1 + e), float(jnp.finfo(e.dtype).tiny))  # not 0, which has no sign
    return jnp.maximum(a, b) + log1p_near(e), jnp.where(gap >= 0, lesser, -lesser)


@log_add.defjvp
def _log_add_jvp(primals, tangents):
    value, lesser = log_add(*primals)
    of_a, of_b = _shares(lesser)
    a, b = tangents
    return (value, lesser), (of_a * a + of_b * b, of_a * of_b * (b - a))


def _shares(lesser: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The shares of a and of b from the second result of `log_add`; a lesser share of 0 gives a all of the sum."""
    is_b = lesser >= 0
    return jnp.where(is_b, 1 - lesser, -lesser), jnp.where(is_b, lesser, 1 + lesser)


def frames_of(x: jax.Array, labels: jax.Array, live: jax.Array, blank: jax.Array) -> tuple[Frames, jax.Array, RowSums]:
    """The frames of a walk, the sum over them of the largest logit's log-probability, `[B]`, and the sums of the rows.

    A walk takes the logits relative to the largest one. Its logarithms then stay small, and keep digits which they
    would lose if the log-probabilities of all frames were added up in them.
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
    total = jnp.sum(jnp.maximum(jnp.where(live, logs, jnp.zeros_like(logs)), IMPOSSIBLE), (1, 2))
    return Frames(of_blank, of_labels, jnp.maximum(best, IMPOSSIBLE), jnp.swapaxes(live, 0, 1)), total, sums


def is_repeated(labels: jax.Array) -> jax.Array:
    """Where label n + 1 equals label n, `[B, S + 1]`: a blank must separate the two."""
    return jnp.pad(labels[:, 1:] == labels[:, :-1], ((0, 0), (1, 1)))[:, : labels.shape[1] + 1]


def walk(frames: Frames, repeated: jax.Array, *, with_shares: bool) -> tuple[State, Any]:
    """The logarithms of the state after all frames and, on request, the lesser share in both sums of each frame."""
    zero = 0 * jnp.sum(jnp.maximum(frames.labels[:1], IMPOSSIBLE), 0)  # sharded as the frames are
    n = lax.broadcasted_iota(jnp.int32, (1, zero.shape[1]), 1)
    # At first no label is passed, and the first frame may emit label 1.
    start = State(*(zero + jnp.where(n == first, 0, IMPOSSIBLE).astype(zero.dtype) for first in (0, 1)))

    def step(state: State, frame: Frames) -> tuple[State, State | None]:
        of_blank, of_labels = (jnp.maximum(a - frame.best, IMPOSSIBLE) for a in (frame.blank, frame.labels))
        in_blank, in_label = state.passed + of_blank, state.ready + of_labels
        passed, share_in_passed = log_add(in_blank, in_label)
        before = jnp.where(repeated, in_blank, passed)
        ready, share_in_ready = log_add(in_label, _padded_shift(before, (1, 0), IMPOSSIBLE))
        after = State(jnp.where(frame.live, passed, state.passed), jnp.where(frame.live, ready, state.ready))
        if not with_shares:
            return after, None
        # A frame that does not count leaves the state as it was: the first term has all of each sum.
        zeros = jnp.zeros_like(state.passed)
        shares = jnp.where(frame.live, share_in_passed, zeros), jnp.where(frame.live, share_in_ready, zeros)
        return after, State(*shares)

    return lax.scan(step, start, frames)


def _step_back(after: State, lesser: State, repeated: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The posteriors of emitting the blank and each label in a frame, which are those of the state before it.

    They are sums of the posteriors of the state after the frame, times shares: $a_n p_0$ is a term of $a_n'$, and of
    $c_{n+1}'$ too if labels n and n + 1 are equal, else $a_n'$ itself is one; $c_n p_n$ is a term of $a_n'$ and $c_n'$.
    """
    blank_share, label_share = _shares(lesser[0])
    stay_share, move_share = _shares(lesser[1])
    moved = _padded_shift(after[1] * move_share, (0, 1), 0)
    zeros = jnp.zeros_like(moved)
    passed = after[0] + jnp.where(repeated, zeros, moved)
    in_blank = passed * blank_share + jnp.where(repeated, moved, zeros)
    return in_blank, passed * label_share + after[1] * stay_share


def _end(like: jax.Array, lengths: jax.Array) -> State:
    """The posteriors of the state after the last frame: all labels are passed."""
    n = lax.broadcasted_iota(jnp.int32, (1, like.shape[2]), 1)
    zeros = 0 * jnp.sum(like[:1], 0)  # sharded as the shares are
    return State(zeros + (n == lengths[:, None]).astype(like.dtype), zeros)


def _posteriors_by_scan(lesser: State, repeated: jax.Array, lengths: jax.Array) -> Posteriors:
    def step(after: State, lesser: State) -> tuple[State, Posteriors]:
        blank, label = _step_back(after, lesser, repeated)
        return State(blank, label), Posteriors(label, jnp.sum(blank, -1))

    return lax.scan(step, _end(lesser[1], lengths), lesser, reverse=True)[1]


@form(_posteriors_by_scan)
def posteriors_of(lesser: State, repeated: jax.Array, lengths: jax.Array) -> Posteriors:
    """The posteriors of what each frame emits, from the lesser shares of a walk.

    They are written in place, over shares that have been read. Measured: jaxlib 0.10.2, gradient of ctc_loss
    32x500x128x100, the twin stores 28.3 MB and the form 21.7 MB.
    """
    return _posteriors_in_place(lesser, repeated, lengths)


@jax.custom_jvp
def _posteriors_in_place(lesser: State, repeated: jax.Array, lengths: jax.Array) -> Posteriors:
    in_passed, in_ready = lesser
    count = in_ready.shape[0]

    def step(i: jax.Array, carry: tuple[State, Posteriors]) -> tuple[State, Posteriors]:
        after, (labels, blanks) = carry  # at frames not yet reached, `labels` still holds the shares in `ready`
        t = count - 1 - i
        at = lambda a: lax.dynamic_index_in_dim(a, t, 0, keepdims=False)  # noqa: E731
        put = lambda a, row: lax.dynamic_update_index_in_dim(a, row, t, 0)  # noqa: E731
        blank, label = _step_back(after, State(at(in_passed), at(labels)), repeated)
        return State(blank, label), Posteriors(put(labels, label), put(blanks, jnp.sum(blank, -1)))

    start = Posteriors(in_ready, 0 * in_passed[..., 0])
    if known(count) and not count:
        return start
    return lax.fori_loop(0, count, step, (_end(in_ready, lengths), start))[1]


@_posteriors_in_place.defjvp
def _posteriors_in_place_jvp(primals, tangents):
    # The derivative of a loop that writes in place would copy the whole array in each step.
    return jax.jvp(_posteriors_by_scan, primals, tangents)


def _padded_shift(a: jax.Array, pad: tuple[int, int], fill: float) -> jax.Array:
    """An array shifted by one label, up with a padding of (1, 0) and down with (0, 1)."""
    inner = a[:, :-1] if pad[0] else a[:, 1:]
    return jnp.pad(inner, ((0, 0), pad), constant_values=fill)


def at_length(a: jax.Array, lengths: jax.Array) -> jax.Array:
    """The element of each row whose index is the length of the label sequence."""
    return jnp.take_along_axis(a, lengths[:, None], 1)[:, 0]
