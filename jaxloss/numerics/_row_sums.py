r"""The sums of the exponentials of a row of logits, which log-softmax, the cross-entropies and CTC share.

The maximum of a row x is its *top*, and the top made finite is its *base*. With n elements equal to the top (*ties*),

$$\sum_j e^{x_j - base} = n + rest, \quad rest = \sum_{x_j < top} e^{x_j - base}.$$

The rest is summed by itself, because the loss of a confident example is $\log(1 + rest)$, and 1 + rest rounds to 1
where the rest is still known to all its digits.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import (
    below_top,
    by_platform,
    form,
    infinite_gap_factor,
    joint_sums,
    selected_sums,
    total_and_rest,
    total_and_rest_of_logits,
)
from jaxloss.numerics._mesh import AxisName, filled, is_split, keep, max_of_shards, sum_of_shards
from jaxloss.numerics._one_reading import Parts, sums_in_one_reading
from jaxloss.numerics._rule import pushed, rule
from jaxloss.numerics._shapes import Axes, as_tuple, many_apart
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.guarded import clip_infinite, clip_positive_infinity, largest, one_if_zero, weighed


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
    return target_sums(x, None, axes, shards)[0]


def target_sums(
    x: jax.Array, targets: jax.Array | None, axes: Axes, shards: AxisName
) -> tuple[RowSums, tuple[jax.Array, ...]]:
    r"""The sums of each row, and with targets y $\sum_k y_k$ and $\sum_k y_k (top - x_k) / 2$."""
    top, ties, rest, *linear = _sums_of_row(x, targets, axes)
    if shards is None:
        return RowSums(top, clip_infinite(top), ties, rest), tuple(linear)
    highest, up, down = over_shards(top, shards)
    is_top = top == highest
    ties, rest = keep(is_top, ties), jnp.where(is_top, rest, down * (ties + rest))
    ties, rest, *linear = sum_of_shards((ties, rest, *raised(linear, up)), shards)
    return RowSums(highest, clip_infinite(highest), ties, rest), tuple(linear)


def over_shards(top: jax.Array, shards: AxisName) -> tuple[jax.Array, jax.Array, jax.Array]:
    r"""The maximum M of all shards, and $(M - m) / 2$ and $e^{m - M}$ for the maximum m of this one."""
    highest = max_of_shards(top, shards)
    base, own = clip_infinite(highest), clip_infinite(top)
    return highest, jnp.where(top == highest, jnp.zeros_like(top), 0.5 * highest - 0.5 * top), jnp.exp(own - base)


def raised(linear: Sequence[jax.Array], up: jax.Array) -> tuple[jax.Array, ...]:
    """The sums of weights and of half their gaps to a maximum, for a maximum that is higher by 2 * up."""
    if not linear:
        return ()
    mass, half = linear
    return mass, half + weighed(mass, up)


def _plain_sums(x: jax.Array, targets: jax.Array | None, axes: Axes) -> Parts:
    top, base = top_and_base(x, axes)
    total, rest = selected_sums(jnp.exp(clip_positive_infinity(x) - base), axes)
    return top, _whole(total - rest), rest, *sums_of_targets(x, targets, top, axes)


def sums_of_targets(x: jax.Array, targets: jax.Array | None, top: jax.Array, axes: Axes) -> Parts:
    r"""$\sum_k y_k$ and $\sum_k y_k (top - x_k) / 2$ of the targets y, if there are any."""
    return () if targets is None else joint_sums((targets, weighed(targets, half_gaps(x, top))), axes)


@form(_plain_sums)
def _sums_of_row(x: jax.Array, targets: jax.Array | None, axes: Axes) -> Parts:
    r"""The maximum of a row, its ties and its rest, and with targets y $\sum_k y_k$ and $\sum_k y_k (top - x_k) / 2$.

    On accelerators the row is read once, by one reduction. Measured: libtpu 0.0.50.1, compiled for v5e,
    softmax_cross_entropy 65536x1000, value and gradient move 4.39 floors with the twin, which stores 1 GB, and 1.67
    with the form.
    """
    given = [x] if targets is None else [x, targets]

    def in_steps(x: jax.Array, targets: jax.Array | None = None) -> Parts:
        top, base = top_and_base(x, axes)
        total, rest = total_and_rest_of_logits(x, base, axes)
        return top, _whole(total - rest), rest, *sums_of_targets(x, targets, top, axes)

    if is_split(x, as_tuple(axes)):
        return in_steps(*given)
    at_once = lambda x, targets=None: _one_reading(x, targets, axes)  # noqa: E731
    return by_platform(*given, cpu=in_steps, default=at_once, gpu=in_steps if many_apart(x, axes) else None)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _one_reading(x: jax.Array, targets: jax.Array | None, axes: Axes) -> Parts:
    return sums_in_one_reading(x, targets, axes)


@rule(_one_reading)
def _one_reading_jvp(axes, primals, tangents):
    plain = lambda x, targets: _plain_sums(x, targets, axes)  # noqa: E731
    return _one_reading(*primals, axes), pushed(plain, primals, tangents)


def row_sums_of_exponentials(e: jax.Array, top: jax.Array, base: jax.Array, axes: Axes) -> RowSums:
    """`row_sums` from e = exp(x - base), for a caller that stores them anyway; an e of 1 is a tie."""
    total, rest = total_and_rest(e, axes)
    return RowSums(top, base, _whole(total - rest), rest)


def stored_exponentials(x: jax.Array, axes: Axes) -> tuple[jax.Array, RowSums]:
    """exp(x - base), and the sums of each row from them."""
    top, base = top_and_base(x, axes)
    e = jnp.exp(clip_positive_infinity(x) - base)
    return e, row_sums_of_exponentials(e, top, base, axes)


@jax.custom_jvp
def _whole(x: jax.Array) -> jax.Array:
    """The integer that `x` would be without rounding errors, with the derivative of `x` itself."""
    return jnp.round(x)


@rule(_whole)
def _whole_jvp(primals, tangents):
    return _whole(*primals), tangents[0]


def some_ties(sums: RowSums) -> jax.Array:
    """The number of ties as a divisor: 1 instead of 0 for a row of -inf."""
    return one_if_zero(sums.ties)


def log_sum(sums: RowSums) -> jax.Array:
    r"""$\log(ties + rest)$, 0 for a row of -inf, whose elements are -inf themselves."""
    total = sums.ties + sums.rest
    ties = some_ties(sums)
    alone = jnp.log(ties) + log1p(sums.rest / ties)  # one tie: its logarithm is 0, but has a derivative
    return jnp.where(sums.ties == 1, alone, jnp.log(one_if_zero(total)))


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
    return (jnp.clip(top * 0.5, -half, half) - jnp.minimum(x * 0.5, half)) * infinite_gap_factor(top)


def log_probabilities(x: jax.Array, sums: RowSums) -> jax.Array:
    r"""Log-softmax from the sums of the rows: $-\log(1 + rest)$ for a single top, else $x - top - \log(n + rest)$."""
    certain = (x == sums.top) & (sums.ties == 1)
    return jnp.where(certain, -log1p(sums.rest / some_ties(sums)), below_top(x, sums.top, 2) - log_sum(sums))
