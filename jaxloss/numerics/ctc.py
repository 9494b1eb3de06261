"""The likelihood of a label sequence, summed over its alignments to frames."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import form
from jaxloss.numerics._row_sums import RowSums, inverse
from jaxloss.numerics._rule import rule
from jaxloss.numerics.ctc_complement import Emitted, complement_probability
from jaxloss.numerics.ctc_walk import IMPOSSIBLE, Frames, at_length, frames_of, is_repeated, posteriors_of, walk
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import clip_positive_infinity, gated


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
    frames, best, sums = frames_of(x, labels, live, blank)
    last, _ = walk(frames, is_repeated(labels), with_shares=False)
    total = at_length(last[0], lengths) + best
    likely = _is_likely(total)
    complement = lambda: complement_probability(*_emitted(x, sums, frames, labels, lengths, blank))  # noqa: E731
    return _cost(total, likely, lax.cond(jnp.any(likely), complement, lambda: 0 * total))


@rule(ctc_nll)
def _ctc_nll_jvp(primals, tangents):
    x, labels, live, lengths, blank = primals
    x = gated(x, live[..., None])
    frames, best, sums = frames_of(x, labels, live, blank)
    repeated = is_repeated(labels)
    last, shares = walk(frames, repeated, with_shares=True)
    total = at_length(last[0], lengths) + best
    posteriors = posteriors_of(shares, repeated, lengths)
    likely = _is_likely(total)
    by_q = likely[None, :, None]

    def complement() -> tuple[jax.Array, _Parts]:
        emitted, *others = _emitted(x, sums, frames, labels, lengths, blank)
        q, back = jax.vjp(lambda emitted: complement_probability(emitted, *others), emitted)
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
    slope = _slope(x, sums, labels, blank, possible, likely, parts)
    return _cost(total, likely, q), jnp.sum(slope * tangents[0], (1, 2))


def _is_likely(total: jax.Array) -> jax.Array:
    """Whether the label sequence is likelier than not, so that the loss is taken from its complement."""
    return total > -0.6


def _emitted(
    x: jax.Array, sums: RowSums, frames: Frames, labels: jax.Array, lengths: jax.Array, blank: jax.Array
) -> tuple[Emitted, jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """The arguments of `complement_probability`."""
    of_blank, of_labels, _, live = frames
    one_over_sum, alive = inverse(sums), jnp.swapaxes(live, 0, 1)
    classes = lax.broadcasted_iota(jnp.int32, (1, 1, x.shape[-1]), 2)
    unsaid = _sum_of_others(jnp.exp(clip_positive_infinity(x) - sums.base), _said(labels, classes, blank))
    others = jnp.where(alive, unsaid * one_over_sum, 0)
    base, one_over_sum, others = (jnp.swapaxes(a, 0, 1) for a in (jnp.where(alive, sums.base, 0), one_over_sum, others))
    return Emitted(of_labels, of_blank, others), base, jnp.where(live, one_over_sum, 0), labels, live, lengths


def _sum_of_unselected(e: jax.Array, left_out: jax.Array) -> jax.Array:
    return jnp.sum(jnp.where(left_out, jnp.zeros_like(e), e), -1, keepdims=True)


@form(_sum_of_unselected)
def _sum_of_others(e: jax.Array, left_out: jax.Array) -> jax.Array:
    """The sum of e >= 0 over the classes that are not left out, by a minimum: XLA on CPU would store a select.

    Measured: jaxlib 0.10.2, value of ctc_loss 32x500x128x100, the twins of this form and `unshared_exponentials` store
    15.3 MB and the forms 8.8 MB.
    """
    bound = jnp.where(left_out, 0, jnp.full_like(e, jnp.inf, shape=left_out.shape))
    return jnp.sum(jnp.minimum(e, bound), -1, keepdims=True)


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
    x: jax.Array,
    sums: RowSums,
    labels: jax.Array,
    blank: jax.Array,
    counts: jax.Array,
    likely: jax.Array,
    parts: _Parts,
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
    e = _unshared_exponentials(x, sums.base)
    # 0 in frames that do not count before it is multiplied: what is in them must not reach the others' derivatives.
    p = jnp.where(counts[..., None], e * inverse(sums), 0)
    others = jnp.where(_said(labels, classes, blank), 0, others)
    slope = jnp.where(likely[:, None, None], of_class + p * (others - mean), p - of_class)
    return jnp.where(counts[..., None], slope, jnp.zeros_like(x))


def _exponentials(x: jax.Array, base: jax.Array) -> jax.Array:
    return jnp.exp(clip_positive_infinity(x) - base)


@form(_exponentials)
def _unshared_exponentials(x: jax.Array, base: jax.Array) -> jax.Array:
    """exp(x - base) in another expression than in the sums, whose array XLA on CPU would keep through the walks.

    Measured: jaxlib 0.10.2, gradient of ctc_loss 32x500x128x100, the twins of this form and `sum_of_others` store 31.7
    MB and the forms 21.7 MB.
    """
    certain = 0.98 * float(jnp.finfo(x.dtype).max)
    return jnp.where(x > certain, jnp.ones_like(x), jnp.exp(jnp.minimum(x, certain) + -base))


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
