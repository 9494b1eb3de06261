"""The checks of the fused losses: their arrays and options as one call's inputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import floating, integers, real, wide
from jaxloss._masks import counted, kept, mask
from jaxloss._options import is_zero, number, option
from jaxloss._types import Array, AxisName, Layout, Mode, Reduction
from jaxloss._vocabulary import Shards, shards_of
from jaxloss.fused._layer import ABSENT, Head, Static

Arrays = dict[str, Array | None]
ARRAYS = "hidden", "kernel", "labels", "bias", "class_weights", "class_mask", "weights", "where"
NUMBERS = "label_smoothing", "z_loss", "logit_cap"


class Setup(NamedTuple):
    """The static part of a call, checked; calls with equal ones share one compiled program."""

    name: str  # of the function, for its errors
    kernel_layout: Layout
    ignore_index: int | None
    vocab_axis_name: AxisName
    compute_dtype: Any
    mode: Mode
    chunk_size: int | None
    on_mesh: bool
    axis_name: AxisName = None
    reduction: Reduction = "none"
    beside: str | None = None  # returned with the loss: "aux", or the denominator of that reduction


class Inputs(NamedTuple):
    """A last layer, hidden states and labels that fit each other."""

    head: Head
    x: Array  # [..., D], 0 where a token is masked
    labels: Array  # int32, [...], ABSENT where the label is not one of the kernel's classes
    kept: Array | None  # which tokens count
    valid: Array  # which labels are in range, or do not count
    static: Static
    shards: Shards
    all_classes: int  # of all shards

    @property
    def classes(self) -> int:
        """The number of classes of the kernel."""
        return self.head.kernel.shape[self.static.class_axis]

    @property
    def rule(self) -> str:
        """The rule that a label out of range breaks."""
        return f"labels must be from 0 to {self.all_classes - 1}"

    def live_classes(self) -> Array:
        """The number of classes of all shards that are not masked; at least 1."""
        if self.head.mask is None:
            return jnp.asarray(self.all_classes, self.static.add)
        return jnp.maximum(self.shards.sum(jnp.sum(self.head.mask, dtype=self.static.add)), 1)

    def per_class(self, name: str, argument: str, array: Array) -> Array:
        """One value for each class of the kernel, 0 for masked ones; the array has those, or all shards' classes."""
        if array.shape not in ((self.classes,), (self.all_classes,)):
            raise ValueError(
                f"{name}: {argument} must have one value for each class, shape {(self.all_classes,)}, "
                f"got {array.shape}."
            )
        values = self.shards.values(array, self.classes)
        return values if self.head.mask is None else numerics.keep(self.head.mask, values)

    def look_up(self, table: Array) -> Array:
        """The value of each token's label in a table of the kernel's classes; 0 where the label is absent."""

        def found(labels: Array, table: Array) -> Array:
            return numerics.keep(labels >= 0, numerics.look_up(table, jnp.maximum(labels, 0)))

        return numerics.automatic(found, self.labels, self.labels, table)


def operands(name: str, arguments: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and numbers among the arguments as a program takes them, None if they are off, and the others.

    A number is checked here, where its value is known; an array is checked where the program is traced.
    """
    arrays = {k: arguments.get(k) for k in ARRAYS}
    arrays = {k: None if v is None else real(name, k, v) for k, v in arrays.items()}
    hidden, kernel = arrays["hidden"], arrays["kernel"]
    dtype = jnp.float32 if hidden is None or kernel is None else wide(hidden.dtype, kernel.dtype)
    for k in NUMBERS:
        value = arguments.get(k)
        off = value is None or (k != "logit_cap" and is_zero(value))
        arrays[k] = None if off else number(name, k, value, dtype)
    return arrays, {k: v for k, v in arguments.items() if k not in arrays}


def setup_of(
    name: str,
    arrays: Arrays,
    *,
    kernel_layout: str,
    ignore_index: Any,
    vocab_axis_name: AxisName,
    compute_dtype: Any,
    mode: str,
    chunk_size: Any,
    axis_name: AxisName = None,
    **reduced: Any,
) -> Setup:
    """The static arguments, checked."""
    hidden, kernel = arrays["hidden"], arrays["kernel"]
    return Setup(
        name,
        option(name, "kernel_layout", kernel_layout),
        None if ignore_index is None else option(name, "ignore_index", ignore_index),
        _hashable(vocab_axis_name),
        None if compute_dtype is None else jnp.dtype(option(name, "compute_dtype", compute_dtype)),
        option(name, "mode", mode),
        None if chunk_size is None else option(name, "chunk_size", chunk_size),
        hidden is not None and kernel is not None and numerics.on_mesh(hidden, kernel),
        axis_name=_hashable(axis_name),
        **reduced,
    )


def inputs(arrays: Arrays, setup: Setup) -> Inputs:
    """The arrays of a call, checked, and filled where a token does not count."""
    name = setup.name
    x, kernel, static = _layer(name, arrays, setup)
    t = integers(name, "labels", arrays["labels"])
    if t.shape != x.shape[:-1]:
        raise ValueError(f"{name}: labels {t.shape} and hidden {x.shape} do not fit: labels need shape {x.shape[:-1]}.")
    classes = kernel.shape[static.class_axis]
    shards = shards_of(name, setup.vocab_axis_name, kernel=kernel)
    all_classes = classes * shards.devices
    t = numerics.aligned_labels(x, t, (x.ndim - 1,))
    valid = (t >= 0) & (t < all_classes)
    local = shards.labels(jnp.where(valid, t, jnp.zeros_like(t)).astype(jnp.int32), classes)
    local = jnp.where((local >= 0) & (local < classes) & valid, local, jnp.full_like(local, ABSENT))
    head = Head(kernel, None, None, arrays["logit_cap"], None)
    given = Inputs(head, x, local, None, valid, static, shards, all_classes)
    if arrays["class_mask"] is not None:
        live = mask(name, arrays["class_mask"], "class_mask")
        given = given._replace(head=head._replace(mask=given.per_class(name, "class_mask", live)))
    if arrays["bias"] is not None:
        bias = real(name, "bias", arrays["bias"]).astype(static.add)
        given = given._replace(head=given.head._replace(bias=given.per_class(name, "bias", bias)))
    tokens = _tokens_that_count(given, t, arrays["where"], setup)
    if tokens is None:
        return given
    x = numerics.keep(jnp.expand_dims(tokens, -1), x)
    return given._replace(x=x, kept=tokens, valid=valid | ~tokens)


def _layer(name: str, arrays: Arrays, setup: Setup) -> tuple[Array, Array, Static]:
    """The hidden states, the kernel and its static configuration."""
    layout = setup.kernel_layout
    x, kernel = floating(name, "hidden", arrays["hidden"]), floating(name, "kernel", arrays["kernel"])
    multiply = _wider(x.dtype, kernel.dtype) if setup.compute_dtype is None else setup.compute_dtype
    static = Static(layout, multiply, wide(x.dtype, kernel.dtype))
    if kernel.ndim != 2:
        raise ValueError(f"{name}: kernel {kernel.shape} must have two axes, of the layout {layout!r}.")
    if x.ndim == 0 or x.shape[-1] != kernel.shape[static.width_axis]:
        raise ValueError(
            f"{name}: hidden {x.shape} and kernel {kernel.shape} do not fit: the last axis of hidden must be as long "
            f"as axis {static.width_axis} of the kernel; for a kernel of the other orientation set kernel_layout."
        )
    if kernel.shape[static.class_axis] == 0:
        raise ValueError(f"{name}: kernel {kernel.shape} has no class: a loss needs at least one.")
    return x, kernel, static


def _tokens_that_count(given: Inputs, labels: Array, where: Any, setup: Setup) -> Array | None:
    """The mask of the tokens that count: not masked, of a label that is not ignored and a class that is not masked."""
    masks = [kept(setup.name, where, labels.shape), counted(setup.name, labels, setup.ignore_index)]
    if given.head.mask is not None:
        is_live = given.shards.any(given.look_up(given.head.mask))
        masks.append(is_live | ~given.valid)
    tokens = None
    for one in masks:
        if one is not None:
            one = numerics.aligned(given.labels, one)[1]
            tokens = one if tokens is None else tokens & one
    return tokens


def _wider(a: Any, b: Any) -> Any:
    """The dtype that holds both, under strict promotion too: the factors of a product are widened by name."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(a, b)


def _hashable(axes: Any) -> Any:
    return tuple(axes) if isinstance(axes, list) else axes


__all__ = ["Arrays", "Inputs", "Setup", "inputs", "operands", "setup_of"]
