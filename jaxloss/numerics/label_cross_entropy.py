"""The softmax cross-entropy of rows of logits from integer labels.

The loss has two rules. The first is its derivative, from values and shares (the probabilities that its slopes are made
of) that are computed together. The second is the derivative of those, by which the first is differentiated: in it every
term of a second derivative p (1 - p) keeps its digits, which are lost in the derivative of p = 1 - rest / total. The
rules return values that are computed, not called for again, to share their exponentials; so those values must be
differentiable as they stand.

With `shards`, mesh axes over which the classes are spread, each device has its part of them and all have the results:
whatever is summed over a row is summed over the devices too, a few numbers for each row, and no logit is sent.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._forms import sum_of_terms
from jaxloss.numerics._mesh import AxisName, filled, keep, sum_of_shards
from jaxloss.numerics._row_sums import half_gaps, or_infinite_top, sum_over_row, top_and_base
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import absent, clip_positive_infinity, times, weighed
from jaxloss.numerics.label import label_value, sum_without_label, sums_of_slopes, without_label
from jaxloss.numerics.log_sum_exp import slope_of_logs_with_digits


class _Label(NamedTuple):
    """What a labelled row's losses are made of; either every field keeps the class axis with length 1, or none does."""

    top: jax.Array
    base: jax.Array
    logit: jax.Array  # of the label
    rest: jax.Array  # the sum of exp(x - base) over the other classes

    @property
    def share(self) -> jax.Array:
        return jnp.exp(clip_positive_infinity(self.logit) - self.base)

    @property
    def total(self) -> jax.Array:
        """The sum of exp(x - base), 0 for a row of -inf."""
        return self.rest + self.share

    @property
    def log_total(self) -> jax.Array:
        """Its logarithm, 0 for a row of -inf."""
        return jnp.log(jnp.where(self.total == 0, jnp.ones_like(self.total), self.total))

    def without(self, axis: int) -> "_Label":
        """The same without the class axis: XLA on CPU computes arrays [rows] in vectors, not [rows, 1] (0.10.2)."""
        return _Label(*(jnp.squeeze(field, axis) for field in self))


class _LabelShares(NamedTuple):
    """What the slopes of a labelled row are made of."""

    others: jax.Array  # the probability of every class but the label's, 0 there
    label: jax.Array  # that of the label
    missing: jax.Array  # 1 - that, with its own digits
    gaps: jax.Array | None  # minus the logarithm of every probability; None where there are no factors


@partial(jax.custom_jvp, nondiff_argnums=(4, 5))
@compiled(4, 5)
def label_nll(
    x: jax.Array,
    labels: jax.Array,
    where: jax.Array | None,
    factors: jax.Array | None,
    axis: int,
    shards: AxisName = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    r"""The triple $(L - x_t, L, \sum_k b_k (L - x_k))$ with $L = \log \sum_j e^{x_j}$; 0 where `where` is False.

    The first is $\log(1 + \sum_{j \ne t} e^{x_j - x_t})$, summed without the label t: exact for confident examples.
    An infinite logit is the limit of a large one, several of the limit of large ones that are equal.

    Args:
        x: Logits.
        labels: Class indices in range, int32, keeping the class axis with length 1, as do `where` and the results.
            With `shards` they are local: a class that another device holds is out of range.
        where: Which rows count; None for all.
        factors: The factors b, broadcastable against x; None for zeros. A factor of 0 leaves an infinite term out.
        axis: The class axis.
        shards: The mesh axes of the classes.
    """
    top, base = top_and_base(x, axis, shards)
    rest = sum_without_label(jnp.exp(clip_positive_infinity(x) - base), labels, axis)
    logit, rest = sum_of_shards((label_value(x, labels, axis), rest), shards)
    return _label_losses(x, top, _Label(top, base, logit, rest).without(axis), where, factors, axis, shards)


def _label_losses(x, row_top, label, where, factors, axis, shards):
    top, base, logit, rest = label
    share = jnp.where(logit == top, jnp.ones_like(rest), label.share)
    impossible = (logit == -jnp.inf) | ((top == jnp.inf) & (logit < top))
    far = jnp.where(impossible, filled(rest, jnp.inf), (base - logit) + label.log_total)
    nll = jnp.where(logit == top, log1p(rest / share), far)
    nll = jnp.where(impossible, far, nll)
    lse = or_infinite_top(top, base + label.log_total)
    if factors is None:
        weighted_nll = jnp.zeros_like(nll)
    else:
        half = sum_of_terms(weighed(factors, half_gaps(x, row_top)), axis)
        half, mass = sum_of_shards((half, jnp.sum(factors, axis)), shards)
        weighted_nll = times(mass, label.log_total) + 2 * half
    nll, lse, weighted_nll = (keep(where, jnp.expand_dims(loss, axis)) for loss in (nll, lse, weighted_nll))
    return nll, lse, weighted_nll


@partial(jax.custom_jvp, nondiff_argnums=(4, 5))
@compiled(4, 5)
def _label_losses_and_shares(x, labels, where, factors, axis, shards):
    """`label_nll` and what its slopes are made of, with exponentials that both share."""
    top, base = top_and_base(x, axis, shards)
    e = without_label(jnp.exp(clip_positive_infinity(x) - base), labels, axis)
    sums = sum_of_shards((label_value(x, labels, axis), jnp.sum(e, axis, keepdims=True)), shards)
    label = _Label(top, base, *sums).without(axis)
    losses = _label_losses(x, top, label, where, factors, axis, shards)
    none = label.total == 0
    inverse = jnp.where(none, jnp.zeros_like(label.total), 1 / jnp.where(none, jnp.ones_like(label.total), label.total))
    missing = jnp.where(label.logit == -jnp.inf, jnp.ones_like(label.total), label.rest * inverse)
    of_label, missing, inverse, log_total = (
        jnp.expand_dims(a, axis) for a in (label.share * inverse, missing, inverse, label.log_total)
    )
    gaps = None if factors is None else 2 * half_gaps(x, top) + log_total
    return losses, _LabelShares(e * inverse, of_label, missing, gaps)


@rule(_label_losses_and_shares)
def _label_losses_and_shares_jvp(axis, shards, primals, tangents):
    x, labels, where, factors = primals
    losses, shares = _label_losses_and_shares(x, labels, where, factors, axis, shards)
    loss_tangents = _label_tangents(losses, shares, primals, tangents, axis, shards)
    if isinstance(tangents[0], SymbolicZero):
        return (losses, shares), (loss_tangents, jax.tree.map(jnp.zeros_like, shares))
    logs = slope_of_logs_with_digits(x, tangents[0], axis, shards)
    of_label = shares.label * sum_of_shards(label_value(logs, labels, axis), shards)
    gaps = None if factors is None else -logs
    return (losses, shares), (loss_tangents, _LabelShares(shares.others * logs, of_label, -of_label, gaps))


@rule(label_nll)
def _label_nll_jvp(axis, shards, primals, tangents):
    losses, shares = _label_losses_and_shares(*primals, axis, shards)
    return losses, _label_tangents(losses, shares, primals, tangents, axis, shards)


def _label_tangents(losses, shares, primals, tangents, axis, shards):
    _, labels, where, factors = primals
    in_factors = jnp.zeros_like(losses[2])
    if factors is not None and not isinstance(tangents[3], SymbolicZero):
        in_factors = sum_over_row(keep(where, absent(factors, shares.gaps)) * tangents[3], axis, shards)
    if isinstance(tangents[0], SymbolicZero):
        return jnp.zeros_like(losses[0]), jnp.zeros_like(losses[1]), in_factors
    slopes = [(shares.others, -shares.missing), (shares.others, shares.label)]
    if factors is not None:
        mass = sum_over_row(factors, axis, shards)
        # Kept before they meet the mass, or its derivative would see the nan of a masked row.
        others, of_label = keep(where, shares.others), keep(where, shares.label)
        slopes.append((mass * others - factors, mass * of_label))
    nll, lse, *of_factors = sum_of_shards(sums_of_slopes(slopes, tangents[0], labels, axis), shards)
    nll, lse, *of_factors = (keep(where, t) for t in (nll, lse, *of_factors))
    return nll, lse, sum(of_factors, in_factors)
