r"""The CTC loss: minus the log-probability of a label sequence, which is summed over its alignments to the frames.

With p_t the softmax of frame t and P the probability of the label sequence, let $\gamma_t(k)$ be the posterior
probability, given the label sequence, that frame t emits class k. Then

$$\ell = -\log P, \quad \frac{\partial \ell}{\partial x_{tk}} = p_t(k) - \gamma_t(k).$$

Where P is near 1, $\log P$ and that difference lose their digits. There both come from Q = 1 - P, the probability of
every other output, which `ctc_complement.py` sums directly:

$$\ell = -\log(1 - Q), \quad \frac{\partial \ell}{\partial x_{tk}}
    = \frac{p_t(k)}{P} \Big(\frac{\partial Q}{\partial p_t(k)}
    - \sum_j p_t(j) \frac{\partial Q}{\partial p_t(j)}\Big).$$
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import form
from jaxloss.numerics._mesh import filled
from jaxloss.numerics._row_sums import RowSums, inverse
from jaxloss.numerics._rule import rule
from jaxloss.numerics.ctc_complement import Emitted, complement_probability
from jaxloss.numerics.ctc_walk import IMPOSSIBLE, Frames, at_length, frames_of, is_repeated, posteriors_of, walk
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import clip_positive_infinity, gated, largest


@jax.custom_jvp
def ctc_nll(x: jax.Array, labels: jax.Array, live: jax.Array, lengths: jax.Array, blank: jax.Array) -> jax.Array:
    r"""$-\log \sum_\pi \prod_t p_t(\pi_t)$ over the alignments $\pi$ of each label sequence, p the softmax of x.

    The loss is infinite, with slope 0, where a sequence has no alignment.

    Args:
        x: Logits, `[B, T, K]`. Frames that do not count may hold anything.
        labels: Class indices, `[B, S]`. They are in range beyond the length of a sequence too.
        live: Which frames count, `[B, T]`.
        lengths: The length of each label sequence, `[B]`.
        blank: The class index of the blank.
    """
    frames, best, sums = frames_of(x, labels, live, blank)
    last, _ = walk(frames, is_repeated(labels), with_shares=False)
    log_p = at_length(last.passed, lengths) + best
    likely = _is_above_half(log_p)
    complement = lambda: complement_probability(*_emitted(x, sums, frames, labels, lengths, blank))  # noqa: E731
    return _loss(log_p, likely, lax.cond(jnp.any(likely), complement, lambda: 0 * log_p))


@rule(ctc_nll)
def _ctc_nll_jvp(primals, tangents):
    x, labels, live, lengths, blank = primals
    x = gated(x, live[..., None])
    frames, best, sums = frames_of(x, labels, live, blank)
    repeated = is_repeated(labels)
    last, shares = walk(frames, repeated, with_shares=True)
    log_p = at_length(last.passed, lengths) + best
    posteriors = posteriors_of(shares, repeated, lengths)
    likely = _is_above_half(log_p)
    by_q = likely[None, :, None]

    def complement() -> tuple[jax.Array, _Parts]:
        emitted, *others = _emitted(x, sums, frames, labels, lengths, blank)
        q, back = jax.vjp(lambda emitted: complement_probability(emitted, *others), emitted)
        # The slopes in the logits of labels and blank are p dQ/dp, that in the probability of the others is dQ/dp.
        (slopes,) = back(jnp.ones_like(q))
        mean = jnp.sum(slopes.labels, -1, keepdims=True) + slopes.blank + emitted.others * slopes.others
        one_over_p = 1 / (1 - q)[None, :, None]
        of_labels = jnp.where(by_q, slopes.labels * one_over_p, posteriors.labels)
        of_blank = jnp.where(by_q[..., 0], (slopes.blank * one_over_p)[..., 0], posteriors.blank)
        return q, _Parts(of_labels, of_blank, slopes.others * one_over_p, mean * one_over_p)

    def no_complement() -> tuple[jax.Array, _Parts]:
        zeros = 0 * posteriors.blank[..., None]  # sharded as the posteriors are
        return 0 * log_p, _Parts(*posteriors, zeros, zeros)

    q, parts = lax.cond(jnp.any(likely), complement, no_complement)
    possible = live & (log_p > IMPOSSIBLE / 2)[:, None]
    slope = _slope(x, sums, labels, blank, possible, likely, parts)
    return _loss(log_p, likely, q), jnp.sum(slope * tangents[0], (1, 2))


def _is_above_half(log_p: jax.Array) -> jax.Array:
    """Whether P is above about 1/2, so that the loss is computed from Q."""
    return log_p > -0.6


def _emitted(
    x: jax.Array, sums: RowSums, frames: Frames, labels: jax.Array, lengths: jax.Array, blank: jax.Array
) -> tuple[Emitted, jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """The arguments of `complement_probability`."""
    one_over_sum, live = inverse(sums), jnp.swapaxes(frames.live, 0, 1)
    classes = lax.broadcasted_iota(jnp.int32, (1, 1, x.shape[-1]), 2)
    rest = _sum_of_others(jnp.exp(clip_positive_infinity(x) - sums.base), _is_used(labels, classes, blank))
    per_frame = jnp.where(live, sums.base, 0), jnp.where(live, one_over_sum, 0), jnp.where(live, rest * one_over_sum, 0)
    base, one_over_sum, others = (jnp.swapaxes(a, 0, 1) for a in per_frame)
    return Emitted(frames.labels, frames.blank, others), base, one_over_sum, labels, frames.live, lengths


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


def _is_used(labels: jax.Array, classes: jax.Array, blank: jax.Array) -> jax.Array:
    """Which classes are the blank or a label of the sequence, `[B, 1, K]`."""
    return jnp.any(labels[..., None] == classes, 1, keepdims=True) | (classes == blank)


class _Parts(NamedTuple):
    r"""The terms of the slope, time first; the last two are used for likely sequences alone."""

    labels: jax.Array  # the posteriors of the labels, or $p (dQ/dp) / P$ of a likely sequence, [T, B, S + 1]
    blank: jax.Array  # the same of the blank, [T, B]
    others: jax.Array  # $(dQ/dp) / P$ of a class that is neither, [T, B, 1]
    mean: jax.Array  # $\sum_j p_j (dQ/dp_j) / P$, [T, B, 1]


def _slope(
    x: jax.Array,
    sums: RowSums,
    labels: jax.Array,
    blank: jax.Array,
    possible: jax.Array,
    likely: jax.Array,
    parts: _Parts,
) -> jax.Array:
    r"""$p - \gamma$, or $p\, (dQ/dp - \sum_j p_j\, dQ/dp_j) / P$ of a likely sequence; 0 in frames not `possible`."""
    others, mean = (jnp.swapaxes(a, 0, 1) for a in (parts.others, parts.mean))
    classes = lax.broadcasted_iota(jnp.int32, (1, 1, x.shape[-1]), 2)
    # What the positions of one label have is added up by a product with one-hot labels: a scatter-add would be slow on
    # some platforms.
    hits = (jnp.pad(labels, ((0, 0), (1, 0)), constant_values=-1)[..., None] == classes).astype(x.dtype)
    of_class = jnp.einsum("tbs,bsk->btk", parts.labels, hits, precision=lax.Precision.HIGHEST)
    of_class = of_class + jnp.swapaxes(parts.blank, 0, 1)[..., None] * (classes == blank).astype(x.dtype)
    e = _unshared_exponentials(x, sums.base)
    # Set to 0 before it is multiplied, so that a nan of a frame that does not count is in no derivative of the others.
    p = jnp.where(possible[..., None], e * inverse(sums), 0)
    others = jnp.where(_is_used(labels, classes, blank), 0, others)
    slope = jnp.where(likely[:, None, None], of_class + p * (others - mean), p - of_class)
    return jnp.where(possible[..., None], slope, jnp.zeros_like(x))


def _exponentials(x: jax.Array, base: jax.Array) -> jax.Array:
    return jnp.exp(clip_positive_infinity(x) - base)


@form(_exponentials)
def _unshared_exponentials(x: jax.Array, base: jax.Array) -> jax.Array:
    """exp(x - base) in another expression than in the sums: XLA on CPU would keep a shared array through the walks.

    Measured: jaxlib 0.10.2, gradient of ctc_loss 32x500x128x100, the twins of this form and `sum_of_others` store 31.7
    MB and the forms 21.7 MB.
    """
    certain = 0.98 * largest(x)
    return jnp.where(x > certain, jnp.ones_like(x), jnp.exp(jnp.minimum(x, certain) + -base))


def _loss(log_p: jax.Array, likely: jax.Array, q: jax.Array) -> jax.Array:
    r"""$-\log(1 - Q)$ where the sequence is likely, else $-\log P$, infinite where there is no alignment."""
    from_q = -log1p(jnp.where(likely, -q, jnp.zeros_like(q)))
    return jnp.where(likely, from_q, _nll_of_log_p(log_p))


@jax.custom_jvp
def _nll_of_log_p(log_p: jax.Array) -> jax.Array:
    """-log P, infinite and with slope 0 where that is IMPOSSIBLE or a sum of such."""
    # The comparison is not `log_p > ...` with the branches exchanged: a nan would become infinite.
    return jnp.where(log_p <= IMPOSSIBLE / 2, filled(log_p, jnp.inf), jnp.maximum(-log_p, 0))


@_nll_of_log_p.defjvp
def _nll_of_log_p_jvp(primals, tangents):
    (log_p,) = primals
    return _nll_of_log_p(log_p), jnp.where(log_p > IMPOSSIBLE / 2, -tangents[0], jnp.zeros_like(log_p))
