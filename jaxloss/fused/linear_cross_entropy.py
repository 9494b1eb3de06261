r"""The softmax cross-entropy of a last layer, whose logits are never held all at once."""

from __future__ import annotations

from typing import Any, Literal, overload

from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._types import Array, AxisName, Floats, Labels, Layout, Mask, Mode, Numbers, Reduction, Scalar
from jaxloss.fused._layer_loss import reduced_loss
from jaxloss.fused.log_partition import LinearAux


@overload
def linear_softmax_cross_entropy(
    hidden: Floats,
    kernel: Floats,
    labels: Labels,
    *,
    kernel_layout: Layout = "dv",
    bias: Numbers | None = None,
    class_weights: Numbers | None = None,
    class_mask: Mask | Array | None = None,
    weights: Numbers | None = None,
    where: Mask | None = None,
    ignore_index: int | None = None,
    label_smoothing: Scalar = 0.0,
    z_loss: Scalar = 0.0,
    logit_cap: Scalar | None = None,
    reduction: Reduction = "mean",
    axis_name: AxisName = None,
    vocab_axis_name: AxisName = None,
    compute_dtype: Any = None,
    mode: Mode = "auto",
    chunk_size: int | None = None,
    return_aux: Literal[False] = False,
) -> Array: ...


@overload
def linear_softmax_cross_entropy(
    hidden: Floats,
    kernel: Floats,
    labels: Labels,
    *,
    kernel_layout: Layout = "dv",
    bias: Numbers | None = None,
    class_weights: Numbers | None = None,
    class_mask: Mask | Array | None = None,
    weights: Numbers | None = None,
    where: Mask | None = None,
    ignore_index: int | None = None,
    label_smoothing: Scalar = 0.0,
    z_loss: Scalar = 0.0,
    logit_cap: Scalar | None = None,
    reduction: Reduction = "mean",
    axis_name: AxisName = None,
    vocab_axis_name: AxisName = None,
    compute_dtype: Any = None,
    mode: Mode = "auto",
    chunk_size: int | None = None,
    return_aux: Literal[True],
) -> tuple[Array, LinearAux]: ...


def linear_softmax_cross_entropy(
    hidden: Floats,
    kernel: Floats,
    labels: Labels,
    *,
    kernel_layout: Layout = "dv",
    bias: Numbers | None = None,
    class_weights: Numbers | None = None,
    class_mask: Mask | Array | None = None,
    weights: Numbers | None = None,
    where: Mask | None = None,
    ignore_index: int | None = None,
    label_smoothing: Scalar = 0.0,
    z_loss: Scalar = 0.0,
    logit_cap: Scalar | None = None,
    reduction: Reduction = "mean",
    axis_name: AxisName = None,
    vocab_axis_name: AxisName = None,
    compute_dtype: Any = None,
    mode: Mode = "auto",
    chunk_size: int | None = None,
    return_aux: bool = False,
) -> Array | tuple[Array, LinearAux]:
    r"""The cross-entropy of class indices under the softmax of a last layer, which is included.

    `(1 - s) * w[t] * (lse - z[t]) + s / K * sum_k(w[k] * (lse - z[k])) + zeta * lse**2` with t = labels,
    z = hidden @ kernel + bias, `lse = log(sum_j(exp(z[j])))`, s = label_smoothing, w = class_weights and zeta = z_loss.

    $$\ell = (1 - s) w_t \left(\log \sum_j e^{z_j} - z_t\right)
        + \frac{s}{K} \sum_k w_k \left(\log \sum_j e^{z_j} - z_k\right)
        + \zeta \left(\log \sum_j e^{z_j}\right)^2$$

    It is `softmax_cross_entropy_with_integer_labels(hidden @ kernel + bias, labels)`, reduced, for vocabularies whose
    logits are too large to hold: 8192 tokens times 131072 classes are 4 GB. At most one chunk of them is held at a
    time. Unlike other functions this one reduces: only the gradient of a sum is known, up to one factor, before the
    backward pass, and so can be computed in the forward pass while the logits are at hand.

    The matrix products multiply in the dtype of the operands and add in float32, those of the gradients too, which have
    the dtypes of `hidden` and `kernel`. The loss and the gradient of a confident token, however small, are as exact as
    its logits: a logit of 40 is known to 2e-6, and so is a loss of $e^{-40}$, relatively.

    The modes differ in time and memory alone:

    | mode | matrix products | held at a time |
    |---|---|---|
    | `"fast"` | 3, the gradients in the forward pass | a chunk of tokens, and the kernel's gradient in float32 |
    | `"low_memory"` | 4, the logits computed twice | a chunk of classes |
    | `"dense"` | 3 | all logits |
    | `"auto"` | | dense up to 128 MB of logits; fast if the float32 gradient costs little; else low memory |

    With losses that are not reduced, `return_aux` or `vocab_axis_name`, `"fast"` is `"low_memory"`.

    Under plain `jit` with sharded arrays `"auto"` is fast or dense, which gather neither logits nor kernel, whether
    tokens or classes are sharded (of several leading axes, the first); a loop over classes would gather a kernel that
    is sharded over them. For the least memory on many devices use `vocab_axis_name`;
    `shard_linear_softmax_cross_entropy` calls `shard_map` for it, and for FSDP. Take gradients outside of `shard_map`,
    or inside with `check_vma` on: with it off they come out times the number of shards.

    Args:
        hidden: Hidden states, `[..., D]`.
        kernel: The weights of the last layer, `[D, V]`; with `vocab_axis_name` this device's part of them.
        labels: Class indices, `[...]`; with `vocab_axis_name` into all classes. One outside 0 to V - 1 has loss nan.
        kernel_layout: `"dv"`, or `"vd"` for a kernel `[V, D]`, such as an embedding table that is shared.
        bias: Added to the logits, `[V]`; of the same classes as the kernel.
        class_weights: One weight for each class; 1 by default.
        class_mask: True where there is a class, `[V]`. The others, such as the padding of a vocabulary, are in neither
            the softmax nor the K classes of the smoothing, and a token whose label is one of them does not count.
        weights: Weights of the losses; a shape `[batch]` weighs samples, by the rules of `reduce`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        label_smoothing: The share s of each label that is spread over the K classes; in [0, 1].
        z_loss: The factor $\zeta$ of the squared log-partition function, which keeps logits small; at least 0.
        logit_cap: The bound c of a soft cap on the logits, $z \to c \tanh(z / c)$; above 0.
        reduction: `"mean"`, `"sum"`, `"sum_over_batch_size"` or `"none"`; the table of `reduce` defines them.
        axis_name: Mesh axes over which numerator and denominator are summed, so that the mean is global.
        vocab_axis_name: Mesh axes over which the classes are spread, inside `shard_map`; see docs/arguments.md.
        compute_dtype: The dtype to multiply in, such as bfloat16 with a float32 kernel; by default the wider one.
        mode: One of the modes above.
        chunk_size: Tokens (fast) or classes (low memory) to take at a time; by default about 128 or 32 MB of logits.
        return_aux: Whether to return the pair of the loss and a `LinearAux` of the log-partition functions and logits.

    Returns:
        A scalar; with `reduction="none"` one value per token, of the shape of `labels`. In nats.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, an axis name that is not bound.
        TypeError: Hidden states or a kernel that are not floats, labels that are not integers.

    Example:
        >>> hidden, kernel = jnp.array([[1.0, 2.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
        >>> print(linear_softmax_cross_entropy(hidden, kernel, jnp.array([2, -100]), ignore_index=-100).round(4))
        0.1698

    Source: as `softmax_cross_entropy`; for the gradients in the forward pass Hsu et al., "Liger Kernel", 2024; for the
    recomputation over classes Wijmans et al., "Cut Your Losses", 2024; for the cap Bello et al., "Neural Combinatorial
    Optimization with Reinforcement Learning", 2016.
    """
    return reduced_loss(
        reduction,
        "aux" if return_aux else None,
        hidden=hidden,
        kernel=kernel,
        labels=labels,
        bias=bias,
        class_weights=class_weights,
        class_mask=class_mask,
        weights=weights,
        where=where,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        logit_cap=logit_cap,
        kernel_layout=kernel_layout,
        ignore_index=ignore_index,
        axis_name=axis_name,
        vocab_axis_name=vocab_axis_name,
        compute_dtype=compute_dtype,
        mode=mode,
        chunk_size=chunk_size,
    )


@class_form
class LinearSoftmaxCrossEntropy(Loss):
    """The class form of `linear_softmax_cross_entropy`."""

    kernel_layout: Layout = "dv"
    class_weights: Numbers | None = None
    class_mask: Mask | Array | None = None
    ignore_index: int | None = None
    label_smoothing: Scalar = 0.0
    z_loss: Scalar = 0.0
    logit_cap: Scalar | None = None
    vocab_axis_name: AxisName = None
    compute_dtype: Any = None
    mode: Mode = "auto"
    chunk_size: int | None = None

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]: the arrays that it takes are named
        self,
        predictions: Floats,
        targets: Labels,
        *,
        kernel: Floats,
        bias: Numbers | None = None,
        weights: Numbers | None = None,
        where: Mask | None = None,
    ) -> Array:
        """The reduced loss of hidden states and labels; see `linear_softmax_cross_entropy`."""
        return self._called(predictions, targets, kernel, self.reduction, bias=bias, weights=weights, where=where)

    def total(  # pyright: ignore[reportIncompatibleMethodOverride]: as above
        self,
        predictions: Floats,
        targets: Labels,
        *,
        kernel: Floats,
        bias: Numbers | None = None,
        weights: Numbers | None = None,
        where: Mask | None = None,
    ) -> tuple[Array, Array]:
        """The pair (numerator, denominator) of the mean, to be summed over micro-batches; see `total`."""
        arrays = {"bias": bias, "weights": weights, "where": where}
        return self._called(predictions, targets, kernel, "sum", self.reduction, **arrays)

    def losses(  # pyright: ignore[reportIncompatibleMethodOverride]: as above
        self,
        predictions: Floats,
        targets: Labels,
        *,
        kernel: Floats,
        bias: Numbers | None = None,
        where: Mask | None = None,
    ) -> Array:
        """One value per token, not reduced."""
        return self._called(predictions, targets, kernel, "none", bias=bias, where=where)

    def _called(
        self, hidden: Any, labels: Any, kernel: Any, reduction: str, beside: str | None = None, **arrays: Any
    ) -> Any:
        arrays = {"hidden": hidden, "kernel": kernel, "labels": labels, "weights": None, "where": None, **arrays}
        return reduced_loss(reduction, beside, axis_name=self.axis_name, **self._options(), **arrays)


__all__ = ["LinearSoftmaxCrossEntropy", "linear_softmax_cross_entropy"]
