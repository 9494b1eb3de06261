"""Margins between the labels of a row and its other classes, one label at a time, without an array of all pairs.

The loops end with the longest list of the batch, however many labels the lists have room for.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import columns, filled, varying_alike
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics._shapes import known
from jaxloss.numerics.elementary import two_sum
from jaxloss.numerics.label import label_value

LAST = -1

Carry = TypeVar("Carry")


@jax.custom_jvp
@compiled()
def multilabel_margin(x: jax.Array, labels: jax.Array) -> jax.Array:
    r"""$\sum_s \sum_i \max(0, 1 - x_s + x_i)$ over the labels s and the classes i that are no label, `[..., 1]`.

    A class of score minus infinity adds 0. A label of score minus infinity makes the loss infinite, unless all other
    classes have that score too.

    Args:
        x: `[..., classes]`.
        labels: Class indices, int32, `[..., labels]`; -1 where there is none.
    """
    others = _others(x, labels)
    highest = jnp.max(others, LAST, keepdims=True)

    def step(label: jax.Array, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        score = label_value(x, label, x.ndim - 1)
        term = jnp.sum(jnp.maximum(_pair_margins(score, others), 0), LAST, keepdims=True)
        infinite = jnp.where(highest > -jnp.inf, filled(term, jnp.inf), jnp.zeros_like(term))
        term = jnp.where(label < 0, jnp.zeros_like(term), jnp.where(score == -jnp.inf, infinite, term))
        total, lost = two_sum(sums[0], term)
        return total, sums[1] + jnp.where(jnp.isfinite(total), lost, jnp.zeros_like(lost))

    start = jnp.zeros_like(highest)
    total, lost = _for_each(labels, step, (start, start))
    return total + lost


def _for_each(labels: jax.Array, step: Callable[[jax.Array, Carry], Carry], start: Carry) -> Carry:
    """Takes `step` with the first labels of all rows, `[..., 1]`, then with the second ones, up to the longest list."""
    count = labels.shape[LAST]
    if known(count) and not count:
        return start
    leaves, tree = jax.tree.flatten(start)
    labels, *leaves = varying_alike(labels, *leaves)
    at = lambda i: lax.dynamic_index_in_dim(labels, i, labels.ndim - 1)  # noqa: E731
    ends = jnp.where(labels >= 0, columns(labels, labels.ndim - 1, jnp.int32) + 1, jnp.zeros_like(labels))
    longest = jnp.max(ends, initial=0)
    return lax.fori_loop(0, longest, lambda i, carry: step(at(i), carry), tree.unflatten(leaves))


def _indices(x: jax.Array) -> jax.Array:
    return columns(x, x.ndim - 1, jnp.int32)


def _others(x: jax.Array, labels: jax.Array) -> jax.Array:
    """`x` with minus infinity at the labels."""
    indices = _indices(x)
    _, start = varying_alike(x, jnp.zeros_like(x, bool))
    is_label = _for_each(labels, lambda label, found: found | (indices == label), start)
    return jnp.where(is_label, filled(x, -jnp.inf), x)


def _pair_margins(score: jax.Array, others: jax.Array) -> jax.Array:
    """`1 - score + others`, with 0 for a label of score minus infinity."""
    return (1 - jnp.where(score == -jnp.inf, jnp.zeros_like(score), score)) + others


@compiled()
def _slope(x: jax.Array, labels: jax.Array) -> jax.Array:
    """The number of positive terms in which the class is i, less the number of those in which it is the label s."""
    others, indices = _others(x, labels), _indices(x)

    def step(label: jax.Array, slope: jax.Array) -> jax.Array:
        short = (_pair_margins(label_value(x, label, x.ndim - 1), others) > 0) & (label >= 0)
        of_others = short.astype(x.dtype)
        of_label = jnp.sum(of_others, LAST, keepdims=True)
        return slope + jnp.where(indices == label, -of_label, of_others)

    _, start = varying_alike(x, jnp.zeros_like(x))
    return _for_each(labels, step, start)


@rule(multilabel_margin)
def _multilabel_margin_jvp(primals, tangents):
    x, labels = primals
    slope = _slope(lax.stop_gradient(x), labels)  # constant between the kinks
    return multilabel_margin(x, labels), jnp.sum(slope * tangents[0], LAST, keepdims=True)
