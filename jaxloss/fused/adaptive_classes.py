r"""The classes of an adaptive softmax: the log-probabilities of all of them, and the most probable one."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._options import option
from jaxloss._program import one_program
from jaxloss._types import Array, Floats, Layout, Numbers
from jaxloss.fused._clusters import Clusters, clusters_of


def adaptive_log_probabilities(
    hidden: Floats,
    *,
    head: Floats,
    tails: Sequence[tuple[Floats, Floats]],
    head_bias: Numbers | None = None,
    kernel_layout: Layout = "dv",
) -> Array:
    r"""The log-probabilities of all classes under an adaptive softmax; see `adaptive_log_softmax`.

    `log(p[k]) if k < c[0] else log(p[c[0] + i]) + log(q[i][k - c[i]])` with `p = softmax(h @ W + b)`, h = hidden, and
    `q[i] = softmax(h @ P[i] @ V[i])` for the cluster i of k, whose first class is `c[i]`.

    $$\log p_k \quad (k < c_0), \qquad \log p_{c_0 + i} + \log q^{(i)}_{k - c_i} \quad (k \ge c_i)$$

    Args:
        hidden: Hidden states, `[..., D]`.
        head: The weights W, `[D, c0 + n]`: of the most frequent classes, then of the n clusters.
        tails: For each cluster the pair of its projection P, `[D, d]`, and its weights V, `[d, classes]`.
        head_bias: Added to the logits of the head, `[c0 + n]`; none by default.
        kernel_layout: `"dv"`, or `"vd"` for a head and tails that are transposed.

    Returns:
        Log-probabilities, `[..., K]`, of at least float32.

    Raises:
        ValueError: Shapes that do not fit, an option out of range.
        TypeError: Hidden states or weights that are not floats.

    Example:
        >>> head, tail = jnp.array([[1.0, 0.0], [0.0, 1.0]]), (jnp.array([[1.0], [0.0]]), jnp.array([[1.0, 0.0]]))
        >>> print(jnp.exp(adaptive_log_probabilities(jnp.array([0.0, 0.0]), head=head, tails=[tail])))
        [0.5  0.25 0.25]
    """
    name = "adaptive_log_probabilities"
    layout = option(name, "kernel_layout", kernel_layout)
    return _log_probabilities(clusters_of(name, hidden, head, tails, head_bias, layout), layout)


@one_program("layout")
def _log_probabilities(clusters: Clusters, layout: Layout) -> Array:
    return numerics.automatic(lambda c: _of_all(c, layout), _rows(clusters), clusters)


def _rows(clusters: Clusters) -> Array:
    """The hidden states, whole on the last axis: what an array with one row for each is sharded like."""
    return numerics.replicated(clusters.hidden, (clusters.hidden.ndim - 1,))


def _of_all(clusters: Clusters, layout: Layout) -> Array:
    of_head = numerics.log_softmax(clusters.of_head(layout))
    first = clusters.starts(layout)[0]
    parts = [of_head[..., :first]]
    for i in range(len(clusters.tails)):
        of_cluster = of_head[..., first + i, None]
        parts.append(of_cluster + numerics.log_softmax(clusters.of_tail(i, layout)))
    return jnp.concatenate(parts, -1)


def adaptive_prediction(
    hidden: Floats,
    *,
    head: Floats,
    tails: Sequence[tuple[Floats, Floats]],
    head_bias: Numbers | None = None,
    kernel_layout: Layout = "dv",
) -> Array:
    r"""The most probable class under an adaptive softmax; of several the first.

    `argmax_k(log_p[k])` with the log_p that `adaptive_log_probabilities` gives.

    $$\operatorname{argmax}_k \log p_k$$

    It is that of `adaptive_log_probabilities`, but no layer's logits outlive the next, and that of a cluster which is
    less probable than a class already found, for all tokens of a batch, is not computed (under `vmap` it is).

    Args:
        hidden: Hidden states, `[..., D]`.
        head: The weights W, `[D, c0 + n]`: of the most frequent classes, then of the n clusters.
        tails: For each cluster the pair of its projection P, `[D, d]`, and its weights V, `[d, classes]`.
        head_bias: Added to the logits of the head, `[c0 + n]`; none by default.
        kernel_layout: `"dv"`, or `"vd"` for a head and tails that are transposed.

    Returns:
        Class indices, `[...]`, int32.

    Raises:
        ValueError: Shapes that do not fit, an option out of range.
        TypeError: Hidden states or weights that are not floats.

    Example:
        >>> head, tail = jnp.array([[1.0, 0.0], [0.0, 1.0]]), (jnp.array([[0.0], [1.0]]), jnp.array([[0.0, 9.0]]))
        >>> print(adaptive_prediction(jnp.array([[3.0, 0.0], [0.0, 3.0]]), head=head, tails=[tail]))
        [0 2]
    """
    name = "adaptive_prediction"
    layout = option(name, "kernel_layout", kernel_layout)
    return _prediction(clusters_of(name, hidden, head, tails, head_bias, layout), layout)


@one_program("layout")
def _prediction(clusters: Clusters, layout: Layout) -> Array:
    return numerics.automatic(lambda c: _of_best(c, layout), _rows(clusters)[..., 0], clusters)


def _of_best(clusters: Clusters, layout: Layout) -> Array:
    logits = clusters.of_head(layout)
    first, *_ = starts = clusters.starts(layout)
    best, found = jnp.max(logits[..., :first], -1), jnp.argmax(logits[..., :first], -1).astype(jnp.int32)
    for i in range(len(clusters.tails)):
        of_cluster, start = logits[..., first + i], starts[i]

        def better(best: Array, found: Array, of_cluster: Array, i: int = i, start: int = start) -> tuple[Array, Array]:
            tail = clusters.of_tail(i, layout)
            top = of_cluster + jnp.max(numerics.log_softmax(tail), -1)
            own = jnp.argmax(tail, -1).astype(jnp.int32) + start
            return jnp.maximum(best, top), jnp.where(top > best, own, found)

        stays = lambda best, found, of_cluster: (best, found)  # noqa: E731
        best, found = lax.cond(jnp.any(of_cluster > best), better, stays, best, found, of_cluster)
    return found


__all__ = ["adaptive_log_probabilities", "adaptive_prediction"]
