"""PyTorch's cross-entropies over classes, which are on axis 1 (axis 0 of a single example)."""

from __future__ import annotations

from dataclasses import InitVar, dataclass

import jax.numpy as jnp

import jaxloss
from jaxloss import numerics
from jaxloss._arrays import real
from jaxloss._domain import checked_only
from jaxloss._masks import counted
from jaxloss._options import number
from jaxloss._types import Array, Floats, Labels, Numbers, Scalar
from jaxloss.torch._classes import class_axis, class_weights, distribution, in_range, label_weights, labelled
from jaxloss.torch._conventions import Reduction, chosen, operands, reduced
from jaxloss.torch._loss import PairLoss


def cross_entropy(
    input: Floats,
    target: Numbers,
    weight: Numbers | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    label_smoothing: Scalar = 0.0,
) -> Array:
    r"""The cross-entropy of class indices, or of distributions over classes, under the softmax of the input.

    $$\ell = -\sum_k w_k \left((1 - s) y_k + \frac{s}{K}\right) \log \operatorname{softmax}(x)_k$$

    with y the distribution, or 1 at the class index and 0 elsewhere; see
    `jaxloss.softmax_cross_entropy_with_integer_labels` and `jaxloss.softmax_cross_entropy`. Class indices alone can be
    ignored.

    The reductions are `"none"`, `"mean"` and `"sum"`. With class indices the mean is over the sum of the weights of
    those that are not ignored, with distributions over the number of losses.

    Args:
        input: Logits, `(C,)`, `(N, C)` or `(N, C, d1, ...)`.
        target: Class indices of the shape of `input` without its classes, or distributions of the shape of `input`.
        weight: One weight for each class, `(C,)`; 1 by default.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        reduction: How the losses become one number, see above.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].

    Returns:
        A scalar; with `"none"` one value per row of classes, in nats.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, an `ignore_index` among distributions.
        TypeError: An input that is not floats, a target of the wrong kind.

    Example:
        >>> logits = jnp.array([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]])
        >>> print(cross_entropy(logits, jnp.array([1, 2]), jnp.array([1.0, 3.0, 0.5])).round(4))
        2.0879
    """
    name = "cross_entropy"
    reduction = chosen(name, reduction, size_average, reduce)
    number(name, "label_smoothing", label_smoothing, jnp.float32)
    input, target = real(name, "input", input, kind="an array of floats"), real(name, "target", target)
    if target.shape == input.shape:
        (x, y), dtype = operands(name, input=input, target=distribution(name, target, ignore_index))
        y = checked_only(name, y, lambda: ~jnp.any(y < 0), "target must not be negative")
        classes = class_weights(name, x, weight)
        values = jaxloss.softmax_cross_entropy(
            x, y, class_axis(name, x), label_smoothing=label_smoothing, class_weights=classes
        )
        return reduced(values, reduction, dtype)
    x, labels, dtype = labelled(name, input, target, distributions=True)
    labels = in_range(name, x.shape[class_axis(name, x)], labels, ignore_index)
    classes = class_weights(name, x, weight)
    values = jaxloss.softmax_cross_entropy_with_integer_labels(
        x,
        labels,
        class_axis(name, x),
        label_smoothing=label_smoothing,
        class_weights=classes,
        ignore_index=ignore_index,
    )
    return reduced(values, reduction, dtype, label_weights(name, labels, classes, x.dtype, ignore_index))


def nll_loss(
    input: Floats,
    target: Labels,
    weight: Numbers | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The negative log-likelihood of class indices t under given log-probabilities, $\ell = -w_t x_t$.

    See `jaxloss.nll_loss`.

    The reductions are `"none"`, `"mean"` (over the sum of the weights of the class indices that are not ignored) and
    `"sum"`.

    Args:
        input: Log-probabilities, `(C,)`, `(N, C)` or `(N, C, d1, ...)`.
        target: Class indices of the shape of `input` without its classes.
        weight: One weight for each class, `(C,)`; 1 by default.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per row of classes, in nats.

    Raises:
        ValueError: Shapes that do not fit, an unknown reduction.
        TypeError: An input that is not floats, a target that is not integers.

    Example:
        >>> log_probabilities = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]))
        >>> print(nll_loss(log_probabilities, jnp.array([1, -100])).round(4))
        1.3863
    """
    name = "nll_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    x, labels, dtype = labelled(name, input, target)
    labels = in_range(name, x.shape[class_axis(name, x)], labels, ignore_index)
    classes = class_weights(name, x, weight)
    x = checked_only(name, x, lambda: _likelihoods(name, x, labels, ignore_index) <= 0, "input must be at most 0")
    values = jaxloss.nll_loss(x, labels, class_axis(name, x), class_weights=classes, ignore_index=ignore_index)
    return reduced(values, reduction, dtype, label_weights(name, labels, classes, x.dtype, ignore_index))


def _likelihoods(name: str, x: Array, labels: Array, ignore_index: int) -> Array:
    """The log-probability of each label, 0 where it is ignored."""
    axis, kept = class_axis(name, x), counted(name, labels, ignore_index)
    own = jnp.squeeze(numerics.label_value(x, jnp.expand_dims(labels.astype(jnp.int32), axis), axis), axis)
    return own if kept is None else numerics.keep(kept, own)


@dataclass(frozen=True)
class CrossEntropyLoss(PairLoss):
    """The class form of `functional.cross_entropy`."""

    fn = staticmethod(cross_entropy)
    weight: Numbers | None = None
    size_average: InitVar[bool | None] = None
    ignore_index: int = -100
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"
    label_smoothing: Scalar = 0.0


@dataclass(frozen=True)
class NLLLoss(PairLoss):
    """The class form of `functional.nll_loss`."""

    fn = staticmethod(nll_loss)
    weight: Numbers | None = None
    size_average: InitVar[bool | None] = None
    ignore_index: int = -100
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


__all__ = ["CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"]
