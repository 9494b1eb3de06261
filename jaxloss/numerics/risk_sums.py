r"""Sums of hazards $e^{x_j}$ over risk sets, and the partial likelihood that is made of them.

No sum is a difference of others, and none leaves a risk set's own scale: a sum is held relative to the largest of its
own terms, and running sums are taken in blocks, and in blocks of blocks (`running_sums.py`).
"""

import math
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._rule import rule
from jaxloss.numerics.cohort_order import RiskOrder
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import largest
from jaxloss.numerics.running_sums import Join, running

Sum: TypeAlias = tuple[jax.Array, jax.Array]
"""The exponent of the largest term, and what there is relative to that term."""


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def partial_nll(x: jax.Array, order: RiskOrder, averaged: bool) -> jax.Array:
    r"""$\log \sum_{j \in R} e^{x_j} - x_i$ at the place of each event i, with its risk set R; elsewhere any number.

    `averaged` is Efron's form: of d tied events the one of rank l is compared with the risk set without the share
    $l / d$ of all d, and each has the mean of the d logarithms.
    """
    top, rest = _risk_sums(x, order, averaged)
    return (top - x) + _mean_of_block(log1p(rest), order, averaged)


@rule(partial_nll)
def _partial_nll_jvp(averaged, primals, tangents):
    (x, order), t = primals, tangents[0]
    value = partial_nll(x, order, averaged)
    if isinstance(t, SymbolicZero):
        return value, jnp.zeros_like(value)
    mean = _weighted(x, t, order, averaged) / (1 + _rest(x, order, averaged))
    return value, _mean_of_block(mean, order, averaged) - t


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _rest(x: jax.Array, order: RiskOrder, averaged: bool) -> jax.Array:
    """The sums of risk sets over their largest term, less 1; the largest term is a constant in its derivatives."""
    return _risk_sums(x, order, averaged)[1]


@rule(_rest)
def _rest_jvp(averaged, primals, tangents):
    x, order = primals
    value, t = _rest(x, order, averaged), tangents[0]
    return value, jnp.zeros_like(value) if isinstance(t, SymbolicZero) else _weighted(x, t, order, averaged)


def _weighted(x: jax.Array, w: jax.Array, order: RiskOrder, averaged: bool) -> jax.Array:
    r"""$\sum_{j \in R} e^{x_j - m} w_j$, linear in w, with the largest term m of `_rest`, which is a constant here."""
    # All exponents are constants to derivatives but one for each sample, of 0, which has the slope of e^x. So they are
    # right however JAX takes them: where this is a linear function of w, it would not look at a rule.
    base = lax.stop_gradient(x)
    values = (jnp.where(order.counts, base, -largest(x)), jnp.where(order.counts, w * jnp.exp(x - base), 0))
    (m, y), (n, z) = _later_and_own(values, (-largest(x), 0.0), _add_weighted, order)
    _, later, own = _relative(m, n)
    return later * y + _share(order, averaged, x) * (own * z)


def _risk_sums(x: jax.Array, order: RiskOrder, averaged: bool) -> Sum:
    """The largest term of each risk set, and the others relative to it; in Efron's form less the share of the ties."""
    values = jnp.where(order.counts, x, -largest(x)), jnp.where(order.counts, 0, -jnp.ones_like(x))
    (m, r), (n, s) = _later_and_own(values, (-largest(x), -1.0), _add, order)
    share, (top, later, own) = _share(order, averaged, x), _relative(m, n)
    # Of the part with the largest term, what is left beside that term.
    of_later = r + share * (own * (1 + s))
    of_own = later * (1 + r) + (share * s - (1 - share))
    return top, jnp.where(m >= n, of_later, of_own)


def _share(order: RiskOrder, averaged: bool, like: jax.Array) -> jax.Array:
    """The share of a block that is in the risk set."""
    if not averaged:
        return jnp.ones_like(like)
    return (order.tied - order.rank).astype(like.dtype) / order.tied.astype(like.dtype)


def _mean_of_block(values: jax.Array, order: RiskOrder, averaged: bool) -> jax.Array:
    if not averaged:
        return values
    sums = running(jnp.add, values, order.last, reverse=True)
    return running(_earlier, sums, order.first) / order.tied.astype(values.dtype)


# ---------------------------------------------------------------------------------------------------------- addition


def _relative(m: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The larger of two exponents, and the exponentials of both relative to it, one of which is 1."""
    small, one = jnp.exp(-jnp.abs(m - n)), jnp.ones_like(m)
    return jnp.maximum(m, n), jnp.where(m >= n, one, small), jnp.where(m >= n, small, one)


def _add(a: Sum, b: Sum) -> Sum:
    """Sums less their largest term: what is small beside it keeps its digits."""
    (m, r), (n, s) = a, b
    top, of_a, of_b = _relative(m, n)
    return top, jnp.where(m >= n, r + of_b * (1 + s), s + of_a * (1 + r))


def _add_weighted(a: Sum, b: Sum) -> Sum:
    """Weighted sums, relative to the largest term without its weight."""
    (m, y), (n, z) = a, b
    top, of_a, of_b = _relative(m, n)
    return top, of_a * y + of_b * z


def _earlier(a: Any, b: Any) -> Any:
    return a


# --------------------------------------------------------------------------------------------------------- risk sets


def _later_and_own(values: Sum, empty: tuple[float, float], add: Join, order: RiskOrder) -> tuple[Sum, Sum]:
    """At each place, the sum of what is at risk beside its block, and that of its block."""
    later = _later(values, empty, add, order) if order.entries is None else _entered(values, empty, add, order)

    def both(a: Any, b: Any) -> Any:
        return add(a[0], b[0]), a[1]

    # From the last place of each block to its first, which then has all of the block, and back.
    own, later = running(both, (values, later), order.last, reverse=True)
    return later, running(_earlier, own, order.first)


def _later(values: Sum, empty: tuple[float, float], add: Join, order: RiskOrder) -> Sum:
    """The sum of what comes after a place in its stratum."""
    sums = running(add, values, order.ends, reverse=True)
    return _of_neighbour(sums, empty, order.ends, 1)


def _of_neighbour(sums: Any, empty: tuple[float, float], bounds: jax.Array, step: int) -> Any:
    """The sums of the next place, or with a step of -1 of the previous one; the empty sum where `bounds` is True."""
    return tuple(jnp.where(bounds, e, jnp.roll(s, -step, -1)) for s, e in zip(sums, empty, strict=True))


def _entered(values: Sum, empty: tuple[float, float], add: Join, order: RiskOrder) -> Sum:
    r"""The sum of what comes after a place in its stratum and has entered before the time of the place.

    In the order of entries and exits, a sample is at risk between the positions a and b of its own. Let their binary
    digits differ first at level k, so that both are in one stretch of $2^{k + 1}$ positions, a in its left half and b
    in its right. A position of the left half is between them if it is after a, one of the right half if it is before
    b. So each level takes one running sum over halves, from the left in left halves and from the right in right ones;
    a sample is in one level alone, and no sum is a difference.
    """
    entries = order.entries
    assert entries is not None
    owner, level = entries.owner, entries.level
    position = lax.broadcasted_iota(jnp.int32, owner.shape, owner.ndim - 1)
    items = tuple(jnp.take_along_axis(v, owner, -1, mode="promise_in_bounds") for v in values)
    nothing = tuple(jnp.full_like(v, e) for v, e in zip(items, empty, strict=True))

    @jax.checkpoint
    def one_level(total: Sum, k: jax.Array) -> tuple[Sum, None]:
        inner = (1 << k) - 1
        mirrored = jnp.where(position & (inner + 1) != 0, position ^ inner, position)
        turned = lambda x: jnp.take_along_axis(x, mirrored, -1, mode="promise_in_bounds")  # noqa: E731
        own = tuple(jnp.where(level == k, v, e) for v, e in zip(items, empty, strict=True))
        starts = position & inner == 0
        sums = running(add, tuple(map(turned, own)), starts)
        return add(total, tuple(map(turned, _of_neighbour(sums, empty, starts, -1)))), None

    levels = jnp.arange(int(math.log2(owner.shape[-1])), dtype=jnp.int32)
    total, _ = lax.scan(one_level, nothing, levels)
    top, sums = (jnp.take_along_axis(v, entries.exits, -1, mode="promise_in_bounds") for v in total)
    return top, sums
