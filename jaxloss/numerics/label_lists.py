"""Margins between the labels of a row and its other classes, one label at a time, without an array of all pairs."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import columns, filled, varying_alike
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics.label import label_value

LAST = -1


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

    def step(_: None, label: jax.Array) -> tuple[None, jax.Array]:
        score = label_value(x, label, x.ndim - 1)
        term = jnp.sum(jnp.maximum(_pair_margins(score, others), 0), LAST, keepdims=True)
        infinite = jnp.where(highest > -jnp.inf, filled(term, jnp.inf), jnp.zeros_like(term))
        return None, jnp.where(label < 0, jnp.zeros_like(term), jnp.where(score == -jnp.inf, infinite, term))

    return jnp.sum(lax.scan(step, None, _each(labels))[1], 0)


def _each(labels: jax.Array) -> jax.Array:
    """The labels as the leading axis of a loop, `[labels, ..., 1]`."""
    return jnp.moveaxis(labels, LAST, 0)[..., None]


def _indices(x: jax.Array) -> jax.Array:
    return columns(x, x.ndim - 1, jnp.int32)


def _others(x: jax.Array, labels: jax.Array) -> jax.Array:
    """`x` with minus infinity at the labels."""
    indices = _indices(x)
    _, start = varying_alike(x, jnp.zeros_like(x, bool))
    is_label, _ = lax.scan(lambda found, label: (found | (indices == label), None), start, _each(labels))
    return jnp.where(is_label, filled(x, -jnp.inf), x)


def _pair_margins(score: jax.Array, others: jax.Array) -> jax.Array:
    """`1 - score + others`, with 0 for a label of score minus infinity."""
    return (1 - jnp.where(score == -jnp.inf, jnp.zeros_like(score), score)) + others


@compiled()
def _slope(x: jax.Array, labels: jax.Array) -> jax.Array:
    """The number of positive terms in which the class is i, less the number of those in which it is the label s."""
    others, indices = _others(x, labels), _indices(x)

    def step(slope: jax.Array, label: jax.Array) -> tuple[jax.Array, None]:
        short = (_pair_margins(label_value(x, label, x.ndim - 1), others) > 0) & (label >= 0)
        of_others = short.astype(x.dtype)
        of_label = jnp.sum(of_others, LAST, keepdims=True)
        return slope + jnp.where(indices == label, -of_label, of_others), None

    _, start = varying_alike(x, jnp.zeros_like(x))
    return lax.scan(step, start, _each(labels))[0]


@rule(multilabel_margin)
def _multilabel_margin_jvp(primals, tangents):
    x, labels = primals
    slope = _slope(lax.stop_gradient(x), labels)  # constant between the kinks
    return multilabel_margin(x, labels), jnp.sum(slope * tangents[0], LAST, keepdims=True)
