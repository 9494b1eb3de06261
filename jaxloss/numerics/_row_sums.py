r"""The sums of the exponentials of a row of logits, which log-softmax, the cross-entropies and CTC share.

The maximum of a row x is its *top*, and the top made finite is its *base*. With n elements equal to the top (*ties*),

$$\sum_j e^{x_j - base} = n + rest, \quad rest = \sum_{x_j < top} e^{x_j - base}.$$

The rest is summed by itself, because the loss of a confident example is $\log(1 + rest)$, and 1 + rest rounds to 1
where the rest is still known to all its digits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import below_top, beyond, total_and_rest, total_and_rest_of_logits
from jaxloss.numerics._mesh import AxisName, filled, max_of_shards, sum_of_shards
from jaxloss.numerics._rule import rule
from jaxloss.numerics._shapes import Axes
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import clip_infinite, largest


class RowSums(NamedTuple):
    """The sums of each row; every field keeps the reduced axes with length 1."""

    top: jax.Array  # the maximum
    base: jax.Array  # the maximum made finite, so that no difference from it is inf - inf
    ties: jax.Array  # how many elements equal the maximum (0 for a row of -inf)
    rest: jax.Array  # the sum of exp(x - base) over the other elements


def top_and_base(x: jax.Array, axes: Axes, shards: AxisName = None) -> tuple[jax.Array, jax.Array]:
    """The maximum of each row over all shards, without a derivative, and the same made finite."""
    top = max_of_shards(lax.stop_gradient(jnp.max(x, axes, keepdims=True, initial=-jnp.inf)), shards)
    return top, clip_infinite(top)


def sum_over_row(x: jax.Array, axes: Axes, shards: AxisName) -> jax.Array:
    """The sum over a row, of all shards."""
    return sum_of_shards(jnp.sum(x, axes, keepdims=True), shards)


def row_sums(x: jax.Array, axes: Axes, shards: AxisName = None) -> RowSums:
    """The sums of each row, without an array of exponentials."""
    top, base = top_and_base(x, axes, shards)
    return _combined(top, base, total_and_rest_of_logits(x, base, axes), shards)


def row_sums_of_exponentials(
    e: jax.Array, top: jax.Array, base: jax.Array, axes: Axes, shards: AxisName = None
) -> RowSums:
    """`row_sums` from e = exp(x - base), for a caller that stores them anyway; an e of 1 is a tie."""
    return _combined(top, base, total_and_rest(e, axes), shards)


def _combined(top: jax.Array, base: jax.Array, sums: tuple[jax.Array, jax.Array], shards: AxisName) -> RowSums:
    total, rest = sum_of_shards(sums, shards)
    return RowSums(top, base, _whole(total - rest), rest)


@jax.custom_jvp
def _whole(x: jax.Array) -> jax.Array:
    """The integer that `x` would be without rounding errors, with the derivative of `x` itself."""
    return jnp.round(x)


@rule(_whole)
def _whole_jvp(primals, tangents):
    return _whole(*primals), tangents[0]


def some_ties(sums: RowSums) -> jax.Array:
    """The number of ties as a divisor: 1 instead of 0 for a row of -inf."""
    return jnp.where(sums.ties == 0, jnp.ones_like(sums.ties), sums.ties)


def log_sum(sums: RowSums) -> jax.Array:
    r"""$\log(ties + rest)$, 0 for a row of -inf, whose elements are -inf themselves."""
    total = sums.ties + sums.rest
    ties = some_ties(sums)
    alone = jnp.log(ties) + log1p(sums.rest / ties)  # one tie: its logarithm is 0, but has a derivative
    return jnp.where(sums.ties == 1, alone, jnp.log(jnp.where(total == 0, jnp.ones_like(total), total)))


def inverse(sums: RowSums) -> jax.Array:
    """$1 / (ties + rest)$, 0 for a row of -inf."""
    total = sums.ties + sums.rest
    return jnp.where(total == 0, jnp.zeros_like(total), 1 / total)


def or_infinite_top(top: jax.Array, log_sum_exp: jax.Array) -> jax.Array:
    """The log-sum-exp, which is the maximum itself where that is infinite."""
    return jnp.where(jnp.isinf(top), top, log_sum_exp)


def is_likely(e: jax.Array, sums: RowSums) -> jax.Array:
    """Where p > 1/2, from e = exp(x - base): where e = 1 is the only tie of its row and the rest is less than 1."""
    likely = jnp.where((sums.ties == 1) & (sums.rest < 1), jnp.ones_like(sums.rest), filled(sums.rest, jnp.inf))
    return e == likely


def half_gaps(x: jax.Array, top: jax.Array) -> jax.Array:
    """Half the difference between the maximum of its row and each x, which cannot overflow for finite x.

    Where the maximum is inf, a class of logit inf has a gap of 0, and every other class an infinite one.
    """
    half = 0.5 * largest(x)
    return (jnp.clip(top * 0.5, -half, half) - jnp.minimum(x * 0.5, half)) * beyond(top)


def log_probabilities(x: jax.Array, sums: RowSums) -> jax.Array:
    r"""Log-softmax from the sums of the rows: $-\log(1 + rest)$ for a single top, else $x - top - \log(n + rest)$."""
    certain = (x == sums.top) & (sums.ties == 1)
    return jnp.where(certain, -log1p(sums.rest / some_ties(sums)), below_top(x, sums.top, 2) - log_sum(sums))
