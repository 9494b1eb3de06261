r"""The sums of a row of logits in one reading of the row, for accelerators, where memory traffic is what takes time.

One reduction of several operands merges the sums of two parts of a row. With m and n the maxima of the parts,
$M = \max(m, n)$ and r and q their sums of exponentials relative to m and n, those of the whole are

$$r e^{m - M} + q e^{n - M}.$$

XLA on CPU computes such a reduction term by term, in 3 to 4 times the CPU time of two reductions.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import sharded_like
from jaxloss.numerics._shapes import Axes, as_tuple
from jaxloss.numerics.guarded import largest, weighed

Parts = tuple[jax.Array, ...]


def sums_in_one_reading(x: jax.Array, targets: jax.Array | None, axes: Axes) -> Parts:
    r"""The maximum, how many elements equal it, and $\sum_{x_j < top} e^{x_j - top}$, each keeping the axes.

    With targets y, $\sum_j y_j$ and $\sum_j y_j (top - x_j) / 2$ too. No element of -inf is counted.
    """
    return _reduced(_merged_sums, (*_elements(x, x == -jnp.inf), jnp.zeros_like(x), *_linear(x, targets)), axes)


def label_sums_in_one_reading(x: jax.Array, is_label: jax.Array, factors: jax.Array | None, axes: Axes) -> Parts:
    r"""The maximum, $\sum_{j \ne t} e^{x_j - top}$ and the label's logit, each keeping the axes; 0 if there is none.

    With factors b, $\sum_j b_j$ and $\sum_j b_j (top - x_j) / 2$ too.
    """
    logit = jnp.where(is_label, x, jnp.zeros_like(x))
    elements = *_elements(x, is_label | (x == -jnp.inf)), logit, *_linear(x, factors)
    return _reduced(_merged_label_sums, elements, axes)


def _elements(x: jax.Array, left_out: jax.Array) -> Parts:
    """The maximum of one element and its exponential relative to it."""
    return x, jnp.where(left_out, jnp.zeros_like(x), jnp.ones_like(x))


def _linear(x: jax.Array, weights: jax.Array | None) -> Parts:
    """The weight of one element, and half its gap to the maximum times the weight: infinite for an element of -inf."""
    if weights is None:
        return ()
    # Not by a comparison with -inf, which XLA for GPUs would store, since the elements are compared with it above.
    weights, infinite = sharded_like(x, jnp.broadcast_to(weights, x.shape)), jnp.maximum(-x - largest(x), 0)
    return weights, jnp.where(weights == 0, jnp.zeros_like(x), infinite)


def _reduced(merge: Any, elements: Parts, axes: Axes) -> Parts:
    starts = jnp.full_like(elements[0], -jnp.inf, shape=()), *(jnp.zeros_like(e, shape=()) for e in elements[1:])
    axes = tuple(i % elements[0].ndim for i in as_tuple(axes))
    return tuple(jnp.expand_dims(s, axes) for s in lax.reduce(elements, starts, merge, axes))


# Functions of the module, because a lambda would be compiled at every call outside of jit.


def _merged_sums(one: Parts, other: Parts) -> Parts:
    (m, ties, r, *linear), (n, others, q, *more) = one, other
    less, greater, down = m < n, m > n, jnp.exp(-jnp.abs(m - n))
    zero = jnp.zeros_like(ties)
    top_count = jnp.where(less, zero, ties) + jnp.where(greater, zero, others)
    rest = jnp.where(less, down * (ties + r), r) + jnp.where(greater, down * (others + q), q)
    return jnp.maximum(m, n), top_count, rest, *_merged_linear(m, n, linear, more)


def _merged_label_sums(one: Parts, other: Parts) -> Parts:
    (m, r, logit, *linear), (n, q, another, *more) = one, other
    down = jnp.exp(-jnp.abs(m - n))
    rest = jnp.where(m < n, down * r, r) + jnp.where(m > n, down * q, q)
    return jnp.maximum(m, n), rest, logit + another, *_merged_linear(m, n, linear, more)


def _merged_linear(m: jax.Array, n: jax.Array, one: list[jax.Array], other: list[jax.Array]) -> Parts:
    if not one:
        return ()
    (mass, half), (more, gaps) = one, other
    gap = 0.5 * m - 0.5 * n  # no overflow; nan where both are infinite, which neither comparison selects
    zero = jnp.zeros_like(gap)
    up, down = jnp.where(m < n, -gap, zero), jnp.where(m > n, gap, zero)
    return mass + more, (half + weighed(mass, up)) + (gaps + weighed(more, down))
