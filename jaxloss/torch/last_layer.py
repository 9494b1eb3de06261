r"""PyTorch's cross-entropy of a last layer, whose logits are never held all at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp

import jaxloss
from jaxloss import _value, numerics
from jaxloss._arrays import floating, integers, real, wide
from jaxloss._options import per_class
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.fused._clusters import logits_of
from jaxloss.torch._classes import in_range, label_weights
from jaxloss.torch._conventions import Reduction, chosen, result_dtype
from jaxloss.torch._loss import Loss
from jaxloss.torch.classification import cross_entropy

Policy: TypeAlias = Literal["accurate", "balanced", "compact", "auto"]


@dataclass(frozen=True)
class LinearCrossEntropyOptions(_value.Value):
    """How `functional.linear_cross_entropy` is to save memory; by default the shapes decide.

    The names are PyTorch's, of which `batch_chunk_size` alone has an effect here: how many rows are taken at a time.
    Sums are always in float32 at least, and any derivative may be taken, as often as you like.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Policy = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        _value.settle(self)


def linear_cross_entropy(
    input: Floats,
    linear_weight: Floats,
    target: Numbers,
    *,
    linear_bias: Numbers | None = None,
    weight: Numbers | None = None,
    reduction: Reduction = "mean",
    ignore_index: int | None = None,
    label_smoothing: Scalar = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Array:
    r"""The cross-entropy of class indices, or of distributions, under the softmax of $z = W x + b$.

    $$\ell = -\sum_k w_k \left((1 - s) y_k + \frac{s}{C}\right) \log \operatorname{softmax}(z)_k$$

    with y the distribution, or 1 at the class index and 0 elsewhere. It is `functional.cross_entropy` of a last layer.
    With class indices the logits are never held all at once, see `jaxloss.linear_softmax_cross_entropy`; with
    distributions, which are as large as the logits, they are.

    The reductions are `"none"`, `"mean"` and `"sum"`. With class indices the mean is over the sum of the weights of
    those that are not ignored, with distributions over the number of losses.

    Args:
        input: The inputs x of the layer, `(D,)` or `(N, D)`.
        linear_weight: The weights W, `(C, D)`; `(C, d1, ..., D)` for losses at several places of each input.
        target: Class indices, `()`, `(N,)` or `(N, d1, ...)`, or distributions of the shape of the logits, `(C,)`,
            `(N, C)` or `(N, C, d1, ...)`.
        linear_bias: The biases b, `(C,)` or `(C, d1, ...)`; none by default.
        weight: One weight for each class, `(C,)`; 1 by default.
        reduction: How the losses become one number, see above.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        options: How to save memory; by default the shapes decide.

    Returns:
        A scalar; with `"none"` one value per class index, in nats. A class index out of range has loss nan.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, an `ignore_index` among distributions.
        TypeError: Inputs or weights that are not floats, a target of the wrong kind.

    Example:
        >>> hidden, kernel = jnp.array([[1.0, 2.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> print(linear_cross_entropy(hidden, kernel, jnp.array([2, -100])).round(4))
        0.1698
    """
    name = "linear_cross_entropy"
    reduction = chosen(name, reduction)
    _check_options(name, options)
    x, kernel = floating(name, "input", input), floating(name, "linear_weight", linear_weight)
    dtype, y = result_dtype(x, kernel), real(name, "target", target)
    bias = _layer(name, x, kernel, linear_bias)
    shape = (*x.shape[:-1], *kernel.shape[:-1])
    if y.shape == shape:
        if ignore_index is not None:
            raise ValueError(f"{name}: ignore_index must be None for a target of distributions, got {ignore_index}.")
        logits = _logits(x, kernel, bias).reshape(shape)
        found = cross_entropy(logits, y, weight, reduction=reduction, label_smoothing=label_smoothing)
        return found.astype(dtype)
    labels = integers(name, "target", target, f", or give distributions, of shape {shape}")
    if labels.shape != (*x.shape[:-1], *kernel.shape[1:-1]):
        raise ValueError(
            f"{name}: target must have shape {(*x.shape[:-1], *kernel.shape[1:-1])} for input {x.shape} and "
            f"linear_weight {kernel.shape}, got {labels.shape}."
        )
    ignored = -100 if ignore_index is None else ignore_index
    labels = in_range(name, kernel.shape[0], labels, ignored)
    classes = None if weight is None else per_class(name, "weight", weight, kernel.shape[:1], (0,), wide(dtype))
    chunk = None if options is None else options.batch_chunk_size
    settings: dict[str, Any] = {
        "reduction": "none" if reduction == "none" else "sum",
        "ignore_index": ignored,
        "label_smoothing": label_smoothing,
        "mode": "auto" if chunk is None else "fast",
        "chunk_size": chunk,
        "class_weights": classes,
    }
    values = _losses(x, kernel, labels, bias, settings)
    if reduction == "mean":
        values = numerics.divide(values, jnp.sum(label_weights(name, labels, classes, wide(dtype), ignored)))
    return values.astype(dtype)


def _layer(name: str, x: Array, kernel: Array, bias: Any) -> Array | None:
    """The bias; an error if the arrays of the layer do not fit each other."""
    if x.ndim not in (1, 2):
        raise ValueError(f"{name}: input must have shape (D,) or (N, D), got {x.shape}: move its rows to one axis.")
    if kernel.ndim < 2 or kernel.shape[-1] != x.shape[-1] or (kernel.ndim > 2 and x.ndim == 1):
        raise ValueError(
            f"{name}: linear_weight {kernel.shape} and input {x.shape} do not fit: they need shapes (C, D) and (D,), "
            "or (C, D) or (C, d1, ..., D) and (N, D)."
        )
    if 0 in kernel.shape[:-1]:
        raise ValueError(f"{name}: linear_weight {kernel.shape} has no class: a loss needs at least one.")
    if bias is None:
        return None
    array = real(name, "linear_bias", bias)
    if array.shape != kernel.shape[:-1]:
        raise ValueError(f"{name}: linear_bias must have shape {kernel.shape[:-1]}, got {array.shape}.")
    return array


def _logits(x: Array, kernel: Array, bias: Array | None) -> Array:
    """All logits, the classes and the places of each input on one axis."""
    rows = kernel.reshape(math.prod(kernel.shape[:-1]), kernel.shape[-1])
    return logits_of(x, rows, bias, "vd")


def _losses(x: Array, kernel: Array, labels: Array, bias: Array | None, settings: dict[str, Any]) -> Array:
    """The losses of class indices, or their sum."""

    def of_place(kernel: Array, labels: Array, bias: Array | None) -> Array:
        return jaxloss.linear_softmax_cross_entropy(x, kernel, labels, kernel_layout="vd", bias=bias, **settings)

    if kernel.ndim == 2:
        return of_place(kernel, labels, bias)
    count = math.prod(kernel.shape[1:-1])
    places = lambda a, axis: jnp.moveaxis(a.reshape(*a.shape[:1], count, *a.shape[axis:]), 1, 0)  # noqa: E731
    biases = None if bias is None else places(bias, bias.ndim)
    values = jax.vmap(of_place)(places(kernel, kernel.ndim - 1), places(labels, labels.ndim), biases)
    return jnp.sum(values) if values.ndim == 1 else values.T.reshape(labels.shape)


def _check_options(name: str, options: Any) -> None:
    if options is not None and not isinstance(options, LinearCrossEntropyOptions):
        raise TypeError(f"{name}: options must be LinearCrossEntropyOptions or None, got {options!r}.")


@dataclass(frozen=True, kw_only=True)
class LinearCrossEntropyLoss(Loss):
    """The class form of `functional.linear_cross_entropy`, which holds no weights: they are given when it is called."""

    fn = staticmethod(linear_cross_entropy)
    reduction: Reduction = "mean"
    weight: Numbers | None = None
    ignore_index: int | None = None
    label_smoothing: Scalar = 0.0
    options: LinearCrossEntropyOptions | None = None

    @classmethod
    def _answer(cls, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """An error for the sizes of a layer that PyTorch's class holds, too."""
        if args or {"in_features", "num_classes", "out_features", "bias", "device", "dtype"} & options.keys():
            raise TypeError(
                f"{cls.__name__}: holds no weights, and so takes no sizes of them: give it its options by keyword, and "
                f"the weights when it is called, as in {cls.__name__}()(input, target, linear_weight), or call "
                "functional.linear_cross_entropy(input, linear_weight, target)."
            )
        super()._answer(args, options)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_options(type(self).__name__, self.options)

    def __call__(
        self, input: Floats, target: Numbers, linear_weight: Floats, linear_bias: Numbers | None = None
    ) -> Array:
        """The reduced loss."""
        return self.forward(input, linear_weight, target, linear_bias=linear_bias)


__all__ = ["LinearCrossEntropyLoss", "LinearCrossEntropyOptions", "linear_cross_entropy"]
