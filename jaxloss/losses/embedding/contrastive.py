r"""Contrastive losses: embeddings of one group against those of all others in the batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import floating, integers
from jaxloss._domain import outside_is_nan
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._masks import kept, masked
from jaxloss._options import number
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, AxisName, Floats, Labels, Mask, Scalar


@over_rows
def ntxent(
    embeddings: Floats,
    labels: Labels,
    temperature: Scalar = 0.07,
    *,
    where: Mask | None = None,
    batch_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""The normalized, temperature-scaled cross-entropy of each positive pair against the anchor's negatives.

    $$\ell = \frac{1}{|P|} \sum_{(i, j) \in P}
        \log \left(1 + \sum_{k: y_k \ne y_i} e^{(s_{ik} - s_{ij}) / \tau}\right), \quad
        P = \{(i, j): y_i = y_j, i \ne j\}$$

    with the cosine similarity s. Any finite embeddings; a zero one is orthogonal to all, with slope 0. With an infinite
    element the loss is nan. An anchor without a positive has no pair, and is left out but as a negative of others; a
    batch without any has loss 0. A mask of the shape of the labels leaves embeddings out, as anchors, positives and
    negatives; one of the shape of the losses leaves batches out.

    Args:
        embeddings: A batch of vectors, `[..., batch, features]`.
        labels: The group of each, `[..., batch]`.
        temperature: What similarities are divided by, $\tau$; above 0.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        batch_axis_name: Mesh axes over which the batch is spread, inside `shard_map`: each device has its part of the
            embeddings and labels, gathers all others', and has the loss of the whole batch.

    Returns:
        One value per batch, in nats: the shape of `labels` without its last axis, a scalar for one batch. The
        class form has the same ones.

    Raises:
        ValueError: Shapes that do not fit, a temperature out of range, a mesh axis that is not bound.
        TypeError: Embeddings that are not floats.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]])
        >>> print(f"{ntxent(x, jnp.array([0, 0, 1, 1]), temperature=0.5):.4f}")
        0.8707

    Source: Chen et al., "A simple framework for contrastive learning of visual representations", 2020.
    """
    name = "ntxent"
    batch = _batch(name, embeddings, labels, where, batch_axis_name)
    tau = number(name, "temperature", temperature, batch.own.dtype)
    similarities = jnp.einsum("...id,...jd->...ij", batch.own, batch.all, precision=lax.Precision.HIGHEST) / tau
    below = -math.inf
    against = numerics.logsumexp(numerics.keep(batch.negative, similarities, below), -1)
    # Of what is no pair the difference is 0, for a slope of 0: there may be no negative, and infinity on both sides.
    gaps = numerics.keep(batch.positive, against[..., None] - similarities)
    pairs = masked(numerics.softplus(gaps), batch.positive)
    count = jnp.sum(batch.positive, (-2, -1), dtype=pairs.dtype)
    total, count = numerics.sum_of_shards((jnp.sum(pairs, (-2, -1)), count), batch_axis_name)
    losses = numerics.divide(total, count)
    losses = outside_is_nan(name, losses, lambda: batch.inside, "embeddings must be finite")
    return Rows(losses, batch.counting)


class _Batch(NamedTuple):
    """Directions of the embeddings, this device's and all, and which pairs of them are alike and which are not."""

    own: Array
    all: Array
    positive: Array
    negative: Array
    inside: Array
    counting: Array | None
    """Which batches have an embedding that counts; None for all."""


def _batch(name: str, embeddings: Any, labels: Any, where: Any, batch_axis_name: AxisName) -> _Batch:
    x, y = floating(name, "embeddings", embeddings), integers(name, "labels", labels)
    if x.ndim < 2 or y.shape != x.shape[:-1]:
        raise ValueError(
            f"{name}: embeddings {x.shape} and labels {y.shape} do not fit: with embeddings [..., batch, features] "
            f"labels need shape {x.shape[:-1]}, one for each."
        )
    mask = kept(name, where, y.shape)
    (x,) = elementwise(name, None if mask is None else mask[..., None], Given("embeddings", x, 0.0)).arrays
    x = numerics.replicated(x, (x.ndim - 2, x.ndim - 1))  # on explicit meshes: whole batches are compared
    counts = jnp.ones(y.shape, bool) if mask is None else mask
    y, counts = (numerics.aligned_labels(x, a, (x.ndim - 1,)) for a in (y, counts))
    finite = jnp.isfinite(jnp.max(jnp.abs(x), -1, keepdims=True, initial=0.0))
    unit = numerics.directions(numerics.keep(finite, x))
    inside = jnp.all(finite, (-2, -1))
    start, others = 0, (unit, y, counts)
    if batch_axis_name is not None:
        try:
            gathered = [lax.all_gather(a, batch_axis_name, axis=x.ndim - 2, tiled=True) for a in others]
            start = lax.axis_index(batch_axis_name) * y.shape[-1]
            bad = numerics.sum_of_shards((~inside).astype(jnp.int32), batch_axis_name)
        except NameError as error:
            raise ValueError(
                f"{name}: batch_axis_name {batch_axis_name!r} is no mesh axis here: call the loss inside jax.shard_map "
                "over it, each device with its part of the batch."
            ) from error
        others, inside = tuple(gathered), bad == 0
    of_all, y_all, counts_all = others
    alike = y[..., :, None] == y_all[..., None, :]
    row, column = (lax.broadcasted_iota(jnp.int32, alike.shape, alike.ndim - i) for i in (2, 1))
    itself = numerics.sharded_like(alike, row + start == column)
    pair = counts[..., :, None] & counts_all[..., None, :]
    counting = None
    if mask is not None:
        counting = numerics.sum_of_shards(jnp.any(mask, -1).astype(jnp.int32), batch_axis_name) > 0
    return _Batch(unit, of_all, pair & alike & ~itself, pair & ~alike, inside, counting)


@dataclass(frozen=True, kw_only=True)
class NTXent(Loss):
    """The class form of `ntxent`."""

    fn = staticmethod(ntxent)
    temperature: Scalar = 0.07
    batch_axis_name: AxisName = None


__all__ = ["NTXent", "ntxent"]
