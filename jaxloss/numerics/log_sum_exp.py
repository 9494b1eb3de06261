"""Logarithms of sums of exponentials: of two numbers and of rows, and log-softmax with the derivatives of softmax."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import below_top, by_platform, form
from jaxloss.numerics._mesh import AxisName, filled
from jaxloss.numerics._row_sums import (
    RowSums,
    inverse,
    is_likely,
    log_sum,
    or_infinite_top,
    row_sums,
    stored_exponentials,
    sum_over_row,
)
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._shapes import Axes, many_classes
from jaxloss.numerics.guarded import clip_positive_infinity


def logaddexp(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log (e^a + e^b)$; minus infinity, with slope 0, where both are."""
    empty = (a == -jnp.inf) & (b == -jnp.inf)
    # Both are replaced by zeros there: the slopes would be nan, and a select would multiply them by 0.
    one, other = (jnp.where(empty, jnp.zeros_like(x), x) for x in (a, b))
    return jnp.where(empty, filled(a, -jnp.inf), jnp.logaddexp(one, other))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
@compiled(1)
def logsumexp(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$\log \sum_j e^{x_j}$; minus infinity, with slope 0, for a row of minus infinities."""
    sums = row_sums(x, axes)
    return jnp.squeeze(or_infinite_top(sums.top, sums.base + log_sum(sums)), axes)


@rule(logsumexp)
def _logsumexp_jvp(axes, primals, tangents):
    (x,) = primals
    return logsumexp(x, axes), jnp.sum(softmax(x, axes) * tangents[0], axes)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
@compiled(1)
def log_softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$x_i - \log \sum_j e^{x_j}$, relatively exact also where the probability is near 1."""
    _, sums = _exponentials(x, axes)
    return below_top(x, sums.top, 2) - log_sum(sums)


@rule(log_softmax)
def _log_softmax_jvp(axes, primals, tangents):
    (x,), (t,) = primals, tangents
    return log_softmax(x, axes), unselected_slope_of_logs(x, t, axes)


def slope_of_logs(x: jax.Array, t: jax.Array, axes: Axes, shards: AxisName = None) -> jax.Array:
    r"""The derivative of log-softmax along t, $t_i - \sum_j p_j t_j$, also in reverse over reverse mode.

    With l = 1 at a class c of p > 1/2, if there is one, and p = l - s (`softmax_parts`), it is

    $$(t_i - t_c) + \sum_j s_j t_j,$$

    in which all s are small where the row is confident. At the class c the difference is set to 0: its transpose
    would be the cotangent at c minus the sum of all cotangents, which cancels where that at c is the largest by far.
    """
    likely, difference, total = _slope_terms(x, t, axes, shards)
    return jnp.where(likely > 0.5, jnp.zeros_like(t), difference) + total


@form(slope_of_logs)
def unselected_slope_of_logs(x: jax.Array, t: jax.Array, axes: Axes, shards: AxisName = None) -> jax.Array:
    r"""`slope_of_logs` without the select, for first derivatives: XLA on CPU would store its array.

    Its transpose of a cotangent g is $(g - l \sum g) + s \sum g$, where g and the sum nearly cancel at the class c. The
    sum over s is computed first and added last, because JAX then adds its transpose last too. Measured: jaxlib 0.10.2,
    gradient of log_softmax, the twin takes 2.6 times the CPU time at 65536x10 and 4 times at 8192x1000, where it stores
    131 MB and the form 0.2 MB.
    """
    _, difference, total = _slope_terms(x, t, axes, shards)
    return difference + total


def _slope_terms(x: jax.Array, t: jax.Array, axes: Axes, shards: AxisName) -> tuple[jax.Array, jax.Array, jax.Array]:
    r"""$l_i$, $t_i - t_c$ and $\sum_j s_j t_j$, the last of which is computed first."""
    likely, small = softmax_parts(x, axes, shards)
    total = sum_over_row(small * t, axes, shards)
    return likely, t - sum_over_row(likely * t, axes, shards), total


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
@compiled(1, 2)
def softmax_parts(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, jax.Array]:
    """Softmax as a difference l - s: l is 1 where p > 1/2, else 0, and s = l - p is exact where p is near 1 or 0."""
    e, sums = _exponentials(x, axes, shards)
    likely, one_over_sum = is_likely(e, sums), inverse(sums)
    return likely.astype(x.dtype), jnp.where(likely, sums.rest * one_over_sum, e * -one_over_sum)


@rule(softmax_parts)
def _softmax_parts_jvp(axes, shards, primals, tangents):
    (x,), (t,) = primals, tangents
    likely, small = softmax_parts(x, axes, shards)
    p = likely - small
    return (likely, small), (jnp.zeros_like(likely), -p * unselected_slope_of_logs(x, t, axes, shards))


def softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$e^{x_i} / \sum_j e^{x_j}$; 0 throughout for a row of minus infinities."""
    likely, small = softmax_parts(x, axes)
    return likely - small


def _plain_exponentials(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, RowSums]:
    if shards is None:
        return stored_exponentials(x, axes)
    sums = row_sums(x, axes, shards)
    return jnp.exp(clip_positive_infinity(x) - sums.base), sums


@form(_plain_exponentials)
def _exponentials(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, RowSums]:
    """exp(x - base) and the sums of its rows; over many classes they are computed again wherever they are used.

    Measured: jaxlib 0.10.2, gradient through log_softmax 512x32000 (tests/sweeps/test_memory.py), the twin stores 65.5
    MB, as much as the logits, and the form nothing of that size.
    """

    def recomputed(x: jax.Array) -> tuple[jax.Array, RowSums]:
        sums = row_sums(x, axes, shards)
        return jnp.exp(below_top(x, sums.top, 1)), sums

    if many_classes(x, axes) or shards is not None:
        return recomputed(x)
    return by_platform(x, cpu=lambda x: stored_exponentials(x, axes), default=recomputed)
