"""The softmax cross-entropy of rows of logits from a distribution over the classes.

Its two rules and its shards are those of `label_cross_entropy.py`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._forms import two_sums
from jaxloss.numerics._mesh import AxisName, keep, sum_of_shards
from jaxloss.numerics._row_sums import (
    half_gaps,
    inverse,
    is_likely,
    log_probabilities,
    log_sum,
    or_infinite_top,
    row_sums,
    row_sums_of_exponentials,
    sum_over_row,
    top_and_base,
)
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._shapes import Axes
from jaxloss.numerics.guarded import absent, clip_positive_infinity, times, weighed
from jaxloss.numerics.log_sum_exp import slope_of_logs_with_digits


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
    x: jax.Array, targets: jax.Array, where: jax.Array | None, axes: Axes, shards: AxisName = None
) -> tuple[jax.Array, jax.Array]:
    r"""The pair $(\sum_k y_k (\log \sum_j e^{x_j} - x_k), \log \sum_j e^{x_j})$; 0 where `where` is False.

    `targets` has the shape of x. `where` and the results keep the class axes with length 1. An element of target 0
    contributes 0 even at a logit of minus infinity, and its slope there is 0.
    """
    return _target_losses(x, targets, row_sums(x, axes, shards=shards), where, axes, shards)[0]


def _target_losses(x, targets, sums, where, axes, shards):
    """The losses, and the sums of the targets."""
    half = weighed(targets, half_gaps(x, sums.top))
    mass, half = sum_of_shards(two_sums(targets, half, axes), shards)
    flat = jax.tree.map(partial(jnp.squeeze, axis=axes), sums)  # as in `_label_losses`
    log_total = log_sum(flat)
    nll = 2 * jnp.squeeze(half, axes) + times(jnp.squeeze(mass, axes), log_total)
    lse = or_infinite_top(flat.top, flat.base + log_total)
    nll, lse = (keep(where, jnp.expand_dims(loss, axes)) for loss in (nll, lse))
    return (nll, lse), mass


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
@compiled(3, 4)
def _target_losses_and_shares(x, targets, where, axes, shards):
    """`target_nll` and what its slopes are made of, with exponentials that both share."""
    top, base = top_and_base(x, axes, shards)
    e = jnp.exp(clip_positive_infinity(x) - base)
    sums = row_sums_of_exponentials(e, top, base, axes, shards)
    losses, mass = _target_losses(x, targets, sums, where, axes, shards)
    one_over_sum = inverse(sums)
    share = mass * one_over_sum
    likely = is_likely(e, sums)
    # Where p > 1/2, mass * p - y is (mass - y) - mass * (1 - p) with 1 - p = rest / total: exact if confident.
    slope = jnp.where(likely, (mass - targets) - sums.rest * share, e * share - targets)
    less = jnp.where(likely, sums.rest * one_over_sum, e * -one_over_sum)
    return losses, _TargetShares(mass, slope, likely.astype(x.dtype), less, log_probabilities(x, sums))


@rule(_target_losses_and_shares)
def _target_losses_and_shares_jvp(axes, shards, primals, tangents):
    x, targets, where = primals
    losses, shares = _target_losses_and_shares(x, targets, where, axes, shards)
    loss_tangents = _target_tangents(losses, shares, primals, tangents, axes, shards)
    mass, slope, _, less, logs = jax.tree.map(jnp.zeros_like, shares)
    # Kept here, for a nan of a masked row times a cotangent of 0 would be in the derivatives of what is shared.
    p = keep(where, shares.likely - shares.less)
    if not isinstance(tangents[0], SymbolicZero):
        logs = keep(where, slope_of_logs_with_digits(x, tangents[0], axes, shards))
        less = -p * logs
        slope = shares.mass * p * logs
    if not isinstance(tangents[1], SymbolicZero):
        mass = sum_over_row(tangents[1], axes, shards)
        slope = slope + (p * mass - tangents[1])
    return (losses, shares), (loss_tangents, _TargetShares(mass, slope, jnp.zeros_like(less), less, logs))


@rule(target_nll)
def _target_nll_jvp(axes, shards, primals, tangents):
    losses, shares = _target_losses_and_shares(*primals, axes, shards)
    return losses, _target_tangents(losses, shares, primals, tangents, axes, shards)


def _target_tangents(losses: Any, shares: _TargetShares, primals: Any, tangents: Any, axes: Axes, shards: AxisName):
    _, targets, where = primals
    nll, lse = jax.tree.map(jnp.zeros_like, losses)
    if not isinstance(tangents[0], SymbolicZero):
        nll = nll + sum_over_row(keep(where, shares.slope) * tangents[0], axes, shards)
        lse = lse + sum_over_row(keep(where, shares.likely - shares.less) * tangents[0], axes, shards)
    if not isinstance(tangents[1], SymbolicZero):
        nll = nll + sum_over_row(keep(where, absent(targets, -shares.logs)) * tangents[1], axes, shards)
    return nll, lse
