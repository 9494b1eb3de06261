r"""The adaptive softmax: frequent classes in a head, the others in clusters whose layers are computed where needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import integers
from jaxloss._class_form import class_form
from jaxloss._domain import outside_is_nan
from jaxloss._loss import Loss
from jaxloss._masks import counted, kept, masked
from jaxloss._options import option
from jaxloss._program import one_program
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Floats, Labels, Layout, Mask, Numbers
from jaxloss.fused._clusters import Clusters, clusters_of, product
from jaxloss.fused.linear_cross_entropy import linear_softmax_cross_entropy


@over_rows
def adaptive_log_softmax(
    hidden: Floats,
    labels: Labels,
    *,
    head: Floats,
    tails: Sequence[tuple[Floats, Floats]],
    head_bias: Numbers | None = None,
    kernel_layout: Layout = "dv",
    ignore_index: int | None = None,
    where: Mask | None = None,
) -> Rows[Array]:
    r"""The cross-entropy of class indices t under an adaptive softmax, the last layer included.

    `-log(p[t]) if t < c[0] else -log(p[c[0] + i]) - log(q[i][t - c[i]])` with t = labels, `p = softmax(h @ W + b)`,
    h = hidden, and `q[i] = softmax(h @ P[i] @ V[i])` for the cluster i of t, whose first class is `c[i]`.

    $$\ell = \begin{cases} -\log p_t & t < c_0 \\ -\log p_{c_0 + i} - \log q^{(i)}_{t - c_i} & t \ge c_i \end{cases}$$

    with $p = \operatorname{softmax}(h W + b)$ over the $c_0$ most frequent classes and the clusters of the others, and
    $q^{(i)} = \operatorname{softmax}(h P_i V_i)$ over the classes $c_i, c_i + 1, \dots$ of the i-th cluster, of the
    last i with $t \ge c_i$. The classes are ordered by their frequency: a rare one costs a narrow layer, and the
    layer of a cluster is not computed in a batch without a label of it (under `vmap` it is).

    A token is as exact as its logits are, however confident. At most one layer's logits are held at a time, with their
    slopes for a gradient, or a chunk of them, as in `linear_softmax_cross_entropy`, by which each layer is computed. A
    label outside 0 to K - 1, of all K classes, has loss nan.

    Args:
        hidden: Hidden states, `[..., D]`.
        labels: Class indices, `[...]`.
        head: The weights W, `[D, c0 + n]`: of the most frequent classes, then of the n clusters.
        tails: For each cluster the pair of its projection P, `[D, d]`, and its weights V, `[d, classes]`.
        head_bias: Added to the logits of the head, `[c0 + n]`; none by default.
        kernel_layout: `"dv"`, or `"vd"` for a head and tails that are transposed.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per token, of the shape of `labels`, in nats.

    Raises:
        ValueError: Shapes that do not fit, an option out of range.
        TypeError: Hidden states or weights that are not floats, labels that are not integers.

    Example:
        >>> head, tail = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), (jnp.array([[1.0], [0.0]]), jnp.ones((1, 4)))
        >>> hidden, labels = jnp.array([[2.0, 0.0], [0.0, 0.0]]), jnp.array([0, 3])
        >>> print(adaptive_log_softmax(hidden, labels, head=head, tails=[tail]).round(4))
        [0.2395 2.4849]

    Source: Grave, Joulin, Cisse, Grangier, Jegou, "Efficient softmax approximation for GPUs", 2017.
    """
    name = "adaptive_log_softmax"
    layout = option(name, "kernel_layout", kernel_layout)
    layers = clusters_of(name, hidden, head, tails, head_bias, layout)
    t = integers(name, "labels", labels)
    rows = layers.hidden.shape[:-1]
    if t.shape != rows:
        raise ValueError(f"{name}: labels {t.shape} and hidden {(*rows, 'D')} do not fit: labels need shape {rows}.")
    counting = _counting(t, kept(name, where, t.shape), counted(name, t, ignore_index))
    return Rows(_losses(layers, t, counting, _Setup(name, layout)), counting)


class _Setup(NamedTuple):
    """The static part of a call; calls with equal ones share one compiled program."""

    name: str
    layout: Layout


def _counting(labels: Array, *masks: Array | None) -> Array | None:
    """The mask of the tokens that count; None for all."""
    found = None
    for mask in masks:
        if mask is not None:
            mask = numerics.aligned(labels, mask)[1]
            found = mask if found is None else found & mask
    return found


@one_program("setup")
def _losses(clusters: Clusters, t: Array, counting: Array | None, setup: _Setup) -> Array:
    x = clusters.hidden
    t = numerics.aligned_labels(x, t, (x.ndim - 1,))
    *starts, classes = clusters.starts(setup.layout)
    if counting is not None:
        t, counting = numerics.aligned(t, counting)
    inside = (t >= 0) & (t < classes)
    live, valid = inside, inside
    if counting is not None:
        live, valid = inside & counting, inside | ~counting
    clusters = clusters._replace(hidden=numerics.keep(jnp.expand_dims(live, -1), x))
    t = jnp.where(live, t, jnp.zeros_like(t)).astype(jnp.int32)
    run = lambda clusters, t, live: _of_layers(clusters, t, live, starts, setup.layout)  # noqa: E731
    losses = numerics.automatic(run, t, clusters, t, live)
    losses = outside_is_nan(setup.name, losses, lambda: valid, f"labels must be from 0 to {classes - 1}")
    return masked(losses, counting)


def _of_layers(clusters: Clusters, t: Array, live: Array, starts: list[int], layout: Layout) -> Array:
    """The losses of labels in range, 0 where a token is not `live`."""
    x = clusters.hidden
    which = sum(((t >= start).astype(t.dtype) for start in starts), jnp.zeros_like(t))
    label = jnp.where(which == 0, t, which + (starts[0] - 1))
    losses = _of_layer(x, clusters.head, label, live, layout, clusters.bias)
    for i, (start, (projection, kernel)) in enumerate(zip(starts, clusters.tails, strict=True)):
        here = live & (which == i + 1)
        tail = lambda x, projection, kernel, here, t: _of_layer(  # noqa: E731
            product(x, projection, layout), kernel, t, here, layout
        )
        none = lambda x, projection, kernel, here, t: numerics.keep(here, jnp.zeros_like(losses))  # noqa: E731
        # Without a checkpoint each condition would keep the logits of its layer, and more, for its slopes.
        losses = losses + lax.cond(jnp.any(here), jax.checkpoint(tail), none, x, projection, kernel, here, t - start)
    return losses


def _of_layer(x: Array, kernel: Array, t: Array, where: Array, layout: Layout, bias: Array | None = None) -> Array:
    return linear_softmax_cross_entropy(x, kernel, t, kernel_layout=layout, bias=bias, where=where, reduction="none")


@class_form
class AdaptiveLogSoftmax(Loss):
    """Adaptive log-softmax: the class form of `adaptive_log_softmax`."""

    fn = staticmethod(adaptive_log_softmax)
    kernel_layout: Layout = "dv"
    ignore_index: int | None = None


__all__ = ["AdaptiveLogSoftmax", "adaptive_log_softmax"]
