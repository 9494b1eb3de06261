"""Logarithms of sums of exponentials: of two numbers, and log-softmax with the derivatives of softmax."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import below_top, form
from jaxloss.numerics._mesh import AxisName, filled
from jaxloss.numerics._row_sums import (
    RowSums,
    inverse,
    is_likely,
    log_sum,
    row_sums,
    row_sums_of_exponentials,
    sum_over_row,
    top_and_base,
)
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._shapes import Axes, many_classes
from jaxloss.numerics.guarded import clip_positive_infinity


def logaddexp(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log (e^a + e^b)$; minus infinity, with slope 0, where both are."""
    empty = (a == -jnp.inf) & (b == -jnp.inf)
    # Zeros stand in for both, or the slopes would be nan, which no select after them takes out.
    one, other = (jnp.where(empty, jnp.zeros_like(x), x) for x in (a, b))
    return jnp.where(empty, filled(a, -jnp.inf), jnp.logaddexp(one, other))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
@compiled(1)
def log_softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$x_i - \log \sum_j e^{x_j}$, relatively exact also where the probability is near 1."""
    _, sums = _exponentials(x, axes)
    return below_top(x, sums.top, 2) - log_sum(sums)


@rule(log_softmax)
def _log_softmax_jvp(axes, primals, tangents):
    (x,), (t,) = primals, tangents
    return log_softmax(x, axes), slope_of_logs(x, t, axes)


def slope_of_logs(x: jax.Array, t: jax.Array, axes: Axes, shards: AxisName = None) -> jax.Array:
    r"""The derivative of log-softmax along t, $t_i - \sum_j p_j t_j$.

    With p = likely - less (`softmax_parts`), $\sum_j p_j t_j$ is t at the likely class, if there is one, minus
    $\sum_j less_j t_j$, whose terms are small where the row is confident. The transpose of a cotangent g is then
    $(g - likely \sum g) + less \sum g$, in this order, since the first two terms nearly cancel at a likely class. The
    sum of small terms is computed first and added last: its transpose then comes last, as the order asks.
    """
    _, beyond, small = _beyond_likely(x, t, axes, shards)
    return beyond + small


def slope_of_logs_with_digits(x: jax.Array, t: jax.Array, axes: Axes, shards: AxisName = None) -> jax.Array:
    """`slope_of_logs` for rules of second derivatives: exact in reverse over reverse too.

    On the way back a class of p > 1/2 gets minus the sum of the other classes' cotangents g. As its own g less the sum
    of all, in which its own is the largest by far, that would have no digits; so the class is selected as 0, which it
    is, before the small terms are added. In a first derivative XLA on CPU would store an array for the selection.
    """
    likely, beyond, small = _beyond_likely(x, t, axes, shards)
    return jnp.where(likely > 0.5, jnp.zeros_like(t), beyond) + small


def _beyond_likely(x: jax.Array, t: jax.Array, axes: Axes, shards: AxisName) -> tuple[jax.Array, jax.Array, jax.Array]:
    """1 at the likely class, if there is one, else 0; t less its value there; and the sum of small terms, first."""
    likely, less = softmax_parts(x, axes, shards)
    small = sum_over_row(less * t, axes, shards)
    return likely, t - sum_over_row(likely * t, axes, shards), small


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
@compiled(1, 2)
def softmax_parts(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, jax.Array]:
    """Softmax as a difference: 1 where p > 1/2, else 0; and that less p, exact where p is next to 1 or to 0."""
    e, sums = _exponentials(x, axes, shards)
    likely, one_over_sum = is_likely(e, sums), inverse(sums)
    return likely.astype(x.dtype), jnp.where(likely, sums.rest * one_over_sum, e * -one_over_sum)


@rule(softmax_parts)
def _softmax_parts_jvp(axes, shards, primals, tangents):
    (x,), (t,) = primals, tangents
    likely, less = softmax_parts(x, axes, shards)
    return (likely, less), (jnp.zeros_like(likely), (less - likely) * slope_of_logs(x, t, axes, shards))


def softmax(x: jax.Array, axes: Axes = -1) -> jax.Array:
    r"""$e^{x_i} / \sum_j e^{x_j}$; 0 throughout for a row of minus infinities."""
    likely, less = softmax_parts(x, axes)
    return likely - less


def _stored_exponentials(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, RowSums]:
    top, base = top_and_base(x, axes, shards)
    e = jnp.exp(clip_positive_infinity(x) - base)
    return e, row_sums_of_exponentials(e, top, base, axes, shards)


@form(_stored_exponentials)
def _exponentials(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, RowSums]:
    """exp(x - base) and the sums of its rows; over many classes both are computed anew wherever they are used.

    Measured: jaxlib 0.10.2, gradient through log_softmax 512x32000 (tests/sweeps/test_memory.py), the twin stores 65.5
    MB, as much as the logits, and the form nothing of that size.
    """
    if not many_classes(x, axes):
        return _stored_exponentials(x, axes, shards)
    sums = row_sums(x, axes, shards)
    return jnp.exp(below_top(x, sums.top, 1)), sums
