"""Softmax cross-entropies of rows of logits, from a label or from a distribution over the classes.

Written on the row sums of `softmax.py`; what is said there of values, rules and what XLA writes out holds here.

A loss has two rules. The first is its derivative, from values and shares (what its slopes are made of) that are
computed together. The second is the derivative of those, by which the first is differentiated: in it every term of a
second derivative p (1 - p) keeps its digits, which are lost in the derivative of p = 1 - rest / total.

With `shards`, mesh axes over which the classes are spread, each device has its part of them and all have the results:
whatever is summed over a row is summed over the devices too, a few numbers for each row, and no logit is sent.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._sharding import columns, keep
from jaxloss.numerics._shards import AxisName, sum_of_shards
from jaxloss.numerics._sums import Axes, present, row_sum, two_sums
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import times
from jaxloss.numerics.label import label_value, sums_of_slopes, without_label
from jaxloss.numerics.softmax import (
    _finite,
    _infinite,
    _inverse,
    _likely,
    _log_probabilities,
    _log_sum,
    _rows,
    _rows_of,
    _top,
    half_gaps,
    slope_of_logs,
)


def _kept(rows: jax.Array | None, x: jax.Array) -> jax.Array:
    return x if rows is None else keep(rows, x)


def _along(axes: Axes, shards: AxisName) -> Callable[[jax.Array], jax.Array]:
    """The sum over a row, of all devices."""
    return lambda x: sum_of_shards(jnp.sum(x, axes, keepdims=True), shards)


def _in_factor(factor: jax.Array, gap: jax.Array) -> jax.Array:
    """The slope in a factor of a gap: the gap, but 0 where the factor is 0 and the gap infinite.

    A class that is absent from the targets and from the logits stays absent, as 0 log 0 is 0. A large number in its
    place would be infinite times a cotangent above 1, and then nan times a 0 behind it.
    """
    return jnp.where((factor == 0) & (gap == jnp.inf), jnp.zeros_like(gap), gap)


# ------------------------------------------------------------------------------------------------------ integer labels


class _Label(NamedTuple):
    """What a labelled row's losses are made of; every field keeps the class axis with length 1."""

    top: jax.Array
    base: jax.Array
    own: jax.Array  # the label's logit
    rest: jax.Array  # the sum of exp(x - base) over the other classes

    @property
    def share(self) -> jax.Array:
        return jnp.exp(_finite(self.own) - self.base)


class _LabelShares(NamedTuple):
    """What the slopes of a labelled row are made of."""

    others: jax.Array  # the probability of every class but the label's, 0 there
    own: jax.Array  # that of the label
    missing: jax.Array  # 1 - own, with its own digits
    gaps: jax.Array | None  # minus the logarithm of every probability; None where there are no factors


@partial(jax.custom_jvp, nondiff_argnums=(4, 5))
@compiled(4, 5)
def label_nll(
    x: jax.Array,
    labels: jax.Array,
    rows: jax.Array | None,
    spread: jax.Array | None,
    axis: int,
    shards: AxisName = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    r"""The triple $(L - x_t, L, \sum_k b_k (L - x_k))$ with $L = \log \sum_j e^{x_j}$; 0 where `rows` is False.

    The first is $\log(1 + \sum_{j \ne t} e^{x_j - x_t})$, summed without the label t: exact for confident examples.
    An infinite logit is the limit of a large one, several of the limit of large ones that are equal.

    Args:
        x: Logits.
        labels: Class indices in range, int32, keeping the class axis with length 1, as do `rows` and the results; of a
            class that another device has, counted from this one's first class, and so out of range.
        rows: Which rows count; None for all.
        spread: The factors b, broadcastable against x; None for zeros. One of 0 takes an infinite term out.
        axis: The class axis.
        shards: The mesh axes of the classes.
    """
    top, base = _top(x, axis, shards)
    away = jnp.abs(
        columns(x, axis, x.dtype) - labels.astype(x.dtype)
    )  # 0 at the label, at least 1 elsewhere; exact to 2**24 classes
    rest = jnp.sum(jnp.minimum(jnp.exp(_finite(x) - base), away), axis, keepdims=True)
    own, rest = sum_of_shards((label_value(x, labels, axis), rest), shards)
    return _label_losses(x, _Label(top, base, own, rest), rows, spread, axis, shards)


def _label_losses(x, label, rows, spread, axis, shards):
    # XLA on CPU computes [rows] in vectors, [rows, 1] not.
    top, base, own, rest = flat = _Label(*(jnp.squeeze(field, axis) for field in label))
    log_total = _log_total(flat)
    share = jnp.where(own == top, jnp.ones_like(rest), flat.share)
    impossible = (own == -jnp.inf) | ((top == jnp.inf) & (own < top))
    far = jnp.where(impossible, jnp.full_like(rest, jnp.inf), (base - own) + log_total)
    nll = jnp.where(own == top, log1p(rest / share), far)
    nll = jnp.where(impossible, far, nll)
    lse = _infinite(top, base + log_total)
    if spread is None:
        spread_nll = jnp.zeros_like(nll)
    else:
        half = row_sum(spread * present(spread, half_gaps(x, label.top)), axis)
        half, mass = sum_of_shards((half, jnp.sum(spread, axis)), shards)
        spread_nll = times(mass, log_total) + 2 * half
    nll, lse, spread_nll = (_kept(rows, jnp.expand_dims(loss, axis)) for loss in (nll, lse, spread_nll))
    return nll, lse, spread_nll


def _log_total(label: _Label) -> jax.Array:
    """The log of the sum of exp(x - base), 0 for a row of -inf."""
    total = label.rest + label.share
    return jnp.log(jnp.where(total == 0, jnp.ones_like(total), total))


@partial(jax.custom_jvp, nondiff_argnums=(4, 5))
@compiled(4, 5)
def _label_losses_and_shares(x, labels, rows, spread, axis, shards):
    """`label_nll` and what its slopes are made of, with exponentials that both share."""
    top, base = _top(x, axis, shards)
    e = without_label(jnp.exp(_finite(x) - base), labels, axis)
    sums = sum_of_shards((label_value(x, labels, axis), jnp.sum(e, axis, keepdims=True)), shards)
    label = _Label(top, base, *sums)
    losses = _label_losses(x, label, rows, spread, axis, shards)
    total = label.rest + label.share
    inverse = jnp.where(total == 0, jnp.zeros_like(total), 1 / jnp.where(total == 0, jnp.ones_like(total), total))
    missing = jnp.where(label.own == -jnp.inf, jnp.ones_like(total), label.rest * inverse)
    gaps = None if spread is None else 2 * half_gaps(x, top) + _log_total(label)
    return losses, _LabelShares(e * inverse, label.share * inverse, missing, gaps)


@rule(_label_losses_and_shares)
def _label_losses_and_shares_jvp(axis, shards, primals, tangents):
    x, labels, rows, spread = primals
    losses, shares = _label_losses_and_shares(x, labels, rows, spread, axis, shards)
    loss_tangents = _label_tangents(losses, shares, primals, tangents, axis, shards)
    if isinstance(tangents[0], SymbolicZero):
        return (losses, shares), (loss_tangents, jax.tree.map(jnp.zeros_like, shares))
    logs = slope_of_logs(x, tangents[0], axis, shards)
    own = shares.own * sum_of_shards(label_value(logs, labels, axis), shards)
    gaps = None if spread is None else -logs
    return (losses, shares), (loss_tangents, _LabelShares(shares.others * logs, own, -own, gaps))


@rule(label_nll)
def _label_nll_jvp(axis, shards, primals, tangents):
    losses, shares = _label_losses_and_shares(*primals, axis, shards)
    return losses, _label_tangents(losses, shares, primals, tangents, axis, shards)


def _label_tangents(losses, shares, primals, tangents, axis, shards):
    _, labels, rows, spread = primals
    along = _along(axis, shards)
    in_spread = jnp.zeros_like(losses[2])
    if spread is not None and not isinstance(tangents[3], SymbolicZero):
        in_spread = along(_kept(rows, _in_factor(spread, shares.gaps)) * tangents[3])
    if isinstance(tangents[0], SymbolicZero):
        return jnp.zeros_like(losses[0]), jnp.zeros_like(losses[1]), in_spread
    slopes = [(shares.others, -shares.missing), (shares.others, shares.own)]
    if spread is not None:
        mass = along(spread)
        # Kept before they meet the mass, or its derivative would see the nan of a masked row.
        others, own = _kept(rows, shares.others), _kept(rows, shares.own)
        slopes.append((mass * others - spread, mass * own))
    nll, lse, *of_spread = sum_of_shards(sums_of_slopes(slopes, tangents[0], labels, axis), shards)
    nll, lse, *of_spread = (_kept(rows, t) for t in (nll, lse, *of_spread))
    return nll, lse, sum(of_spread, in_spread)


# ------------------------------------------------------------------------------------------------------- distributions


class _TargetShares(NamedTuple):
    """What the slopes of a row of targets are made of."""

    mass: jax.Array  # the sum of the targets
    slope: jax.Array  # mass * p - targets, with its digits
    likely: jax.Array  # 1 where p > 1/2, else 0
    less: jax.Array  # that less p
    logs: jax.Array  # log p


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
@compiled(3, 4)
def target_nll(
    x: jax.Array, targets: jax.Array, rows: jax.Array | None, axes: Axes, shards: AxisName = None
) -> tuple[jax.Array, jax.Array]:
    r"""The pair $(\sum_k y_k (\log \sum_j e^{x_j} - x_k), \log \sum_j e^{x_j})$; 0 where `rows` is False.

    `targets` has the shape of x. `rows` and the results keep the class axes with length 1. An element of target 0
    contributes 0 even at a logit of minus infinity, and its slope there is 0.
    """
    return _target_losses(x, targets, _rows(x, axes, shards=shards), rows, axes, shards)[0]


def _target_losses(x, targets, sums, rows, axes, shards):
    """The losses, and the sums of the targets."""
    half = targets * present(targets, half_gaps(x, sums.top))
    mass, half = sum_of_shards(two_sums(targets, half, axes), shards)
    flat = jax.tree.map(partial(jnp.squeeze, axis=axes), sums)  # as in `_label_losses`
    log_sum = _log_sum(flat)
    nll = 2 * jnp.squeeze(half, axes) + times(jnp.squeeze(mass, axes), log_sum)
    lse = _infinite(flat.top, flat.base + log_sum)
    nll, lse = (_kept(rows, jnp.expand_dims(loss, axes)) for loss in (nll, lse))
    return (nll, lse), mass


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
@compiled(3, 4)
def _target_losses_and_shares(x, targets, rows, axes, shards):
    """`target_nll` and what its slopes are made of, with exponentials that both share."""
    top, base = _top(x, axes, shards)
    e = jnp.exp(_finite(x) - base)
    sums = _rows_of(e, top, base, axes, shards)
    losses, mass = _target_losses(x, targets, sums, rows, axes, shards)
    inverse = _inverse(sums)
    share = mass * inverse
    likely = _likely(e, sums)
    # Where p > 1/2, mass * p - y is (mass - y) - mass * (1 - p) with 1 - p = rest / total: exact if confident.
    slope = jnp.where(likely, (mass - targets) - sums.rest * share, e * share - targets)
    less = jnp.where(likely, sums.rest * inverse, e * -inverse)
    return losses, _TargetShares(mass, slope, likely.astype(x.dtype), less, _log_probabilities(x, sums))


@rule(_target_losses_and_shares)
def _target_losses_and_shares_jvp(axes, shards, primals, tangents):
    x, targets, rows = primals
    losses, shares = _target_losses_and_shares(x, targets, rows, axes, shards)
    loss_tangents = _target_tangents(losses, shares, primals, tangents, axes, shards)
    mass, slope, _, less, logs = jax.tree.map(jnp.zeros_like, shares)
    # Kept here, for a nan of a masked row times a cotangent of 0 would be in the derivatives of what is shared.
    p = _kept(rows, shares.likely - shares.less)
    if not isinstance(tangents[0], SymbolicZero):
        logs = _kept(rows, slope_of_logs(x, tangents[0], axes, shards))
        less = -p * logs
        slope = shares.mass * p * logs
    if not isinstance(tangents[1], SymbolicZero):
        mass = _along(axes, shards)(tangents[1])
        slope = slope + (p * mass - tangents[1])
    return (losses, shares), (loss_tangents, _TargetShares(mass, slope, jnp.zeros_like(less), less, logs))


@rule(target_nll)
def _target_nll_jvp(axes, shards, primals, tangents):
    losses, shares = _target_losses_and_shares(*primals, axes, shards)
    return losses, _target_tangents(losses, shares, primals, tangents, axes, shards)


def _target_tangents(losses: Any, shares: _TargetShares, primals: Any, tangents: Any, axes: Axes, shards: AxisName):
    _, targets, rows = primals
    along = _along(axes, shards)
    nll, lse = jax.tree.map(jnp.zeros_like, losses)
    if not isinstance(tangents[0], SymbolicZero):
        nll = nll + along(_kept(rows, shares.slope) * tangents[0])
        lse = lse + along(_kept(rows, shares.likely - shares.less) * tangents[0])
    if not isinstance(tangents[1], SymbolicZero):
        nll = nll + along(_kept(rows, _in_factor(targets, -shares.logs)) * tangents[1])
    return nll, lse
