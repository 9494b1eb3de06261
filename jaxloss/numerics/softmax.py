"""Log-softmax, log-sum-exp and cross-entropies, exact for confident examples, that write nothing but the gradient.

The rules of the cross-entropies return values that are computed, not called for again, to share their exponentials; so
those values must be differentiable as they stand, for second derivatives to be right.

Everywhere the rows are shifted by their maximum, and what the sum of exponentials exceeds 1 by, the *rest*, is summed
by itself: a confident example's loss is log(1 + rest), and 1 + rest rounds to 1 long before the rest is negligible.

In values the elements to leave out are taken out by arithmetic (`min(e, |column - label|)`), which XLA fuses into the
one vectorised reduction; a select there makes XLA on CPU write the whole array out first. In the rules of the
cross-entropies the exponentials are shared between the row sums and the gradient, so that they live in the gradient's
own memory. Over many classes softmax and log-softmax leave that memory to the cotangent, which XLA writes out, and
exponentiate anew.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._shards import AxisName, max_of_shards, sum_of_shards
from jaxloss.numerics._sums import Axes, many, two_sums
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


def _rows(x: jax.Array, axes: Axes, shards: AxisName = None) -> _Rows:
    """The sums of each row. Each has exponentials of its own, of another form: shared ones XLA on CPU writes out."""
    top, base = _top(x, axes, shards)
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


@jax.custom_jvp
def _whole(x: jax.Array) -> jax.Array:
    """The nearest integer to what is one but for rounding, with the derivative of x itself."""
    return jnp.round(x)


@rule(_whole)
def _whole_jvp(primals, tangents):
    return _whole(*primals), tangents[0]


def _rows_of(e: jax.Array, top: jax.Array, base: jax.Array, axes: Axes, shards: AxisName = None) -> _Rows:
    """`_rows` from all exponentials, which the caller writes already; one that is 1 is a tie.

    Both sums are arithmetic on e alone: whatever two reductions, or a reduction and a select, have in common, XLA on
    CPU writes out for them. Long rows it sums in less time one by one, e being in memory.
    """
    others = jnp.minimum(e, _but_at_top(e))
    one_by_one = many(e, axes)
    total, rest = (jnp.sum(t, axes, keepdims=True) for t in (e, others)) if one_by_one else two_sums(e, others, axes)
    return _of_sums(top, base, total, rest, shards)


def _minus(x: jax.Array, base: jax.Array) -> jax.Array:
    """X - base, in another form than the exponentials': XLA on CPU would write out the difference that they share."""
    return x + -base


def half_gaps(x: jax.Array, top: jax.Array) -> jax.Array:
    """Half of what the maximum of its row exceeds each x by, which no finite x lets overflow.

    A class of certain win, of logit inf, is 0 away from it, and every other infinitely far.
    """
    largest = 0.5 * float(jnp.finfo(x.dtype).max)
    return (jnp.clip(top * 0.5, -largest, largest) - jnp.minimum(x * 0.5, largest)) * _beyond(top)


def _beyond(top: jax.Array) -> jax.Array:
    """What takes the gaps to an infinite maximum beyond all that is finite, but for 0; 1 in any other row."""
    return jnp.where(jnp.isinf(top), jnp.full_like(top, 1e30), jnp.ones_like(top))


def _below_top(x: jax.Array, top: jax.Array, scale: float) -> jax.Array:
    """X less the maximum of its row, in as many forms more as there are powers of two below 1; 0 for a maximum of inf.

    Infinity becomes a number that scaled ones do not reach: every other element is infinitely far below it.
    """
    largest = (1 - scale / 8) * float(jnp.finfo(x.dtype).max)
    return (jnp.minimum(x * scale, largest) - jnp.clip(top * scale, -largest, largest)) / scale


def _ties(rows: _Rows) -> jax.Array:
    """The number of ties, 1 for a row of -inf, which is then not divided by 0."""
    return jnp.where(rows.ties == 0, jnp.ones_like(rows.ties), rows.ties)


def _log_sum(rows: _Rows) -> jax.Array:
    """The log of the sum of exp(x - base), 0 for a row of -inf, whose elements are -inf themselves."""
    total = rows.ties + rows.rest
    ties = _ties(rows)
    alone = jnp.log(ties) + log1p(rows.rest / ties)  # the ties are 1, but not their derivative
    return jnp.where(rows.ties == 1, alone, jnp.log(jnp.where(total == 0, jnp.ones_like(total), total)))


def _inverse(rows: _Rows) -> jax.Array:
    """One over the sum of exp(x - base), 0 for a row of -inf."""
    total = rows.ties + rows.rest
    return jnp.where(total == 0, jnp.zeros_like(total), 1 / total)


def _infinite(top: jax.Array, log_sum_exp: jax.Array) -> jax.Array:
    """The log-sum-exp, which is the maximum itself where that is infinite."""
    return jnp.where(jnp.isinf(top), top, log_sum_exp)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
@compiled(1)
def logsumexp(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$\log \sum_j e^{x_j}$; minus infinity, with slope 0, for a row of minus infinities."""
    rows = _rows(x, axes)
    return jnp.squeeze(_infinite(rows.top, rows.base + _log_sum(rows)), axes)


@rule(logsumexp)
def _logsumexp_jvp(axes, primals, tangents):
    (x,) = primals
    return logsumexp(x, axes), jnp.sum(softmax(x, axes) * tangents[0], axes)


def logaddexp(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log (e^a + e^b)$; minus infinity, with slope 0, where both are."""
    empty = (a == -jnp.inf) & (b == -jnp.inf)
    one = jnp.where(empty, jnp.zeros_like(a), a)  # or the slopes would be nan, which no select after them takes out
    return jnp.where(empty, a, jnp.logaddexp(one, b))


def _exponentials(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, _Rows]:
    """exp(x - base) and the sums of its rows. XLA computes it once however often it is called for.

    Over many classes the sums have exponentials of their own, and these are computed wherever they are used: three of
    them take no longer than an array to write them to, which a few classes, summed in one reduction, do not need.
    """
    if many(x, axes):
        rows = _rows(x, axes, shards)
        return jnp.exp(jnp.minimum(_below_top(x, rows.top, 1 / 2), 0)), rows
    top, base = _top(x, axes, shards)
    e = jnp.exp(jnp.minimum(x - base, 0))
    return e, _rows_of(e, top, base, axes, shards)


def _likely(e: jax.Array, rows: _Rows) -> jax.Array:
    """Where p > 1/2."""
    largest = jnp.where((rows.ties == 1) & (rows.rest < 1), jnp.ones_like(rows.rest), jnp.full_like(rows.rest, jnp.inf))
    return e == largest


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
@compiled(1, 2)
def _parts(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, jax.Array]:
    """Softmax as a difference: 1 where p > 1/2, else 0; and that less p, exact where p is next to 1 or to 0."""
    e, rows = _exponentials(x, axes, shards)
    likely, inverse = _likely(e, rows), _inverse(rows)
    return likely.astype(x.dtype), jnp.where(likely, rows.rest * inverse, e * -inverse)


@rule(_parts)
def _parts_jvp(axes, shards, primals, tangents):
    (x,), (t,) = primals, tangents
    likely, less = _parts(x, axes, shards)
    return (likely, less), (jnp.zeros_like(likely), (less - likely) * slope_of_logs(x, t, axes, shards))


def softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$e^{x_i} / \sum_j e^{x_j}$; 0 throughout for a row of minus infinities."""
    likely, less = _parts(x, axes)
    return likely - less


def slope_of_logs(x: jax.Array, t: jax.Array, axes: Axes, shards: AxisName = None) -> jax.Array:
    """The derivative of log-softmax along t: t less its mean under the probabilities.

    The mean is the t of a class of p > 1/2, where there is one, less a sum of small terms. That sum is written first,
    and so comes last on the way back, where (g - sum g) + (1 - p) sum g needs this order: the first two nearly cancel.
    It is added, for XLA on CPU writes out a broadcast used twice, and so there is sum g with either sign.
    """
    likely, less = _parts(x, axes, shards)
    rest = sum_of_shards(jnp.sum(less * t, axes, keepdims=True), shards)
    return (t - sum_of_shards(jnp.sum(likely * t, axes, keepdims=True), shards)) + rest


@partial(jax.custom_jvp, nondiff_argnums=(1,))
@compiled(1)
def log_softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$x_i - \log \sum_j e^{x_j}$, relatively exact also where the probability is near 1."""
    _, rows = _exponentials(x, axes)
    if many(x, axes):
        gaps = _below_top(x, rows.top, 1 / 4)
    else:  # in one operation less
        gaps = _gaps(x, rows)
    return gaps - _log_sum(rows)


@rule(log_softmax)
def _log_softmax_jvp(axes, primals, tangents):
    (x,), (t,) = primals, tangents
    return log_softmax(x, axes), slope_of_logs(x, t, axes)


def _gaps(x: jax.Array, rows: _Rows) -> jax.Array:
    """X less the maximum of its row."""
    return _minus(_finite(x), rows.base) * _beyond(rows.top)


def _log_probabilities(x: jax.Array, rows: _Rows) -> jax.Array:
    """Log-softmax, and its derivatives, from sums at hand."""
    certain = (x == rows.top) & (rows.ties == 1)
    return jnp.where(certain, -log1p(rows.rest / _ties(rows)), _gaps(x, rows) - _log_sum(rows))


def softmax_complement(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$1 - p_i$ with p the softmax of x, relatively exact also where $p_i$ is near 1."""
    return -expm1(log_softmax(x, axes))
