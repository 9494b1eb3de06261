"""What the fused losses are given, checked; every error message of theirs is written here."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import floating, integers, real, wide
from jaxloss._masks import counted, kept, mask
from jaxloss._options import is_zero, number, option
from jaxloss._types import Array, AxisName, Layout, Mode, Reduction
from jaxloss._vocabulary import Shards, shards_of
from jaxloss.fused._head import ABSENT, Head, How, Sums, from_all, from_chunks, live_kernel, logs, sums_that_count

Arrays = dict[str, Array | None]
ARRAYS = "hidden", "kernel", "labels", "bias", "class_weights", "class_mask", "weights", "where"
NUMBERS = "label_smoothing", "z_loss", "logit_cap"


class Setup(NamedTuple):
    """What of a call is no array, checked; equal ones are one program."""

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
    beside: str | None = None  # what comes with the loss: "aux", or the denominator of that reduction


class Inputs(NamedTuple):
    """A last layer, hidden states and labels that fit each other."""

    head: Head
    x: Array  # [..., D], 0 where a token is masked
    labels: Array  # int32, [...], ABSENT where the label is not one of the kernel's classes
    kept: Array | None  # which tokens count
    valid: Array  # which labels are in range, or do not count
    how: How
    shards: Shards
    all_classes: int  # of all shards

    @property
    def rule(self) -> str:
        """What is said of a label out of range."""
        return f"labels must be from 0 to {self.all_classes - 1}"

    def live_classes(self) -> Array:
        """How many classes of all shards there are, masked ones left out; at least 1."""
        if self.head.mask is None:
            return jnp.asarray(self.all_classes, self.how.add)
        return jnp.maximum(self.shards.sum(jnp.sum(self.head.mask, dtype=self.how.add)), 1)

    def per_class(self, name: str, argument: str, array: Array) -> Array:
        """One value for each of the kernel's classes, of an array that has those or all classes; 0 of masked ones."""
        own = self.head.kernel.shape[self.how.classes]
        if array.shape not in ((own,), (self.all_classes,)):
            raise ValueError(
                f"{name}: {argument} must have one value for each class, shape {(self.all_classes,)}, "
                f"got {array.shape}."
            )
        values = self.shards.values(array, own)
        return values if self.head.mask is None else numerics.keep(self.head.mask, values)


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
    **how: Any,
) -> Setup:
    """Checks the options that are no arrays."""
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
        **how,
    )


def operands(name: str, arguments: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and numbers among the arguments as a program takes them, None for what is off, and the others.

    A number is checked here, where its value is known; an array where the program is traced.
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


def inputs(arrays: Arrays, setup: Setup) -> Inputs:
    """Checks and prepares."""
    name, layout = setup.name, setup.kernel_layout
    x, w = floating(name, "hidden", arrays["hidden"]), floating(name, "kernel", arrays["kernel"])
    width, classes_axis = layout.index("d"), layout.index("v")
    if w.ndim != 2:
        raise ValueError(f"{name}: kernel {w.shape} must have two axes, of the layout {layout!r}.")
    if x.ndim == 0 or x.shape[-1] != w.shape[width]:
        raise ValueError(
            f"{name}: hidden {x.shape} and kernel {w.shape} do not fit: the last axis of hidden must be as long "
            f"as axis {width} of the kernel; for a kernel of the other orientation set kernel_layout."
        )
    if w.shape[classes_axis] == 0:
        raise ValueError(f"{name}: kernel {w.shape} has no class: a loss needs at least one.")
    t = integers(name, "labels", arrays["labels"])
    if t.shape != x.shape[:-1]:
        raise ValueError(f"{name}: labels {t.shape} and hidden {x.shape} do not fit: labels need shape {x.shape[:-1]}.")
    own = w.shape[classes_axis]
    shards = shards_of(name, setup.vocab_axis_name)
    classes = own * shards.devices
    t = numerics.aligned_labels(x, t, (x.ndim - 1,))
    valid = (t >= 0) & (t < classes)
    local = shards.labels(jnp.where(valid, t, jnp.zeros_like(t)).astype(jnp.int32), own)
    local = jnp.where((local >= 0) & (local < own) & valid, local, jnp.full_like(local, ABSENT))
    multiply = _wider(x.dtype, w.dtype) if setup.compute_dtype is None else setup.compute_dtype
    how = How(layout, multiply, wide(x.dtype, w.dtype))
    head = Head(w, None, None, arrays["logit_cap"], None)
    found = Inputs(head, x, local, None, valid, how, shards, classes)
    if arrays["class_mask"] is not None:
        live = mask(name, arrays["class_mask"], "class_mask")
        found = found._replace(head=head._replace(mask=found.per_class(name, "class_mask", live)))
    if arrays["bias"] is not None:
        bias = real(name, "bias", arrays["bias"]).astype(how.add)
        found = found._replace(head=found.head._replace(bias=found.per_class(name, "bias", bias)))
    rows = _rows(found, t, arrays["where"], setup)
    if rows is None:
        return found
    x = numerics.keep(jnp.expand_dims(rows, -1), x)
    return found._replace(x=x, kept=rows, valid=valid | ~rows)


def _rows(given: Inputs, t: Array, where: Any, setup: Setup) -> Array | None:
    """Which tokens count: by their mask, their label, and whether there is the label's class."""
    masks = [kept(setup.name, where, t.shape), counted(setup.name, t, setup.ignore_index)]
    if given.head.mask is not None:
        found = lambda t, live: (t >= 0) & numerics.look_up(live, jnp.maximum(t, 0))  # noqa: E731
        own = given.shards.any(numerics.automatic(found, given.labels, given.labels, given.head.mask))
        masks.append(own | ~given.valid)
    rows = None
    for one in masks:
        if one is not None:
            one = numerics.aligned(given.labels, one)[1]
            rows = one if rows is None else rows & one
    return rows


def sums_of(given: Inputs, spread: Array | None, chunk: int) -> Sums:
    """The sums of each token, over all shards of the vocabulary, in the shape of the labels."""

    def run(x: Array, labels: Array, head: Head) -> Sums:
        flat = x.reshape(labels.size, x.shape[-1]), labels.reshape(-1)
        if chunk:
            own = from_chunks(head, *flat, given.how, chunk)
        else:
            own = from_all(live_kernel(head, given.how), *flat, given.how)
        return Sums(*(s.reshape(labels.shape) for s in _combined(own, given)))

    leaves, tree = jax.tree.flatten((given.x, given.labels, given.head._replace(spread=spread)))
    sums = numerics.automatic(run, given.labels, *tree.unflatten(numerics.varying_alike(*leaves)))
    return sums_that_count(sums, given.kept)


def _combined(sums: Sums, given: Inputs) -> Sums:
    if given.shards.axis_name is None:
        return sums
    top = numerics.max_of_shards(numerics.clip_infinite(sums.rest), given.shards.axis_name)
    return logs(top, *map(given.shards.sum, (jnp.exp(sums.rest - top), sums.own, sums.spread)))


def _wider(a: Any, b: Any) -> Any:
    """The dtype that holds both, strict promotion or not: the factors of a product are widened by name."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(a, b)


def _hashable(axes: Any) -> Any:
    return tuple(axes) if isinstance(axes, list) else axes
