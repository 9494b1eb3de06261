"""Softmax cross-entropies of rows of logits, from a label or from a distribution over the classes.

Written on the row sums of `softmax.py`; what is said there of values, rules and what XLA writes out holds here.

With `shards`, mesh axes over which the classes are spread, each device has its part of them and all have the results:
whatever is summed over a row is summed over the devices too, a few numbers for each row, and no logit is sent.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._rule import rule
from jaxloss.numerics._sharding import columns, keep
from jaxloss.numerics._shards import AxisName, sum_of_shards
from jaxloss.numerics._sums import Axes, row_sum, two_sums, unclamped
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
    _minus,
    _rows,
    _rows_of,
    _top,
)


def _kept(rows: jax.Array | None, x: jax.Array) -> jax.Array:
    return x if rows is None else keep(rows, x)


def _along(axes: Axes, shards: AxisName) -> Callable[[jax.Array], jax.Array]:
    """The sum over a row, of all devices."""
    return lambda x: sum_of_shards(jnp.sum(x, axes, keepdims=True), shards)


class _Label(NamedTuple):
    """What a labelled row's losses are made of; every field keeps the class axis with length 1."""

    top: jax.Array
    base: jax.Array
    own: jax.Array  # the label's logit
    rest: jax.Array  # the sum of exp(x - base) over the other classes

    @property
    def share(self) -> jax.Array:
        return jnp.exp(_finite(self.own) - self.base)


@partial(jax.custom_jvp, nondiff_argnums=(4, 5))
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

    Args:
        x: Logits.
        labels: Class indices in range, int32, keeping the class axis with length 1, as do `rows` and the results; of a
            class that another device has, counted from this one's first class, and so out of range.
        rows: Which rows count; None for all.
        spread: The factors b, broadcastable against x; None for zeros.
        axis: The class axis.
        shards: The mesh axes of the classes.
    """
    top, base = _top(x, axis, shards)
    away = jnp.abs(
        columns(x, axis, x.dtype) - labels.astype(x.dtype)
    )  # 0 at the label, at least 1 elsewhere; exact to 2**24 classes
    rest = jnp.sum(jnp.minimum(jnp.exp(x - base), away), axis, keepdims=True)
    own, rest = sum_of_shards((label_value(x, labels, axis), rest), shards)
    return _label_losses(x, _Label(top, base, own, rest), rows, spread, axis, shards)


def _label_losses(x, label, rows, spread, axis, shards):
    # XLA on CPU computes [rows] in vectors, [rows, 1] not.
    flat = jax.tree.map(partial(jnp.squeeze, axis=axis), label)
    top, base, own, rest = flat
    log_total = jnp.log(rest + flat.share)
    # At the top the share is 1, but not its derivative.
    nll = jnp.where(own == top, log1p(rest / flat.share), (base - own) + log_total)
    impossible = (own == -jnp.inf) | ((top == jnp.inf) & (own < top))
    nll = jnp.where(impossible, jnp.full_like(nll, jnp.inf), nll)
    lse = _infinite(top, base + log_total)
    if spread is None:
        spread_nll = jnp.zeros_like(nll)
    else:
        # Where the factor is 0 the gap is floored at 0, or a logit of -inf would make 0 * inf.
        floor = jnp.where(spread == 0, jnp.zeros_like(spread), jnp.full_like(spread, -jnp.inf))
        gaps = row_sum(jnp.maximum(_minus(x, label.base), floor) * spread, axis)
        gaps, mass = sum_of_shards((gaps, jnp.sum(spread, axis)), shards)
        spread_nll = times(mass, jnp.maximum(log_total, 0)) - gaps
    nll, lse, spread_nll = (_kept(rows, jnp.expand_dims(loss, axis)) for loss in (nll, lse, spread_nll))
    return nll, lse, spread_nll


@rule(label_nll)
def _(axis, shards, primals, tangents):
    x, labels, rows, spread = primals
    top, base = _top(x, axis, shards)
    e = without_label(jnp.exp(_finite(x) - base), labels, axis)
    sums = sum_of_shards((label_value(x, labels, axis), jnp.sum(e, axis, keepdims=True)), shards)
    label = _Label(top, base, *sums)
    values = _label_losses(x, label, rows, spread, axis, shards)
    along = _along(axis, shards)
    in_spread = jnp.zeros_like(values[2])
    if spread is not None and not isinstance(tangents[3], SymbolicZero):
        # Finite, or the tangent 0 of a class that is masked would make the sum nan.
        gaps = jnp.minimum(jnp.log(label.rest + label.share) - (x - base), float(jnp.finfo(x.dtype).max))
        in_spread = along(_kept(rows, gaps) * tangents[3])
    if isinstance(tangents[0], SymbolicZero):
        return values, (jnp.zeros_like(values[0]), jnp.zeros_like(values[1]), in_spread)
    total = label.rest + label.share
    inverse = jnp.where(total == 0, jnp.zeros_like(total), 1 / total)
    p, own_p = e * inverse, label.share * inverse
    own_slope = jnp.where(label.own == -jnp.inf, -jnp.ones_like(total), -label.rest * inverse)
    slopes = [(p, own_slope), (p, own_p)]
    if spread is not None:
        mass = along(spread)
        slopes.append((mass * p - spread, mass * own_p))
    nll, lse, *of_spread = sum_of_shards(sums_of_slopes(slopes, tangents[0], labels, axis), shards)
    nll, lse, *of_spread = (_kept(rows, t) for t in (nll, lse, *of_spread))
    return values, (nll, lse, sum(of_spread, in_spread))


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def target_nll(
    x: jax.Array, targets: jax.Array, rows: jax.Array | None, axes: Axes, shards: AxisName = None
) -> tuple[jax.Array, jax.Array]:
    r"""The pair $(\sum_k y_k (\log \sum_j e^{x_j} - x_k), \log \sum_j e^{x_j})$; 0 where `rows` is False.

    `targets` has the shape of x. `rows` and the results keep the class axes with length 1. An element of target 0
    contributes 0 even at a logit of minus infinity.
    """
    return _target_losses(x, targets, _rows(x, axes, shards=shards), rows, axes, shards)[0]


def _target_losses(x, targets, sums, rows, axes, shards):
    """The losses, and the sums of the targets."""
    gap = jnp.maximum(_minus(_finite(x), sums.base), -float(jnp.finfo(x.dtype).max))
    mass, gaps = sum_of_shards(two_sums(targets, targets * gap, axes), shards)
    flat = jax.tree.map(partial(jnp.squeeze, axis=axes), sums)  # as in `_label_losses`
    log_sum = _log_sum(flat)
    nll = unclamped(-jnp.squeeze(gaps, axes)) + times(jnp.squeeze(mass, axes), log_sum)
    lse = _infinite(flat.top, flat.base + log_sum)
    nll, lse = (_kept(rows, jnp.expand_dims(loss, axes)) for loss in (nll, lse))
    return (nll, lse), mass


@rule(target_nll)
def _(axes, shards, primals, tangents):
    x, targets, rows = primals
    top, base = _top(x, axes, shards)
    e = jnp.exp(_finite(x) - base)
    sums = _rows_of(e, top, base, axes, shards)
    values, mass = _target_losses(x, targets, sums, rows, axes, shards)
    along = _along(axes, shards)
    nll_tangent, lse_tangent = jnp.zeros_like(values[0]), jnp.zeros_like(values[1])
    if not isinstance(tangents[0], SymbolicZero):
        inverse = _inverse(sums)
        share = mass * inverse
        # Where p > 1/2, mass * p - y is (mass - y) - mass * (1 - p) with 1 - p = rest / total: exact if confident.
        slope = jnp.where(_likely(e, sums), (mass - targets) - sums.rest * share, e * share - targets)
        nll_tangent = nll_tangent + along(_kept(rows, slope) * tangents[0])
        lse_tangent = lse_tangent + along(_kept(rows, e * inverse) * tangents[0])
    if not isinstance(tangents[1], SymbolicZero):
        # Finite, or the tangent 0 of a label that is masked would make the sum nan.
        logs = jnp.maximum(_log_probabilities(x, sums), -float(jnp.finfo(x.dtype).max))
        nll_tangent = nll_tangent - along(_kept(rows, logs) * tangents[1])
    return values, (nll_tangent, lse_tangent)
