"""Keras' circle loss, of embeddings and the groups that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import jaxloss
from jaxloss._arrays import real
from jaxloss._options import option
from jaxloss._rows import Rows
from jaxloss._types import Array, Floats, Labels, Mask, Numbers, Scalar
from jaxloss.keras._loss import Form
from jaxloss.keras._masks import mask_of_elements
from jaxloss.keras._pairs import indices, predicted
from jaxloss.keras._reduction import ReductionName


def circle(
    y_true: Numbers,
    y_pred: Floats,
    ref_labels: Labels | None = None,
    ref_embeddings: Floats | None = None,
    remove_diagonal: bool = True,
    gamma: Scalar = 80,
    margin: Scalar = 0.4,
) -> Array:
    r"""The circle loss of embeddings: similarities within groups and between them, each weighted by how hard it is.

    $$\ell_i = \log\left(1 + \sum_{j \in N_i} e^{\gamma [s_{ij} + m]_+ (s_{ij} - m)}
        \sum_{k \in P_i} e^{-\gamma [1 + m - s_{ik}]_+ (s_{ik} - 1 + m)}\right)$$

    with the cosine similarities s of embedding i to those of its group, $P_i$, and to all others, $N_i$. See
    `jaxloss.circle_loss`.

    Args:
        y_true: The group of each embedding, an index, `[batch]` or `[batch, 1]`.
        y_pred: Embeddings, `[batch, features]`, which are scaled to length 1.
        ref_labels: The groups of the embeddings to compare with, `[references]`; `y_true` if left out.
        ref_embeddings: The embeddings to compare with, `[references, features]`; `y_pred` if left out.
        remove_diagonal: Whether an embedding is no positive of itself; False for references that are others.
        gamma: The scale of the similarities; at least 0.
        margin: The relaxation m: similarities within groups should exceed 1 - m, others stay below m; in [0, 1].

    Returns:
        One value per embedding, `[batch]`, in the dtype of `y_pred`; 0 for one without a positive or a negative.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, references and `remove_diagonal`.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]])
        >>> print("{:.3f} {:.3f} {:.3f} {:.3f}".format(*circle(jnp.array([0, 0, 1, 1]), x, gamma=8.0)))
        1.100 5.150 1.100 5.150
    """
    options = {"remove_diagonal": remove_diagonal, "gamma": gamma, "margin": margin}
    return _circle("circle", y_true, y_pred, ref_labels, ref_embeddings, options, None).losses


_of_anchors = cast(Any, jaxloss.circle_loss).with_counting  # the losses, and which of them count


def _circle(
    name: str,
    y_true: Any,
    y_pred: Any,
    ref_labels: Any,
    ref_embeddings: Any,
    options: dict[str, Any],
    where: Mask | None,
) -> Rows[Array]:
    remove_diagonal, gamma, margin = (option(name, key, value) for key, value in options.items())
    x, labels = _group(name, y_true, y_pred, ("y_true", "y_pred"))
    if ref_labels is None and ref_embeddings is None and remove_diagonal:
        rows = _of_anchors(x, labels, gamma=gamma, margin=margin, where=where)
        return Rows(rows.losses.astype(x.dtype), rows.counting)
    if remove_diagonal:
        raise ValueError(
            f"{name}: remove_diagonal is for a batch that is compared with itself: with ref_labels or ref_embeddings, "
            "which are others, give remove_diagonal=False."
        )
    others, groups = _group(
        name,
        y_true if ref_labels is None else ref_labels,
        y_pred if ref_embeddings is None else ref_embeddings,
        ("ref_labels", "ref_embeddings"),
    )
    if others.shape[1] != x.shape[1]:
        raise ValueError(f"{name}: y_pred {x.shape} and ref_embeddings {others.shape} need as many features.")
    rows = _of_anchors(x, labels, reference_embeddings=others, reference_labels=groups, gamma=gamma, margin=margin)
    return Rows(rows.losses.astype(x.dtype), rows.counting)


def _flat(labels: Array) -> Array:
    """Labels `[batch, 1]`, as Keras' layers make them, as `[batch]`."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _group(name: str, labels: Any, embeddings: Any, arguments: tuple[str, str]) -> tuple[Array, Array]:
    groups, x = real(name, arguments[0], labels), real(name, arguments[1], embeddings)
    x = predicted(name, x)
    groups = _flat(groups)
    if x.ndim != 2 or groups.shape != x.shape[:1]:
        raise ValueError(
            f"{name}: {arguments[0]} {groups.shape} and {arguments[1]} {x.shape} do not fit: they need shapes [batch] "
            "and [batch, features]."
        )
    return x, indices(groups)


@dataclass(eq=False)
class Circle(Form):
    """The class of `circle`."""

    fn = staticmethod(circle)
    gamma: Scalar = 80.0
    margin: Scalar = 0.4
    remove_diagonal: bool = True
    reduction: ReductionName = "sum_over_batch_size"
    name: str | None = "circle"
    dtype: Any = None

    def _counting(self, name: str, y_true: Any, y_pred: Any, masks: list[Array]) -> tuple[Array, Array | None]:
        """The losses, and the mask of the embeddings that have a positive and a negative, among those that count."""
        if masks and not self.remove_diagonal:
            raise ValueError(f"{name}: remove_diagonal=False takes no mask: leave the samples out of the batch.")
        options = {"remove_diagonal": self.remove_diagonal, "gamma": self.gamma, "margin": self.margin}
        mask = mask_of_elements(name, masks, _flat(y_true))
        rows = _circle("circle", y_true, y_pred, None, None, options, mask)
        return rows.losses, rows.counting


__all__ = ["Circle", "circle"]
