r"""The circle loss: similarities within groups and between them, each weighted by how far it is from its optimum."""

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
from jaxloss._types import Array, AxisName, Floats, Labels, Mask, Numbers, Scalar
from jaxloss.losses.embedding._batches import batch_of, with_references


@over_rows
def circle_loss(
    embeddings: Floats,
    labels: Labels,
    *,
    reference_embeddings: Numbers | None = None,
    reference_labels: Labels | None = None,
    gamma: Scalar = 80.0,
    margin: Scalar = 0.4,
    where: Mask | None = None,
    batch_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""A smooth hinge over an anchor's worst negative and positive, with a weight for each pair's gap to its optimum.

    `log(1 + a * b)` with `a = sum(exp(gamma * max(0, s[j] + m) * (s[j] - m)) for j in N)` over the negatives N and
    `b = sum(exp(-gamma * max(0, 1 + m - s[k]) * (s[k] - 1 + m)) for k in P)` over the positives P.

    $$\ell_i = \log\left(1 + \sum_{j \in N_i} e^{\gamma [s_{ij} + m]_+ (s_{ij} - m)}
        \sum_{k \in P_i} e^{-\gamma [1 + m - s_{ik}]_+ (s_{ik} - 1 + m)}\right)$$

    with the cosine similarities s of anchor i to the references: $P_i$ are those of its group, $N_i$ all others. By
    default the embeddings of a batch are the references of each other, and none is a positive of itself. Any finite
    embeddings; a zero one is orthogonal to all others and has slope 0. An anchor with an infinite element has loss nan,
    and so has every anchor that is compared with one. An anchor without a positive or without a negative has loss 0 and
    does not count. Derivatives are those of the formula, whose weights $[\cdot]_+$ are no constants; at s = -m, where
    the weight of a negative turns to 0, the slope is 0.

    Args:
        embeddings: The anchors, `[..., batch, features]`; with references `[..., features]`.
        labels: The group of each anchor, the shape of `embeddings` without its last axis.
        reference_embeddings: The embeddings that anchors are compared with, `[references, features]`; by default the
            anchors of the same batch.
        reference_labels: The group of each reference, `[references]`.
        gamma: The scale of the similarities; at least 0.
        margin: The relaxation m: similarities within groups should exceed 1 - m, others stay below m; in [0, 1].
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        batch_axis_name: Mesh axes over which a batch that is its own reference is spread, inside `shard_map`.

    Returns:
        One value per anchor, in nats: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, references without labels.
        TypeError: Embeddings that are not floats.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]])
        >>> losses = circle_loss(x, jnp.array([0, 0, 1, 1]), gamma=8.0)
        >>> print("{:.3f} {:.3f} {:.3f} {:.3f}".format(*losses))
        1.100 5.150 1.100 5.150

    Source: Sun et al., "Circle loss: a unified perspective of pair similarity optimization", 2020.
    """
    name = "circle_loss"
    if reference_embeddings is None and reference_labels is None:
        batch = batch_of(name, embeddings, labels, where, batch_axis_name)
        inside = jnp.broadcast_to(batch.inside[..., None], batch.similarities.shape[:-1])
    elif batch_axis_name is not None:
        raise ValueError(
            f"{name}: batch_axis_name {batch_axis_name!r} is for a batch that is its own reference: leave one of both "
            "out; references are those of all devices."
        )
    else:
        batch = with_references(name, embeddings, labels, reference_embeddings, reference_labels, where)
        inside = batch.inside
    s = batch.similarities
    m, scale = number(name, "margin", margin, s.dtype), number(name, "gamma", gamma, s.dtype)
    # The products of the formula, that of the positives as -(1 + m - s)(s - 1 + m) = (1 - s)^2 - m^2.
    positives = scale * (jnp.square(1 - s) - m * m)
    negatives = scale * jnp.where(s > -m, (s + m) * (s - m), jnp.zeros_like(s))
    counting = jnp.any(batch.positive, -1) & jnp.any(batch.negative, -1)
    exponents = [
        numerics.keep(counting, numerics.logsumexp(numerics.keep(pairs, terms, -math.inf), -1))
        for pairs, terms in ((batch.positive, positives), (batch.negative, negatives))
    ]
    losses = masked(numerics.softplus(exponents[0] + exponents[1]), counting)
    losses = outside_is_nan(name, losses, lambda: inside | ~counting, "embeddings must be finite")
    return Rows(losses, counting)


@class_form
class CircleLoss(Loss):
    """Circle loss: the class form of `circle_loss`."""

    fn = staticmethod(circle_loss)
    gamma: Scalar = 80.0
    margin: Scalar = 0.4
    batch_axis_name: AxisName = None


__all__ = ["CircleLoss", "circle_loss"]
