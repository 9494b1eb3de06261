r"""Contrastive losses: embeddings of a batch should be near to those of their group, and far from all others."""

from __future__ import annotations

import math

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import outside_is_nan
from jaxloss._loss import Loss
from jaxloss._masks import masked
from jaxloss._options import number
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, AxisName, Floats, Labels, Mask, Scalar
from jaxloss.losses._devices import any_device
from jaxloss.losses.embedding._batches import batch_of


@over_rows
def ntxent(
    embeddings: Floats,
    labels: Labels,
    temperature: Scalar = 0.07,
    *,
    where: Mask | None = None,
    batch_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""The mean over positive pairs of the cross-entropy of the positive among the anchor's negatives (NT-Xent).

    `mean(log(1 + sum(exp((s[i, k] - s[i, j]) / tau) for k if y[k] != y[i])))` over the pairs with `i != j` and
    `y[i] == y[j]`, where s are the cosine similarities, y = labels and tau = temperature.

    $$\ell = \frac{1}{|P|} \sum_{(i, j) \in P}
        \log \left(1 + \sum_{k: y_k \ne y_i} e^{(s_{ik} - s_{ij}) / \tau}\right), \quad
        P = \{(i, j): y_i = y_j, i \ne j\}$$

    with the cosine similarity s. Any finite embeddings; a zero one is orthogonal to all others and has slope 0. A batch
    with an infinite element has loss nan. An embedding without a positive is a negative of others alone; a batch
    without a positive pair has loss 0. A mask of the shape of the labels leaves out embeddings, as anchors, positives
    and negatives; one of the shape of the losses leaves out batches. Where devices share a batch, `batch_axis_name`
    makes pairs across them; `axis_name` of the class form alone has the mean of losses of each device's own pairs.

    Args:
        embeddings: A batch of vectors, `[..., batch, features]`.
        labels: The group of each embedding, `[..., batch]`.
        temperature: The number $\tau$ by which similarities are divided; above 0.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        batch_axis_name: Mesh axes over which the batch is spread, inside `shard_map`; the loss is that of all samples.

    Returns:
        One value per batch, in nats: the shape of `labels` without its last axis, a scalar for one batch. The
        class form reduces these.

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
    batch = batch_of(name, embeddings, labels, where, batch_axis_name)
    tau = number(name, "temperature", temperature, batch.similarities.dtype)
    similarities = batch.similarities / tau
    against = numerics.logsumexp(numerics.keep(batch.negative, similarities, -math.inf), -1)
    pairs = masked(numerics.softplus(against[..., None] - similarities), batch.positive)
    count = jnp.sum(batch.positive, (-2, -1), dtype=pairs.dtype)
    total, count = numerics.sum_of_shards((jnp.sum(pairs, (-2, -1)), count), batch_axis_name)
    losses = numerics.divide(total, count)
    losses = outside_is_nan(name, losses, lambda: batch.inside, "embeddings must be finite")
    counting = None if batch.mask is None else any_device(jnp.any(batch.mask, -1), batch_axis_name)
    return Rows(losses, counting)


@class_form
class NTXent(Loss):
    """NT-Xent: the class form of `ntxent`."""

    fn = staticmethod(ntxent)
    temperature: Scalar = 0.07
    batch_axis_name: AxisName = None


__all__ = ["NTXent", "ntxent"]
