"""The likelihood of a label sequence, summed over its alignments to frames.

A walk over the frames keeps two log-probabilities for each count n of labels passed: `rested`, of all alignments of the
frames so far that have passed n labels, and `ready`, of those that may emit label n in the next frame. Impossible is a
large negative number instead of minus infinity: sums of it stay impossible, and no difference of two is nan.

Each sum on the way is of two terms, and their shares in it are all that the gradient needs: back from the end, where
one count of labels is certain, they tell how probable each step was, given the label sequence. Such a probability is a
product of shares, without a logarithm, and what a frame emits adds up to 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import rule
from jaxloss.numerics._shapes import known
from jaxloss.numerics.elementary import log1p, log1p_near
from jaxloss.numerics.guarded import gated
from jaxloss.numerics.rejection import Emitted, rejection
from jaxloss.numerics.softmax import _finite, _inverse, _log_probabilities, _Rows, _rows

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
    frames, best, rows = _frames(x, labels, live, blank)
    last, _ = _walk(frames, _repeated(labels), keep=False)
    total = _at(last[0], lengths) + best
    likely = _likely(total)
    complement = lambda: rejection(*_emitted(x, rows, frames, labels, lengths, blank))  # noqa: E731
    return _cost(total, likely, lax.cond(jnp.any(likely), complement, lambda: 0 * total))


@rule(ctc_nll)
def _ctc_nll_jvp(primals, tangents):
    x, labels, live, lengths, blank = primals
    x = gated(x, live[..., None])
    frames, best, rows = _frames(x, labels, live, blank)
    repeated = _repeated(labels)
    last, shares = _walk(frames, repeated, keep=True)
    total = _at(last[0], lengths) + best
    posteriors = _posteriors(shares, repeated, lengths)
    likely = _likely(total)
    by_q = likely[None, :, None]

    def complement() -> tuple[jax.Array, _Parts]:
        emitted, *rest = _emitted(x, rows, frames, labels, lengths, blank)
        q, back = jax.vjp(lambda emitted: rejection(emitted, *rest), emitted)
        (slopes,) = back(jnp.ones_like(q))
        mean = jnp.sum(slopes.labels, -1, keepdims=True) + slopes.blank + emitted.others * slopes.others
        scale = 1 / (1 - q)[None, :, None]
        of_labels = jnp.where(by_q, slopes.labels * scale, posteriors[0])
        of_blank = jnp.where(by_q[..., 0], (slopes.blank * scale)[..., 0], posteriors[1])
        return q, _Parts(of_labels, of_blank, slopes.others * scale, mean * scale)

    def nothing() -> tuple[jax.Array, _Parts]:
        none = 0 * posteriors[1][..., None]  # of the sharding of the posteriors
        return 0 * total, _Parts(*posteriors, none, none)

    q, parts = lax.cond(jnp.any(likely), complement, nothing)
    possible = live & (total > IMPOSSIBLE / 2)[:, None]
    slope = _slope(x, rows, labels, blank, possible, likely, parts)
    return _cost(total, likely, q), jnp.sum(slope * tangents[0], (1, 2))


def _likely(total: jax.Array) -> jax.Array:
    """Whether the label sequence is likelier than not, so that the loss is taken from its complement."""
    return total > -0.6


def _emitted(
    x: jax.Array, rows: _Rows, frames: Frames, labels: jax.Array, lengths: jax.Array, blank: jax.Array
) -> tuple[Emitted, jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """What `rejection` takes."""
    of_blank, of_labels, _, live = frames
    inverse, alive = _inverse(rows), jnp.swapaxes(live, 0, 1)
    classes = lax.broadcasted_iota(jnp.int32, (1, 1, x.shape[-1]), 2)
    # Left out by a minimum: what is selected XLA on CPU would write out before it adds it up.
    bound = jnp.where(_said(labels, classes, blank), 0, jnp.full_like(x, jnp.inf, shape=(x.shape[0], 1, x.shape[-1])))
    unsaid = jnp.sum(jnp.minimum(jnp.exp(_finite(x) - rows.base), bound), -1, keepdims=True)
    others = jnp.where(alive, unsaid * inverse, 0)
    base, inverse, others = (jnp.swapaxes(a, 0, 1) for a in (jnp.where(alive, rows.base, 0), inverse, others))
    return Emitted(of_labels, of_blank, others), base, jnp.where(live, inverse, 0), labels, live, lengths


def _said(labels: jax.Array, classes: jax.Array, blank: jax.Array) -> jax.Array:
    """Which classes are the blank or one of the labels, `[B, 1, K]`."""
    return jnp.any(labels[..., None] == classes, 1, keepdims=True) | (classes == blank)


class _Parts(NamedTuple):
    """What the slope is made of: posteriors, or, of a likely sequence, the derivatives of Q over P, time first."""

    labels: jax.Array  # [T, B, S + 1], of a likely sequence times their probabilities
    blank: jax.Array  # [T, B], as well
    others: jax.Array  # [T, B, 1]
    mean: jax.Array  # of the derivatives under the probabilities, [T, B, 1]


def _slope(
    x: jax.Array, rows: _Rows, labels: jax.Array, blank: jax.Array, counts: jax.Array, likely: jax.Array, parts: _Parts
) -> jax.Array:
    """The softmax minus the posterior of each class, in frames that count.

    Where the label sequence is likely, those two are all but equal, and their difference is the softmax times what the
    derivative of Q in the class's probability has beyond the mean of all classes', over P.
    """
    others, mean = (jnp.swapaxes(a, 0, 1) for a in (parts.others, parts.mean))
    classes = lax.broadcasted_iota(jnp.int32, (1, 1, x.shape[-1]), 2)
    # The product with one-hot labels is the scatter-add that is fast on every platform.
    hits = (jnp.pad(labels, ((0, 0), (1, 0)), constant_values=-1)[..., None] == classes).astype(x.dtype)
    of_class = jnp.einsum("tbs,bsk->btk", parts.labels, hits, precision=lax.Precision.HIGHEST)
    of_class = of_class + jnp.swapaxes(parts.blank, 0, 1)[..., None] * (classes == blank).astype(x.dtype)
    # Of another form than the exponentials in the sums, which XLA on CPU would keep for here all through the walks.
    certain = 0.98 * float(jnp.finfo(x.dtype).max)
    e = jnp.where(x > certain, jnp.ones_like(x), jnp.exp(jnp.minimum(x, certain) + -rows.base))
    # 0 in frames that do not count before it is multiplied: what is in them must not reach the others' derivatives.
    p = jnp.where(counts[..., None], e * _inverse(rows), 0)
    others = jnp.where(_said(labels, classes, blank), 0, others)
    slope = jnp.where(likely[:, None, None], of_class + p * (others - mean), p - of_class)
    return jnp.where(counts[..., None], slope, jnp.zeros_like(x))


def _cost(total: jax.Array, likely: jax.Array, q: jax.Array) -> jax.Array:
    """The loss: from Q where that is known, else minus a log-likelihood, infinite where there is no alignment."""
    from_q = -log1p(jnp.where(likely, -q, jnp.zeros_like(q)))
    return jnp.where(likely, from_q, _unlikely(total))


@jax.custom_jvp
def _unlikely(total: jax.Array) -> jax.Array:
    # Asked this way round, nan stays nan: what is no number is not what has no alignment.
    return jnp.where(total <= IMPOSSIBLE / 2, jnp.full_like(total, jnp.inf), jnp.maximum(-total, 0))


@_unlikely.defjvp
def _unlikely_jvp(primals, tangents):
    (total,) = primals
    return _unlikely(total), jnp.where(total > IMPOSSIBLE / 2, -tangents[0], jnp.zeros_like(total))


# ------------------------------------------------------------------------------------------------------------ the walk


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

    of_blank = logits(jnp.full_like(labels, blank, shape=(labels.shape[0], 1)))
    of_labels = jnp.pad(logits(labels), ((0, 0), (0, 0), (1, 0)), constant_values=-jnp.inf)
    best = jnp.maximum(of_blank, jnp.max(of_labels, -1, keepdims=True))
    logs = _log_probabilities(jnp.swapaxes(best, 0, 1), rows)
    best = jnp.maximum(best, IMPOSSIBLE)
    total = jnp.sum(jnp.maximum(jnp.where(live, logs, jnp.zeros_like(logs)), IMPOSSIBLE), (1, 2))
    return (of_blank, of_labels, best, jnp.swapaxes(live, 0, 1)), total, rows


def _repeated(labels: jax.Array) -> jax.Array:
    """Where label n + 1 is label n, `[B, S + 1]`: between the two a blank must come."""
    return jnp.pad(labels[:, 1:] == labels[:, :-1], ((0, 0), (1, 1)))[:, : labels.shape[1] + 1]


def _walk(frames: Frames, repeated: jax.Array, *, keep: bool) -> tuple[State, State | None]:
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
        if not keep:
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


@jax.custom_jvp
def _posteriors(lesser: State, repeated: jax.Array, lengths: jax.Array) -> State:
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


@_posteriors.defjvp
def _posteriors_jvp(primals, tangents):
    return jax.jvp(_posteriors_by_scan, primals, tangents)


def _posteriors_by_scan(lesser: State, repeated: jax.Array, lengths: jax.Array) -> State:
    """The same without writing in place, which a derivative would have to undo with copies of the whole array."""

    def step(after: State, lesser: State) -> tuple[State, State]:
        blank, label = emitted = _step_back(after, lesser, repeated)
        return emitted, (label, jnp.sum(blank, -1))

    return lax.scan(step, _end(lesser[1], lengths), lesser, reverse=True)[1]


def _shifted(a: jax.Array, pad: tuple[int, int], fill: float) -> jax.Array:
    """Along the labels by one."""
    kept = a[:, :-1] if pad[0] else a[:, 1:]
    return jnp.pad(kept, ((0, 0), pad), constant_values=fill)


def _at(a: jax.Array, lengths: jax.Array) -> jax.Array:
    return jnp.take_along_axis(a, lengths[:, None], 1)[:, 0]
