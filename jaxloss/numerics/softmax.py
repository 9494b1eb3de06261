"""Log-softmax, log-sum-exp and cross-entropies, exact for confident examples, that write nothing but the gradient.

The rules return values that are computed, not called for again, to share their exponentials; so those values must be
differentiable as they stand, for second derivatives to be right.

Everywhere the rows are shifted by their maximum, and what the sum of exponentials exceeds 1 by, the *rest*, is summed
by itself: a confident example's loss is log(1 + rest), and 1 + rest rounds to 1 long before the rest is negligible.

In values the elements to leave out are taken out by arithmetic (`min(e, |column - label|)`), which XLA fuses into the
one vectorised reduction; a select there makes XLA on CPU write the whole array out first. In derivative rules the
exponentials are shared between the row sums and the gradient, so that they live in the gradient's own memory.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import rule
from jaxloss.numerics._shards import AxisName, max_of_shards, sum_of_shards
from jaxloss.numerics._sums import MANY, Axes, two_sums
from jaxloss.numerics.elementary import expm1, log1p


class _Rows(NamedTuple):
    """What a row's losses are made of; every field keeps the reduced axes with length 1."""

    top: jax.Array  # the maximum
    base: jax.Array  # the maximum made finite, so that differences from it never are inf - inf
    ties: jax.Array  # how many elements are the maximum (0 for a row of -inf)
    rest: jax.Array  # the sum of exp(x - base) over the others


def _top(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, jax.Array]:
    top = max_of_shards(lax.stop_gradient(jnp.max(x, axes, keepdims=True, initial=-jnp.inf)), shards)
    return top, finite(top)


def finite(x: jax.Array) -> jax.Array:
    """X with both infinities as the largest numbers of their sign."""
    largest = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -largest, largest)


def _finite(x: jax.Array) -> jax.Array:
    """X with infinity as the largest number, so that a class of certain win differs from the base by 0, not by nan."""
    return jnp.minimum(x, float(jnp.finfo(x.dtype).max))


def _at_top(y: jax.Array) -> jax.Array:
    """1 where y = x - top is 0, else 0, without a comparison."""
    return jnp.maximum(1 + y * float(jnp.finfo(y.dtype).max), 0)


@jax.custom_jvp
def _one(y: jax.Array) -> jax.Array:
    """exp(y) where y is known to be 0: no exponential to compute, but all its derivatives."""
    return jnp.ones_like(y)


@rule(_one)
def _(primals, tangents):
    return _one(*primals), _one(*primals) * tangents[0]


def _rows(x: jax.Array, axes: Axes, exponentials: jax.Array | None = None, shards: AxisName = None) -> _Rows:
    """The sums of each row; `exponentials`, if given, are those of `_others`, to be shared with the caller."""
    top, base = _top(x, axes, shards)
    if exponentials is not None:
        y = _finite(x) - base
        ties = jnp.sum(lax.stop_gradient(_at_top(y)) * _one(y), axes, keepdims=True)
        return _Rows(top, base, *sum_of_shards((ties, jnp.sum(exponentials, axes, keepdims=True)), shards))
    # Each sum has exponentials of its own, of another form: shared ones XLA on CPU would write out.
    total = jnp.sum(jnp.exp(_finite(x) - base), axes, keepdims=True)
    e = jnp.exp(jnp.minimum(x, 0.99 * float(jnp.finfo(x.dtype).max)) + -base)
    rest = jnp.sum(jnp.minimum(e, _but_at_top(e)), axes, keepdims=True)
    return _of_sums(top, base, total, rest, shards)


def _of_sums(top: jax.Array, base: jax.Array, total: jax.Array, rest: jax.Array, shards: AxisName) -> _Rows:
    total, rest = sum_of_shards((total, rest), shards)
    return _Rows(top, base, _whole(total - rest), rest)


def _but_at_top(e: jax.Array) -> jax.Array:
    """0 where an exponential is 1, more than it elsewhere, without a comparison, and exact."""
    steep = 4 / float(jnp.finfo(e.dtype).eps)
    return steep - lax.stop_gradient(e) * steep


def _others(x: jax.Array, axes: Axes) -> jax.Array:
    """exp(x - base) where x is not the row's maximum, 0 where it is."""
    top, base = _top(x, axes)
    return jnp.where(x == top, jnp.zeros_like(x), jnp.exp(_finite(x) - base))


@jax.custom_jvp
def _whole(x: jax.Array) -> jax.Array:
    """The nearest integer to what is one but for rounding, with the derivative of x itself."""
    return jnp.round(x)


@rule(_whole)
def _(primals, tangents):
    return _whole(*primals), tangents[0]


def _rows_of(e: jax.Array, top: jax.Array, base: jax.Array, axes: Axes, shards: AxisName = None) -> _Rows:
    """`_rows` from all exponentials, which the caller writes already; one that is 1 is a tie.

    Both sums are arithmetic on e alone: whatever two reductions, or a reduction and a select, have in common, XLA on
    CPU writes out for them. Long rows it sums in less time one by one, e being in memory.
    """
    others = jnp.minimum(e, _but_at_top(e))
    one_by_one = e.size >= MANY * top.size
    total, rest = (jnp.sum(t, axes, keepdims=True) for t in (e, others)) if one_by_one else two_sums(e, others, axes)
    return _of_sums(top, base, total, rest, shards)


def _minus(x: jax.Array, base: jax.Array) -> jax.Array:
    """X - base, in another form than the exponentials': XLA on CPU would write out the difference that they share."""
    return x + -base


def _log_sum(rows: _Rows) -> jax.Array:
    """The log of the sum of exp(x - base), 0 for a row of -inf, whose elements are -inf themselves."""
    total = rows.ties + rows.rest
    alone = jnp.log(rows.ties) + log1p(rows.rest / rows.ties)  # the ties are 1, but not their derivative
    return jnp.where(rows.ties == 1, alone, jnp.log(jnp.where(total == 0, jnp.ones_like(total), total)))


def _infinite(top: jax.Array, log_sum_exp: jax.Array) -> jax.Array:
    """The log-sum-exp, which is the maximum itself where that is infinite."""
    return jnp.where(jnp.isinf(top), top, log_sum_exp)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def logsumexp(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$\log \sum_j e^{x_j}$; minus infinity, with slope 0, for a row of minus infinities."""
    rows = _rows(x, axes)
    return jnp.squeeze(_infinite(rows.top, rows.base + _log_sum(rows)), axes)


@rule(logsumexp)
def _(axes, primals, tangents):
    (x,) = primals
    return logsumexp(x, axes), jnp.sum(softmax(x, axes) * tangents[0], axes)


def logaddexp(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log (e^a + e^b)$; minus infinity, with slope 0, where both are."""
    empty = (a == -jnp.inf) & (b == -jnp.inf)
    one = jnp.where(empty, jnp.zeros_like(a), a)  # or the slopes would be nan, which no select after them takes out
    return jnp.where(empty, a, jnp.logaddexp(one, b))


def softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$e^{x_i} / \sum_j e^{x_j}$; 0 throughout for a row of minus infinities."""
    _, base = _top(x, axes)
    e = jnp.exp(_finite(x) - base)
    total = jnp.sum(e, axes, keepdims=True)
    return e / jnp.where(total == 0, jnp.ones_like(total), total)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def log_softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$x_i - \log \sum_j e^{x_j}$, relatively exact also where the probability is near 1."""
    rows = _rows(x, axes)
    return _log_probabilities(x, rows)


def _log_probabilities(x: jax.Array, rows: _Rows) -> jax.Array:
    certain = (x == rows.top) & (rows.ties == 1)
    return jnp.where(certain, -log1p(rows.rest / rows.ties), (_finite(x) - rows.base) - _log_sum(rows))


@rule(log_softmax)
def _(axes, primals, tangents):
    (x,), (t,) = primals, tangents
    e = _others(x, axes)
    rows = _rows(x, axes, e)
    total = rows.ties + rows.rest
    inverse = jnp.where(total == 0, jnp.zeros_like(total), 1 / total)
    at_top = x == rows.top
    others = jnp.sum(e * inverse * t, axes, keepdims=True)
    share = _one(_finite(x) - rows.base) * inverse
    tops = jnp.sum(jnp.where(at_top, share * t, jnp.zeros_like(t)), axes, keepdims=True)
    # The only maximum's own slope is 1 - p = rest / total, which 1 minus a rounded p would lose.
    slope = jnp.where(at_top & (rows.ties == 1), rows.rest * inverse * t, t - tops) - others
    return _log_probabilities(x, rows), slope


def softmax_complement(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$1 - p_i$ with p the softmax of x, relatively exact also where $p_i$ is near 1."""
    return -expm1(log_softmax(x, axes))
