r"""The softmax cross-entropy of rows of logits from integer labels.

With $L = \log \sum_j e^{x_j}$, p the softmax of x and t the label, the slopes of the three losses of a row are

$$\frac{\partial (L - x_t)}{\partial x_j} = p_j - [j = t], \quad \frac{\partial L}{\partial x_j} = p_j, \quad
    \frac{\partial \sum_k b_k (L - x_k)}{\partial x_j} = p_j \sum_k b_k - b_j.$$

At the label the first is $-(1 - p_t)$, where $1 - p_t$ is summed over the other classes.

Two primitives have derivative rules. That of `label_nll` computes the losses and these slopes together, by
`_label_losses_and_shares`, so that both share their exponentials. The rule of the latter is for second derivatives: it
keeps the digits of $p (1 - p)$, which the derivative of $1 - rest / total$ loses. Since the first rule returns losses
that it computed, not `label_nll` itself, those must be differentiable as they stand.

With `shards`, mesh axes over which the classes are spread, each device holds a part of the classes, and all get the
results: a sum over a row is a sum over the devices too. A few numbers per row are sent, but no logits.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._forms import by_platform, form, of_rows
from jaxloss.numerics._label_sums import by_steps_on_gpus, label_sums, linear_sums
from jaxloss.numerics._mesh import AxisName, filled, keep, sum_of_shards
from jaxloss.numerics._row_sums import half_gaps, or_infinite_top, over_shards, raised, sum_over_row, top_and_base
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import absent, clip_infinite, clip_positive_infinity, one_if_zero, times
from jaxloss.numerics.label import label_value, others_selected, sums_of_slopes, without_label
from jaxloss.numerics.log_sum_exp import slope_of_logs


class _Label(NamedTuple):
    """The numbers of each row from which its losses are computed."""

    top: jax.Array
    base: jax.Array
    logit: jax.Array  # of the label
    rest: jax.Array  # the sum of exp(x - base) over the other classes

    @property
    def e(self) -> jax.Array:
        """exp(x - base) of the label."""
        return jnp.exp(clip_positive_infinity(self.logit) - self.base)

    @property
    def total(self) -> jax.Array:
        """The sum of exp(x - base) over all classes, 0 for a row of -inf."""
        return self.rest + self.e

    @property
    def log_total(self) -> jax.Array:
        """The logarithm of the total, 0 for a row of -inf."""
        return jnp.log(one_if_zero(self.total))


class _Shares(NamedTuple):
    """The probabilities p of each row, from which its slopes are computed."""

    others: jax.Array  # p of every class but the label's, 0 there
    label: jax.Array  # p of the label
    missing: jax.Array  # 1 - p of the label, summed over the others
    gaps: jax.Array | None  # -log p of every class; None where there are no factors


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

    The first is computed as $\log(1 + \sum_{j \ne t} e^{x_j - x_t})$, which is exact for confident examples. A logit of
    inf is the limit of a large one, and several are the limit of large equal ones.

    Args:
        x: Logits.
        labels: Class indices in range, int32, keeping the class axis with length 1, as do `where` and the results.
            With `shards` they are local: the index of a class that another device holds is out of range.
        where: Which rows count; None for all.
        factors: The factors b, which broadcast against x; None for zeros. A factor of 0 leaves an infinite term out.
        axis: The class axis.
        shards: The mesh axes of the classes.
    """
    return _label_losses(*_numbers_of_rows(x, labels, factors, axis, shards), where, axis)


def _numbers_of_rows(x, labels, factors, axis, shards):
    r"""The numbers of each row, and with factors b $\sum_k b_k$ and $\sum_k b_k (top - x_k) / 2$."""
    top, rest, logit, *linear = label_sums(x, labels, factors, axis)
    if shards is not None:
        top, up, down = over_shards(top, shards)
        rest, logit, *linear = sum_of_shards((down * rest, logit, *raised(linear, up)), shards)
    return _Label(top, clip_infinite(top), logit, rest), tuple(linear)


def _label_losses(label, of_factors, where, axis):
    nll, lse, weighted_nll = of_rows((*label, *of_factors), _losses_of_sums, axis)
    return keep(where, nll), keep(where, lse), keep(where, weighted_nll)


def _losses_of_sums(top, base, logit, rest, mass=None, half=None):
    r"""The losses from the numbers of a row; with factors b also from $\sum_k b_k (top - x_k) / 2$ and $\sum_k b_k$."""
    log_total = _Label(top, base, logit, rest).log_total
    impossible = (logit == -jnp.inf) | ((top == jnp.inf) & (logit < top))  # p = 0
    far = jnp.where(impossible, filled(rest, jnp.inf), (base - logit) + log_total)
    nll = jnp.where((logit == top) & ~impossible, log1p(rest), far)
    lse = or_infinite_top(top, base + log_total)
    return nll, lse, jnp.zeros_like(nll) if half is None else times(mass, log_total) + 2 * half


@partial(jax.custom_jvp, nondiff_argnums=(4, 5))
@compiled(4, 5)
def _label_losses_and_shares(x, labels, where, factors, axis, shards):
    """`label_nll` and the probabilities, from the same exponentials."""
    e, label, of_factors = _exponentials_with_label(x, labels, factors, axis, shards)
    losses = _label_losses(label, of_factors, where, axis)
    of_label, missing, inverse, log_total = of_rows(label, _shares_of_sums, axis)
    gaps = None if factors is None else 2 * half_gaps(x, label.top) + log_total
    return losses, _Shares(e * inverse, of_label, missing, gaps)


def _recomputed_with_label(x, labels, factors, axis, shards=None):
    """exp(x - base), 0 at the label, and `_numbers_of_rows`, whose exponentials are computed by themselves."""
    label, of_factors = _numbers_of_rows(x, labels, factors, axis, shards)
    return others_selected(jnp.exp(clip_positive_infinity(x) - label.base), labels, axis), label, of_factors


@form(_recomputed_with_label)
def _exponentials_with_label(x, labels, factors, axis, shards=None):
    """exp(x - base), 0 at the label, and `_numbers_of_rows`; on CPUs the sums are those of stored exponentials.

    Accelerators compute the exponentials again, since there a row is read once for all its sums; GPUs store them too
    where `by_steps_on_gpus`. Measured: jaxlib 0.10.2, gradient of softmax_cross_entropy_with_integer_labels 65536x10,
    the twin takes 1.5 times the CPU time; with smoothing 8192x1000, 1.2 times.
    """
    if shards is not None:
        return _recomputed_with_label(x, labels, factors, axis, shards)
    given = (x, labels) if factors is None else (x, labels, factors)

    def summed(x, labels, factors=None):
        top, base = top_and_base(x, axis)
        e = without_label(jnp.exp(clip_positive_infinity(x) - base), labels, axis)
        label = _Label(top, base, label_value(x, labels, axis), jnp.sum(e, axis, keepdims=True))
        return e, label, linear_sums(x, factors, top, axis)

    recomputed = lambda x, labels, factors=None: _recomputed_with_label(x, labels, factors, axis)  # noqa: E731
    on_gpus = summed if by_steps_on_gpus(x, factors, axis) else None
    return by_platform(*given, cpu=summed, default=recomputed, gpu=on_gpus)


def _shares_of_sums(*numbers):
    """p and 1 - p of the label, and one over the total and its logarithm."""
    label = _Label(*numbers)
    some = one_if_zero(label.total)
    inverse = jnp.where(label.total == 0, jnp.zeros_like(some), 1 / some)
    missing = jnp.where(label.logit == -jnp.inf, jnp.ones_like(some), label.rest * inverse)
    return label.e * inverse, missing, inverse, label.log_total


@rule(_label_losses_and_shares)
def _label_losses_and_shares_jvp(axis, shards, primals, tangents):
    x, labels, where, factors = primals
    losses, shares = _label_losses_and_shares(x, labels, where, factors, axis, shards)
    loss_tangents = _label_tangents(losses, shares, primals, tangents, axis, shards)
    if isinstance(tangents[0], SymbolicZero):
        return (losses, shares), (loss_tangents, jax.tree.map(jnp.zeros_like, shares))
    logs = slope_of_logs(x, tangents[0], axis, shards)
    of_label = shares.label * sum_of_shards(label_value(logs, labels, axis), shards)
    gaps = None if factors is None else -logs
    return (losses, shares), (loss_tangents, _Shares(shares.others * logs, of_label, -of_label, gaps))


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
        # Masked before they are multiplied by the mass, so that a nan of a masked row is not in the mass's derivative.
        others, of_label = keep(where, shares.others), keep(where, shares.label)
        slopes.append((mass * others - factors, mass * of_label))
    nll, lse, *of_factors = sum_of_shards(sums_of_slopes(slopes, tangents[0], labels, axis), shards)
    nll, lse, *of_factors = (keep(where, t) for t in (nll, lse, *of_factors))
    return nll, lse, sum(of_factors, in_factors)
