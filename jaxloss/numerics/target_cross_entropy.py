r"""The softmax cross-entropy of rows of logits from a distribution over the classes.

With $L = \log \sum_j e^{x_j}$, p the softmax of x and targets y of sum m, the slopes of the loss of a row are

$$\frac{\partial}{\partial x_j} \sum_k y_k (L - x_k) = m p_j - y_j, \quad
    \frac{\partial}{\partial y_j} \sum_k y_k (L - x_k) = -\log p_j.$$

The two primitives with their rules, and `shards`, are as in `label_cross_entropy.py`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._forms import by_platform, form, of_rows
from jaxloss.numerics._mesh import AxisName, keep
from jaxloss.numerics._row_sums import (
    RowSums,
    inverse,
    is_likely,
    log_probabilities,
    log_sum,
    or_infinite_top,
    stored_exponentials,
    sum_over_row,
    sums_of_targets,
    target_sums,
)
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._shapes import Axes, many_apart
from jaxloss.numerics.guarded import absent, clip_positive_infinity, times
from jaxloss.numerics.log_sum_exp import slope_of_logs


class _Slopes(NamedTuple):
    """The numbers of each row from which its slopes are computed; p is `likely - small`, as in `softmax_parts`."""

    mass: jax.Array  # the sum m of the targets
    slope: jax.Array  # m p - y, computed without cancellation
    likely: jax.Array  # 1 where p > 1/2, else 0
    small: jax.Array  # likely - p
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
    return _target_losses(*target_sums(x, targets, axes, shards), where, axes)


def _target_losses(sums, of_targets, where, axes):
    nll, lse = of_rows((*sums, *of_targets), _losses_of_sums, axes)
    return keep(where, nll), keep(where, lse)


def _losses_of_sums(top, base, ties, rest, mass, half):
    r"""The losses from the sums of a row, $\sum_k y_k$ and $\sum_k y_k (top - x_k) / 2$."""
    log_total = log_sum(RowSums(top, base, ties, rest))
    return 2 * half + times(mass, log_total), or_infinite_top(top, base + log_total)


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
@compiled(3, 4)
def _target_losses_and_slopes(x, targets, where, axes, shards):
    """`target_nll` and the numbers of its slopes, from the same exponentials."""
    e, sums, of_targets = _exponentials_with_targets(x, targets, axes, shards)
    losses, mass = _target_losses(sums, of_targets, where, axes), of_targets[0]
    one_over_sum = inverse(sums)
    share = mass * one_over_sum
    likely = is_likely(e, sums)
    # Where p > 1/2, m p - y is computed as (m - y) - m (1 - p) with 1 - p = rest / total: exact if confident.
    slope = jnp.where(likely, (mass - targets) - sums.rest * share, e * share - targets)
    small = jnp.where(likely, sums.rest * one_over_sum, e * -one_over_sum)
    return losses, _Slopes(mass, slope, likely.astype(x.dtype), small, log_probabilities(x, sums))


def _recomputed_with_targets(x, targets, axes, shards=None):
    """exp(x - base) and `target_sums`, whose exponentials are computed by themselves."""
    sums, of_targets = target_sums(x, targets, axes, shards)
    return jnp.exp(clip_positive_infinity(x) - sums.base), sums, of_targets


@form(_recomputed_with_targets)
def _exponentials_with_targets(x, targets, axes, shards=None):
    """exp(x - base) and `target_sums`; on CPUs the sums are those of stored exponentials.

    Accelerators compute the exponentials again, since there a row is read once for all its sums; GPUs store them too
    where `many_apart`. Measured: jaxlib 0.10.2, gradient of softmax_cross_entropy, the twin takes 1.9 times the CPU
    time at 65536x10 and 1.4 times at 8192x1000.
    """
    if shards is not None:
        return _recomputed_with_targets(x, targets, axes, shards)

    def summed(x, targets):
        e, sums = stored_exponentials(x, axes)
        return e, sums, sums_of_targets(x, targets, sums.top, axes)

    recomputed = lambda x, targets: _recomputed_with_targets(x, targets, axes)  # noqa: E731
    return by_platform(x, targets, cpu=summed, default=recomputed, gpu=summed if many_apart(x, axes) else None)


@rule(_target_losses_and_slopes)
def _target_losses_and_slopes_jvp(axes, shards, primals, tangents):
    x, targets, where = primals
    losses, slopes = _target_losses_and_slopes(x, targets, where, axes, shards)
    loss_tangents = _target_tangents(losses, slopes, primals, tangents, axes, shards)
    mass, slope, _, small, logs = jax.tree.map(jnp.zeros_like, slopes)
    # Masked, because the derivatives of the slopes would multiply a nan of a masked row by a cotangent of 0.
    p = keep(where, slopes.likely - slopes.small)
    if not isinstance(tangents[0], SymbolicZero):
        logs = keep(where, slope_of_logs(x, tangents[0], axes, shards))
        small = -p * logs
        slope = slopes.mass * p * logs
    if not isinstance(tangents[1], SymbolicZero):
        mass = sum_over_row(tangents[1], axes, shards)
        slope = slope + (p * mass - tangents[1])
    return (losses, slopes), (loss_tangents, _Slopes(mass, slope, jnp.zeros_like(small), small, logs))


@rule(target_nll)
def _target_nll_jvp(axes, shards, primals, tangents):
    losses, slopes = _target_losses_and_slopes(*primals, axes, shards)
    return losses, _target_tangents(losses, slopes, primals, tangents, axes, shards)


def _target_tangents(losses: Any, slopes: _Slopes, primals: Any, tangents: Any, axes: Axes, shards: AxisName):
    _, targets, where = primals
    nll, lse = jax.tree.map(jnp.zeros_like, losses)
    if not isinstance(tangents[0], SymbolicZero):
        nll = nll + sum_over_row(keep(where, slopes.slope) * tangents[0], axes, shards)
        lse = lse + sum_over_row(keep(where, slopes.likely - slopes.small) * tangents[0], axes, shards)
    if not isinstance(tangents[1], SymbolicZero):
        nll = nll + sum_over_row(keep(where, absent(targets, -slopes.logs)) * tangents[1], axes, shards)
    return nll, lse
