"""The fused last layer on a mesh: how its arrays are spread, and what is sent where."""

import math
from collections.abc import Callable
from typing import Any

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

    $$\frac{\sum_d \sum_{i \in d} w_i \ell_i}{\sum_d \sum_{i \in d} w_i} \quad \text{over the devices } d$$

    It wraps `jax.shard_map` for the three common layouts, which go together as well:

    | layout | axis | tokens | kernel `[D, V]` | sent in a step, beside a few numbers per token |
    |---|---|---|---|---|
    | data-parallel | `token_axes` | spread | whole | the kernel's gradient, all-reduced |
    | vocabulary-parallel | `vocab_axis` | whole | spread on V | the gradient of the hidden states, all-reduced |
    | FSDP | `fsdp_axis` | spread | spread on D | the kernel, gathered once; its gradient, reduce-scattered once |

    The mean is the global one, and each gradient is spread as its array is. Arrays that are spread otherwise are sent
    to where they belong first. Take gradients outside, `jax.grad(lambda x, w: loss(x, w, labels))`, under `jax.jit`.

    Args:
        mesh: The mesh, its axes explicit or managed by XLA. Over an axis that is not named here, all is replicated.
        token_axes: The mesh axes of the tokens: the first axis of `hidden` and `labels`, and of `weights` and `where`.
        vocab_axis: The mesh axes of the classes, in `kernel`, `bias`, `class_weights` and `class_mask`.
        fsdp_axis: The mesh axes of the kernel's width D, over which the tokens are spread too, named in `token_axes`
            or not (they then come last).

    Returns:
        A function with the arguments of `linear_softmax_cross_entropy`, less `axis_name` and `vocab_axis_name`. What it
        returns for each token is spread as the tokens are.

    Raises:
        ValueError: No axis, one that the mesh has not, or one for both tokens and classes. From the function: sizes
            that the axes do not divide, and what the loss raises.
        TypeError: From the function: an axis name, and what the loss raises.

    Example:
        >>> mesh = jax.make_mesh((1,), ("data",))
        >>> loss = shard_linear_softmax_cross_entropy(mesh, fsdp_axis="data")
        >>> hidden, kernel = jnp.array([[1.0, 2.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
        >>> print(jax.jit(loss)(hidden, kernel, jnp.array([2, 2])).round(3))
        0.289
    """
    tokens, vocab, fsdp = _axes(mesh, token_axes), _axes(mesh, vocab_axis), _axes(mesh, fsdp_axis)
    tokens += tuple(a for a in fsdp if a not in tokens)
    if not tokens and not vocab:
        raise ValueError(f"{NAME}: no axis is given: name token_axes, vocab_axis or fsdp_axis.")
    if both := set(tokens) & set(vocab):
        raise ValueError(
            f"{NAME}: the axes {sorted(both)} are given both to the tokens and to the classes: an axis of the mesh "
            "can spread one of them."
        )

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
        # Of whole arrays, so that what does not fit is said of their own shapes.
        whole = {k: jax.ShapeDtypeStruct(a.shape, a.dtype) for k, a in arrays.items()}
        result = jax.eval_shape(lambda arrays: linear_softmax_cross_entropy(**arrays, **options), whole)

        if tokens and not arrays["labels"].ndim:
            raise ValueError(
                f"{NAME}: hidden {arrays['hidden'].shape} has no axis of tokens to spread over {tokens}: it must be "
                "[tokens, D], or have more axes."
            )
        width, classes = (options.get("kernel_layout", "dv").index(letter) for letter in "dv")
        _divides(mesh, "hidden", arrays["hidden"], 0, tokens)
        _divides(mesh, "kernel", arrays["kernel"], width, fsdp)
        _divides(mesh, "kernel", arrays["kernel"], classes, vocab)
        of_kernel = PartitionSpec(*((fsdp, vocab) if width < classes else (vocab, fsdp)))
        known = {"kernel": of_kernel, **dict.fromkeys(("bias", "class_weights", "class_mask"), PartitionSpec(vocab))}
        batch = arrays["hidden"].shape[0]

        def spec(name: str, a: Any) -> PartitionSpec:
            if name in known:
                return known[name]
            return PartitionSpec(tokens) if a.ndim and a.shape[0] == batch else PartitionSpec()

        def local(arrays: dict[str, jax.Array]) -> Any:
            if fsdp:
                arrays |= {"kernel": lax.all_gather(arrays["kernel"], fsdp, axis=width, tiled=True)}
            spread: dict[str, Any] = {"axis_name": tokens or None, "vocab_axis_name": vocab or None}
            return linear_softmax_cross_entropy(**arrays, **options, **spread)

        specs = {k: spec(k, a) for k, a in arrays.items()}
        on_mesh = jax.shard_map(local, mesh=mesh, in_specs=(specs,), out_specs=_specs_of(result, tokens))
        return on_mesh({k: _placed(mesh, a, specs[k]) for k, a in arrays.items()})

    return loss


def _specs_of(result: Any, tokens: tuple[str, ...]) -> Any:
    """Of what the loss returns: what it has of each token is spread as the tokens are."""
    return jax.tree.map(lambda a: PartitionSpec(tokens) if a.ndim else PartitionSpec(), result)


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
            f"{NAME}: axis {axis} of {name} {a.shape} is spread over {devices} devices, {axes}, which do not divide "
            f"{a.shape[axis]}: pad it, and mask what is added."
        )


def _placed(mesh: Mesh | AbstractMesh, a: jax.Array, spec: PartitionSpec) -> jax.Array:
    """Sent to where `shard_map` wants it, which it does by itself unless axes are explicit."""
    if AxisType.Explicit not in mesh.axis_types:
        return a
    return jax.sharding.reshard(a, NamedSharding(mesh, spec))


__all__ = ["shard_linear_softmax_cross_entropy"]
