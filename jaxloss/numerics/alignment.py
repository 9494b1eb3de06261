"""The likelihood of a label sequence, summed over its alignments to frames.

A walk over the frames keeps two log-probabilities for each count n of labels passed: `rested`, of all alignments of the
frames so far that have passed n labels, and `ready`, of those that may emit label n in the next frame. Impossible is a
large negative number instead of minus infinity: sums of it stay impossible, and no difference of two is nan.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import rule
from jaxloss.numerics.elementary import log1p_near
from jaxloss.numerics.guarded import gated
from jaxloss.numerics.softmax import _finite, _log_probabilities, _Rows, _rows

IMPOSSIBLE = -1e30
State = tuple[jax.Array, jax.Array]
Frames = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


@jax.custom_jvp
def ctc_nll(x: jax.Array, labels: jax.Array, live: jax.Array, lengths: jax.Array, blank: jax.Array) -> jax.Array:
    r"""$-\log \sum_\pi \prod_t p_t(\pi_t)$ over the alignments $\pi$ of each label sequence, p the softmax of x.

    Infinite, with slope 0, where a sequence has no alignment.

    Args:
        x: Logits, `[B, T, K]`; anything in frames that do not count.
        labels: Class indices in range, `[B, S]`, also beyond the length.
        live: Which frames count, `[B, T]`.
        lengths: How many labels count, `[B]`.
        blank: The class index of the blank.
    """
    frames, best, _ = _frames(x, labels, live, blank)
    last, _ = _walk(frames, _repeated(labels), keep=False)
    return _cost(_at(last[0], lengths) + best)


@rule(ctc_nll)
def _(primals, tangents):
    x, labels, live, lengths, blank = primals
    x = gated(x, live[..., None])
    frames, best, rows = _frames(x, labels, live, blank)
    repeated = _repeated(labels)
    last, walked = _walk(frames, repeated, keep=True)
    total = _at(last[0], lengths)
    possible = total + best > IMPOSSIBLE / 2
    posteriors = _posteriors(walked, frames, repeated, lengths, jnp.where(possible, total, jnp.zeros_like(total)))
    slope = _slope(x, rows, labels, blank, live & possible[:, None], posteriors)
    return _cost(total + best), jnp.sum(slope * tangents[0], (1, 2))


def _slope(x: jax.Array, rows: _Rows, labels: jax.Array, blank: jax.Array, counts: jax.Array, posteriors: State):
    """The softmax minus the posterior of each class, in frames that count."""
    of_labels, of_blank = posteriors
    sums = rows.ties + rows.rest
    inverse = 1 / jnp.where(sums == 0, jnp.ones_like(sums), sums)
    classes = lax.broadcasted_iota(jnp.int32, (1, 1, x.shape[-1]), 2)
    # The product with one-hot labels is the scatter-add that is fast on every platform.
    hits = (jnp.pad(labels, ((0, 0), (1, 0)), constant_values=-1)[..., None] == classes).astype(x.dtype)
    posterior = jnp.einsum("tbs,bsk->btk", of_labels, hits, precision=lax.Precision.HIGHEST)
    posterior = posterior + jnp.swapaxes(of_blank, 0, 1)[..., None] * (classes == blank).astype(x.dtype)
    # Of another form than the exponentials in the sums, which XLA on CPU would keep for here all through the walks.
    certain = 0.98 * float(jnp.finfo(x.dtype).max)
    e = jnp.where(x > certain, jnp.ones_like(x), jnp.exp(jnp.minimum(x, certain) + -rows.base))
    return jnp.where(counts[..., None], e * inverse - posterior, jnp.zeros_like(x))


@jax.custom_jvp
def _cost(total: jax.Array) -> jax.Array:
    """Minus a log-likelihood: not below 0 by rounding, infinite where there is no alignment."""
    return jnp.where(total > IMPOSSIBLE / 2, jnp.maximum(-total, 0), jnp.full_like(total, jnp.inf))


@_cost.defjvp
def _(primals, tangents):
    (total,) = primals
    return _cost(total), jnp.where(total > IMPOSSIBLE / 2, -tangents[0], jnp.zeros_like(total))


# ------------------------------------------------------------------------------------------------------------ the walk


@jax.custom_jvp
def log_add(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log(e^a + e^b)$ of finite numbers."""
    return jnp.maximum(a, b) + log1p_near(jnp.exp(-jnp.abs(a - b)))


@log_add.defjvp
def _(primals, tangents):
    a, b = primals
    value = log_add(a, b)
    return value, jnp.exp(a - value) * tangents[0] + jnp.exp(b - value) * tangents[1]


def _frames(x: jax.Array, labels: jax.Array, live: jax.Array, blank: jax.Array) -> tuple[Frames, jax.Array, _Rows]:
    """The logits of blank `[T, B, 1]` and of labels 1 to S `[T, B, S + 1]`, the largest of those, which frames count.

    A walk takes them relative to the largest, or it would drag the digits of all frames along; the sum over the frames
    of the largest one's log-probability comes with them, `[B]`.
    """
    rows = _rows(x, -1)
    live = live[..., None]

    def logits(index: jax.Array) -> jax.Array:
        values = _finite(jnp.take_along_axis(x, index[:, None, :], -1))
        return jnp.swapaxes(jnp.where(live, values, jnp.zeros_like(values)), 0, 1)

    of_blank = logits(jnp.full_like(labels, blank, shape=(len(labels), 1)))
    of_labels = jnp.pad(logits(labels), ((0, 0), (0, 0), (1, 0)), constant_values=IMPOSSIBLE)
    best = jnp.maximum(jnp.maximum(of_blank, jnp.max(of_labels, -1, keepdims=True)), IMPOSSIBLE)
    logs = _log_probabilities(jnp.swapaxes(best, 0, 1), rows)
    total = jnp.sum(jnp.maximum(jnp.where(live, logs, jnp.zeros_like(logs)), IMPOSSIBLE), (1, 2))
    return (of_blank, of_labels, best, jnp.swapaxes(live, 0, 1)), total, rows


def _relative(frame: Frames) -> Frames:
    """One frame's logits relative to the largest."""
    of_blank, of_labels, best, live = frame
    return jnp.maximum(of_blank - best, IMPOSSIBLE), jnp.maximum(of_labels - best, IMPOSSIBLE), best, live


def _repeated(labels: jax.Array) -> jax.Array:
    """Where label n + 1 is label n, `[B, S + 1]`: between the two a blank must come."""
    return jnp.pad(labels[:, 1:] == labels[:, :-1], ((0, 0), (1, 1)))[:, : labels.shape[1] + 1]


def _walk(frames: Frames, repeated: jax.Array, *, keep: bool) -> tuple[State, State | None]:
    """The state after all frames and, if it is to be kept, before each frame."""
    zero = 0 * jnp.sum(frames[1][:1], 0)  # of the sharding of the frames
    n = lax.broadcasted_iota(jnp.int32, (1, zero.shape[1]), 1)
    rested, ready = (zero + jnp.where(n == first, 0, IMPOSSIBLE).astype(zero.dtype) for first in (0, 1))

    def step(state: State, frame: Frames) -> tuple[State, State | None]:
        rested, ready = state
        of_blank, of_labels, _, live = _relative(frame)
        in_blank, in_label = rested + of_blank, ready + of_labels
        all_rested = log_add(in_blank, in_label)
        before = jnp.where(repeated, in_blank, all_rested)
        all_ready = log_add(in_label, _shifted(before, (1, 0)))
        return (jnp.where(live, all_rested, rested), jnp.where(live, all_ready, ready)), state if keep else None

    return lax.scan(step, (rested, ready), frames)


def _step_back(after: State, before: State, frame: Frames, repeated: jax.Array, total: jax.Array):
    """From the log-probabilities of what comes after a frame to those from it on, and the frame's posteriors."""
    rested, ready = before
    of_blank, of_labels, _, live = _relative(frame)
    in_blank, in_label = of_blank + after[0], of_labels + after[1]
    from_blank = log_add(in_blank, _shifted(in_label, (0, 1)))
    from_label = log_add(in_label, jnp.where(repeated, in_blank, from_blank))
    labels = jnp.exp(ready + in_label - total)
    blank = jnp.sum(jnp.exp(rested + in_blank - total), -1)
    return (jnp.where(live, from_blank, after[0]), jnp.where(live, from_label, after[1])), (labels, blank)


def _end(repeated: jax.Array, lengths: jax.Array, total: jax.Array) -> State:
    n = lax.broadcasted_iota(jnp.int32, (1, repeated.shape[1]), 1)
    end = 0 * total + jnp.where(n == lengths[:, None], 0, IMPOSSIBLE).astype(total.dtype)
    return end, end


@jax.custom_jvp
def _posteriors(walked: State, frames: Frames, repeated: jax.Array, lengths: jax.Array, total: jax.Array) -> State:
    """The probabilities that a frame emits each label `[T, B, S + 1]`, or blank `[T, B]`, given the label sequence.

    The loop puts them where the walk's states were, which it has done with.
    """
    rested, ready = walked
    total = total[:, None]
    count = len(ready)

    def step(i: jax.Array, carry: tuple[State, jax.Array, jax.Array]) -> tuple[State, jax.Array, jax.Array]:
        after, ready, blanks = carry
        t = count - 1 - i
        at = lambda a: lax.dynamic_index_in_dim(a, t, 0, keepdims=False)  # noqa: E731
        frame = (at(frames[0]), at(frames[1]), at(frames[2]), at(frames[3]))
        after, (labels, blank) = _step_back(after, (at(rested), at(ready)), frame, repeated, total)
        put = lambda a, row: lax.dynamic_update_index_in_dim(a, row, t, 0)  # noqa: E731
        return after, put(ready, labels), put(blanks, blank)

    blanks = 0 * frames[0][..., 0]
    _, labels, blanks = lax.fori_loop(0, count, step, (_end(repeated, lengths, total), ready, blanks))
    return labels, blanks


@_posteriors.defjvp
def _(primals, tangents):
    return jax.jvp(_posteriors_by_scan, primals, tangents)


def _posteriors_by_scan(walked: State, frames: Frames, repeated: jax.Array, lengths: jax.Array, total: jax.Array):
    """The same without writing in place, which a derivative would have to undo with copies of the whole array."""
    total = total[:, None]
    step = lambda after, t: _step_back(after, t[0], t[1], repeated, total)  # noqa: E731
    return lax.scan(step, _end(repeated, lengths, total), (walked, frames), reverse=True)[1]


def _shifted(a: jax.Array, pad: tuple[int, int]) -> jax.Array:
    """Along the labels by one, impossible coming in."""
    kept = a[:, :-1] if pad[0] else a[:, 1:]
    return jnp.pad(kept, ((0, 0), pad), constant_values=IMPOSSIBLE)


def _at(a: jax.Array, lengths: jax.Array) -> jax.Array:
    return jnp.take_along_axis(a, lengths[:, None], 1)[:, 0]
