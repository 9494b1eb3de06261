r"""The log-partition function and the label's logit of a last layer, token by token."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._domain import outside_is_nan
from jaxloss._masks import masked
from jaxloss._program import one_program
from jaxloss._reduce import reduced
from jaxloss._types import Array, AxisName, Floats, Labels, Layout, Mask, Mode, Numbers, Scalar
from jaxloss._written import written_fields
from jaxloss.fused._inputs import Arrays, Inputs, Setup, inputs, operands, setup_of
from jaxloss.fused._layer import Sums
from jaxloss.fused._plan import planned
from jaxloss.fused._sums import sums_of


@written_fields
class LinearAux(NamedTuple):
    """The values that `linear_softmax_cross_entropy` returns beside the loss; all of them can be differentiated."""

    lse: Array
    """The log-partition function of each token, of the shape of the labels; 0 where a token is masked."""
    target_logit: Array
    """The logit of each token's label."""
    z_loss: Array
    """Each token's term of the z-loss, before weights."""
    n_valid: Array
    """The number of tokens that count, over all of `axis_name`."""


def linear_logsumexp_and_target(
    hidden: Floats,
    kernel: Floats,
    labels: Labels,
    *,
    kernel_layout: Layout = "dv",
    bias: Numbers | None = None,
    class_mask: Mask | Array | None = None,
    where: Mask | None = None,
    ignore_index: int | None = None,
    logit_cap: Scalar | None = None,
    vocab_axis_name: AxisName = None,
    compute_dtype: Any = None,
    mode: Mode = "auto",
    chunk_size: int | None = None,
) -> tuple[Array, Array]:
    r"""The log-partition function and the label's logit of each token, for logits that are never all held at once.

    `(log(sum_j(exp(z[j]))), z[t])` with z = hidden @ kernel + bias and t = labels.

    With the logits $z = h W + b$ these are $\log \sum_j e^{z_j}$ and $z_t$. The second less the first is the
    log-probability of the label, from which preference losses, policy gradients and distillation are made. Both may be
    differentiated with any weights, in forward and reverse mode and again; the gradients cost two more matrix products
    (in chunks three: the logits are computed again).

    Args:
        hidden: Hidden states, `[..., D]`.
        kernel: The weights of the last layer, `[D, V]`; with `vocab_axis_name` this device's part of them.
        labels: Class indices, `[...]`; with `vocab_axis_name` into all classes. The logit of one out of range is nan.
        kernel_layout: `"dv"`, or `"vd"` for a kernel `[V, D]`.
        bias: Added to the logits, `[V]`; of the same classes as the kernel.
        class_mask: True where there is a class, `[V]`. The others are not in the sum, and a token whose label is one of
            them does not count.
        where: True where a token counts, `[...]`; elsewhere both are 0, with gradient 0.
        ignore_index: A label to leave out: its rows have loss and gradient 0.
        logit_cap: The bound c of a soft cap on the logits, $z \to c \tanh(z / c)$; above 0.
        vocab_axis_name: Mesh axes over which the classes are spread, inside `shard_map`; see docs/arguments.md.
        compute_dtype: The dtype to multiply in; by default the wider of the two.
        mode: `"auto"`, `"low_memory"` (or `"fast"`, which is the same here) or `"dense"`; see
            `linear_softmax_cross_entropy`.
        chunk_size: Classes to take at a time; by default about 32 MB of logits.

    Returns:
        Two arrays of the shape of `labels`, of at least float32.

    Raises:
        ValueError: Shapes that do not fit, an option out of range, an axis name that is not bound.
        TypeError: Hidden states or a kernel that are not floats, labels that are not integers.

    Example:
        >>> hidden, kernel = jnp.array([[1.0, 2.0]]), jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
        >>> lse, target = linear_logsumexp_and_target(hidden, kernel, jnp.array([2]))
        >>> print((target - lse).round(4))  # the log-probability of class 2
        [-0.1698]
    """
    name = "linear_logsumexp_and_target"
    arrays, structure = operands(
        name,
        {
            "hidden": hidden,
            "kernel": kernel,
            "labels": labels,
            "bias": bias,
            "class_mask": class_mask,
            "where": where,
            "logit_cap": logit_cap,
            "kernel_layout": kernel_layout,
            "ignore_index": ignore_index,
            "vocab_axis_name": vocab_axis_name,
            "compute_dtype": compute_dtype,
            "mode": mode,
            "chunk_size": chunk_size,
        },
    )
    return _pair(arrays, setup_of(name, arrays, **structure))


@one_program("setup")
def _pair(arrays: Arrays, setup: Setup) -> tuple[Array, Array]:
    given = inputs(arrays, setup)
    _, chunk = planned(given, setup, summed=False)
    return logsumexp_and_target(setup.name, given, sums_of(given, None, chunk))


def logsumexp_and_target(name: str, given: Inputs, sums: Sums) -> tuple[Array, Array]:
    """Both of each token: 0 where it is masked, and a target of nan where the label is out of range."""
    # A label out of range adds no term to the sum over all classes.
    label_logit = jnp.where(given.valid, sums.label_logit, jnp.full_like(sums.label_logit, -jnp.inf))
    lse = numerics.logaddexp(sums.log_rest, label_logit)
    target = outside_is_nan(name, sums.label_logit, lambda: given.valid, given.rule)
    return masked(lse, given.kept), masked(target, given.kept)


def aux_of(name: str, given: Inputs, sums: Sums, z_loss: Array | None, axis_name: AxisName) -> LinearAux:
    lse, target = logsumexp_and_target(name, given, sums)
    z_terms = jnp.zeros_like(lse) if z_loss is None else (z_loss * lse) * lse
    n_valid = reduced(name, jnp.ones_like(lse), None, given.kept, "sum", None, axis_name)
    return LinearAux(lse, target, z_terms, n_valid)


__all__ = ["LinearAux", "linear_logsumexp_and_target"]
