"""Embeddings with the groups they belong to, and the pairs that the losses of pairs compare."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import floating, integers, wide
from jaxloss._elements import Given, elementwise
from jaxloss._masks import kept
from jaxloss._types import Array, AxisName
from jaxloss.losses._devices import sum_over_devices


class Batch(NamedTuple):
    """The pairs of each embedding, of this device, with all of its batch, or with references; `[..., batch, all]`."""

    similarities: Array
    positive: Array
    """Which pairs are of one group, and of two embeddings that count."""
    negative: Array
    """Which pairs are of two groups, and of two embeddings that count."""
    inside: Array
    """Which batches are finite; with references which embeddings are, if the references are."""
    mask: Array | None
    """Which embeddings count; None for all."""


def _cosines(x: Array, others: Array) -> Array:
    form = "...id,...jd->...ij" if others.ndim == x.ndim else "...d,jd->...j"
    return jnp.einsum(form, x, others, precision=lax.Precision.HIGHEST)


def batch_of(name: str, embeddings: Any, labels: Any, where: Any, batch_axis_name: AxisName) -> Batch:
    """The embeddings of batches, each the reference of all others of its batch, on other devices too."""
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
        inside = sum_over_devices(name, "batch_axis_name", (~inside).astype(jnp.int32), batch_axis_name) == 0
        others = tuple(lax.all_gather(a, batch_axis_name, axis=x.ndim - 2, tiled=True) for a in others)
        start = lax.axis_index(batch_axis_name) * y.shape[-1]
    of_all, y_all, counts_all = others
    alike = y[..., :, None] == y_all[..., None, :]
    row, column = (lax.broadcasted_iota(jnp.int32, alike.shape, alike.ndim - i) for i in (2, 1))
    itself = numerics.sharded_like(alike, row + start == column)
    pair = counts[..., :, None] & counts_all[..., None, :]
    return Batch(_cosines(unit, of_all), pair & alike & ~itself, pair & ~alike, inside, mask)


def with_references(name: str, embeddings: Any, labels: Any, references: Any, groups: Any, where: Any) -> Batch:
    """Embeddings of any shape, each compared with the same references."""
    x, y = floating(name, "embeddings", embeddings), integers(name, "labels", labels)
    r, g = floating(name, "reference_embeddings", references), integers(name, "reference_labels", groups)
    if r.ndim != 2 or g.shape != r.shape[:1] or x.shape[-1:] != r.shape[1:] or y.shape != x.shape[:-1]:
        raise ValueError(
            f"{name}: embeddings {x.shape}, labels {y.shape}, reference_embeddings {r.shape} and reference_labels "
            f"{g.shape} do not fit: they need shapes [..., features], [...], [references, features] and [references]."
        )
    dtype, mask = wide(x.dtype, r.dtype), kept(name, where, y.shape)
    (x,) = elementwise(name, None if mask is None else mask[..., None], Given("embeddings", x, 0.0)).arrays
    x, r = numerics.replicated(x, (x.ndim - 1,)).astype(dtype), numerics.replicated(r, (0, 1)).astype(dtype)
    y, g = numerics.aligned_labels(x, y, (x.ndim - 1,)), numerics.replicated(g, (0,))
    finite, known = jnp.isfinite(x).all(-1, keepdims=True), jnp.isfinite(r).all()
    unit, units = (numerics.directions(numerics.keep(ok, a)) for ok, a in ((finite, x), (known, r)))
    alike = y[..., None] == jnp.expand_dims(g, range(y.ndim))
    counts = jnp.ones_like(alike) if mask is None else numerics.aligned_labels(x, mask, (x.ndim - 1,))[..., None]
    inside = jnp.squeeze(finite, -1) & known
    return Batch(_cosines(unit, units), counts & alike, counts & ~alike, inside, mask)
