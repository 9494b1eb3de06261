"""The fused last layer on a mesh: how its arrays are sharded, and what is sent where."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from jaxloss._types import AxisName
from jaxloss.fused.linear_cross_entropy import linear_softmax_cross_entropy

NAME = "shard_linear_softmax_cross_entropy"


def shard_linear_softmax_cross_entropy(
    mesh: Mesh | AbstractMesh,
    *,
    token_axes: AxisName = None,
    vocab_axis: AxisName = None,
    fsdp_axis: AxisName = None,
) -> Callable[..., Any]:
    r"""`linear_softmax_cross_entropy` on a mesh: a function of whole arrays, computed where their parts are.

    `sum_d(sum(w[i] * loss[i] for i in d)) / sum_d(sum(w[i] for i in d))` over the devices d and the tokens i that each
    has, with w = weights.

    $$\frac{\sum_d \sum_{i \in d} w_i \ell_i}{\sum_d \sum_{i \in d} w_i} \quad \text{over the devices } d$$

    It wraps `jax.shard_map` for the three common layouts, which may be combined:

    | layout | axis | tokens | kernel `[D, V]` | sent in a step, beside a few numbers per token |
    |---|---|---|---|---|
    | data-parallel | `token_axes` | sharded | whole | the kernel's gradient, all-reduced |
    | vocabulary-parallel | `vocab_axis` | whole | sharded on V | the gradient of the hidden states, all-reduced |
    | FSDP | `fsdp_axis` | sharded | sharded on D | the kernel, gathered once; its gradient, reduce-scattered once |

    The mean is the global one, and each gradient is sharded as its array is. Arrays that are sharded otherwise are
    sent to where they belong first. Take gradients outside, as in `jax.grad(lambda x, w: loss(x, w, labels))`, under
    `jax.jit`.

    Args:
        mesh: The mesh, its axes explicit or managed by XLA. Over an axis that is not named here all arrays are whole.
        token_axes: The mesh axes of the tokens: the first axis of `hidden` and `labels`, and of `weights` and `where`.
        vocab_axis: The mesh axes of the classes, in `kernel`, `bias`, `class_weights` and `class_mask`.
        fsdp_axis: The mesh axes of the kernel's width D, over which the tokens are sharded too, whether `token_axes`
            names them or not (they then come last).

    Returns:
        A function with the arguments of `linear_softmax_cross_entropy` but `axis_name` and `vocab_axis_name`. If it
        returns one value per token, these are sharded as the tokens are.

    Raises:
        ValueError: No axis, an axis that the mesh lacks, or one for both tokens and classes. From the function: sizes
            that the axes do not divide, and the errors of the loss.
        TypeError: From the function: an axis name, and the errors of the loss.

    Example:
        >>> mesh = jax.make_mesh((1,), ("data",))
        >>> loss = shard_linear_softmax_cross_entropy(mesh, fsdp_axis="data")
        >>> hidden, kernel = jnp.array([[1.0, 2.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
        >>> print(jax.jit(loss)(hidden, kernel, jnp.array([2, 2])).round(3))
        0.289
    """
    layout = _layout(mesh, token_axes, vocab_axis, fsdp_axis)

    def loss(
        hidden: Any,
        kernel: Any,
        labels: Any,
        *,
        bias: Any = None,
        class_weights: Any = None,
        class_mask: Any = None,
        weights: Any = None,
        where: Any = None,
        label_smoothing: Any = 0.0,
        z_loss: Any = 0.0,
        logit_cap: Any = None,
        **options: Any,
    ) -> Any:
        if named := {"axis_name", "vocab_axis_name"} & set(options):
            raise TypeError(f"{NAME}: {sorted(named)} cannot be given: the loss has the axes that it was made with.")
        numbers = {"label_smoothing": label_smoothing, "z_loss": z_loss, "logit_cap": logit_cap}
        options |= {k: v for k, v in numbers.items() if v is None or isinstance(v, int | float)}
        arrays = {"hidden": hidden, "kernel": kernel, "labels": labels, "bias": bias, "class_weights": class_weights}
        arrays |= {"class_mask": class_mask, "weights": weights, "where": where, **numbers}
        arrays = {k: jnp.asarray(v) for k, v in arrays.items() if v is not None and k not in options}
        return layout.run(arrays, options)

    return loss


class _Layout(NamedTuple):
    """The mesh axes over which the tokens, the classes and the width of the kernel are sharded."""

    mesh: Mesh | AbstractMesh
    tokens: tuple[str, ...]
    vocab: tuple[str, ...]
    fsdp: tuple[str, ...]

    def run(self, arrays: dict[str, jax.Array], options: dict[str, Any]) -> Any:
        """The loss of whole arrays, computed where their parts are."""
        # The loss is traced for the whole arrays first, so that its errors name their shapes.
        whole = {k: jax.ShapeDtypeStruct(a.shape, a.dtype) for k, a in arrays.items()}
        result = jax.eval_shape(lambda arrays: linear_softmax_cross_entropy(**arrays, **options), whole)
        width, classes = (options.get("kernel_layout", "dv").index(letter) for letter in "dv")
        self.check(arrays, width, classes)
        specs = self.specs(arrays, width, classes)

        def local(arrays: dict[str, jax.Array]) -> Any:
            if self.fsdp:
                arrays |= {"kernel": lax.all_gather(arrays["kernel"], self.fsdp, axis=width, tiled=True)}
            names: dict[str, Any] = {"axis_name": self.tokens or None, "vocab_axis_name": self.vocab or None}
            return linear_softmax_cross_entropy(**arrays, **options, **names)

        # One value per token is sharded as the tokens are.
        out_specs = jax.tree.map(lambda a: PartitionSpec(self.tokens) if a.ndim else PartitionSpec(), result)
        on_mesh = jax.shard_map(local, mesh=self.mesh, in_specs=(specs,), out_specs=out_specs)
        return on_mesh({k: _placed(self.mesh, a, specs[k]) for k, a in arrays.items()})

    def check(self, arrays: dict[str, jax.Array], width: int, classes: int) -> None:
        if self.tokens and not arrays["labels"].ndim:
            raise ValueError(
                f"{NAME}: hidden {arrays['hidden'].shape} has no axis of tokens to shard over {self.tokens}: it must "
                "be [tokens, D], or have more axes."
            )
        _divides(self.mesh, "hidden", arrays["hidden"], 0, self.tokens)
        _divides(self.mesh, "kernel", arrays["kernel"], width, self.fsdp)
        _divides(self.mesh, "kernel", arrays["kernel"], classes, self.vocab)

    def specs(self, arrays: dict[str, jax.Array], width: int, classes: int) -> dict[str, PartitionSpec]:
        """The sharding of each array; the width and the classes are axes of the kernel."""
        of_kernel = PartitionSpec(*((self.fsdp, self.vocab) if width < classes else (self.vocab, self.fsdp)))
        per_class = dict.fromkeys(("bias", "class_weights", "class_mask"), PartitionSpec(self.vocab))
        known = {"kernel": of_kernel, **per_class}
        batch = arrays["hidden"].shape[0]

        def spec(name: str, a: jax.Array) -> PartitionSpec:
            if name in known:
                return known[name]
            return PartitionSpec(self.tokens) if a.ndim and a.shape[0] == batch else PartitionSpec()

        return {name: spec(name, a) for name, a in arrays.items()}


def _layout(mesh: Mesh | AbstractMesh, token_axes: AxisName, vocab_axis: AxisName, fsdp_axis: AxisName) -> _Layout:
    tokens, vocab, fsdp = (_axes(mesh, axes) for axes in (token_axes, vocab_axis, fsdp_axis))
    tokens += tuple(a for a in fsdp if a not in tokens)
    if not tokens and not vocab:
        raise ValueError(f"{NAME}: no axis is given: name token_axes, vocab_axis or fsdp_axis.")
    if both := set(tokens) & set(vocab):
        raise ValueError(
            f"{NAME}: the axes {sorted(both)} are given both to the tokens and to the classes: an axis of the mesh "
            "can shard one of them."
        )
    return _Layout(mesh, tokens, vocab, fsdp)


def _axes(mesh: Mesh | AbstractMesh, axes: AxisName) -> tuple[str, ...]:
    names = () if axes is None else (axes,) if isinstance(axes, str) else tuple(axes)
    for axis in names:
        if axis not in mesh.shape:
            raise ValueError(f"{NAME}: the mesh has no axis {axis!r}: it has {tuple(mesh.axis_names)}.")
    return names


def _divides(mesh: Mesh | AbstractMesh, name: str, a: jax.Array, axis: int, axes: tuple[str, ...]) -> None:
    devices = math.prod(mesh.shape[i] for i in axes)
    if a.shape[axis] % devices:
        raise ValueError(
            f"{NAME}: axis {axis} of {name} {a.shape} is sharded over {devices} devices, {axes}, which do not divide "
            f"{a.shape[axis]}: pad it, and mask the padding."
        )


def _placed(mesh: Mesh | AbstractMesh, a: jax.Array, spec: PartitionSpec) -> jax.Array:
    """The array sent to where `shard_map` wants it, which it does by itself unless axes are explicit."""
    if AxisType.Explicit not in mesh.axis_types:
        return a
    return jax.sharding.reshard(a, NamedSharding(mesh, spec))


__all__ = ["shard_linear_softmax_cross_entropy"]
