"""What the fused losses are given, checked; every error message of theirs is written here."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._check import counted, floating, integers, kept, number, option, real, wide
from jaxloss._shards import Shards, shards_of
from jaxloss._types import Array, AxisName
from jaxloss.fused._head import ABSENT, Head, How, Sums, from_all, from_chunks, logs, sums_that_count


class Inputs(NamedTuple):
    """A last layer, hidden states and labels that fit each other."""

    head: Head
    x: Array  # [..., D], 0 where a token is masked
    labels: Array  # int32, [...], ABSENT where the label is not one of the kernel's classes
    kept: Array | None  # which tokens count
    valid: Array  # which labels are in range, or do not count
    how: How
    shards: Shards
    classes: int  # of all shards

    @property
    def rule(self) -> str:
        """What is said of a label out of range."""
        return f"labels must be from 0 to {self.classes - 1}"

    def per_class(self, name: str, argument: str, values: Any) -> Array:
        """One value for each of the kernel's classes, of an array that has those or all classes."""
        array = real(name, argument, values).astype(self.how.add)
        own = self.head.kernel.shape[self.how.classes]
        if array.shape not in ((own,), (self.classes,)):
            raise ValueError(
                f"{name}: {argument} must have one value for each class, shape {(self.classes,)}, got {array.shape}."
            )
        return self.shards.values(array, own)


def inputs(
    name: str,
    hidden: Any,
    kernel: Any,
    labels: Any,
    *,
    kernel_layout: str,
    bias: Any,
    logit_cap: Any,
    where: Any,
    ignore_index: Any,
    vocab_axis_name: AxisName,
    compute_dtype: Any,
) -> Inputs:
    """Checks and prepares."""
    option(name, "kernel_layout", kernel_layout)
    x, w = floating(name, "hidden", hidden), floating(name, "kernel", kernel)
    width, classes_axis = kernel_layout.index("d"), kernel_layout.index("v")
    if w.ndim != 2:
        raise ValueError(f"{name}: kernel {w.shape} must have two axes, of the layout {kernel_layout!r}.")
    if x.ndim == 0 or x.shape[-1] != w.shape[width]:
        raise ValueError(
            f"{name}: hidden {x.shape} and kernel {w.shape} do not fit: the last axis of hidden must be as long "
            f"as axis {width} of the kernel; for a kernel of the other orientation set kernel_layout."
        )
    if w.shape[classes_axis] == 0:
        raise ValueError(f"{name}: kernel {w.shape} has no class: a loss needs at least one.")
    t = integers(name, "labels", labels)
    if t.shape != x.shape[:-1]:
        raise ValueError(f"{name}: labels {t.shape} and hidden {x.shape} do not fit: labels need shape {x.shape[:-1]}.")
    own = w.shape[classes_axis]
    shards = shards_of(name, vocab_axis_name)
    classes = own * shards.devices
    t = numerics.aligned_labels(x, t, (x.ndim - 1,))
    rows = kept(name, where, t.shape)
    counts = counted(name, t, ignore_index)
    if counts is not None:
        if 0 <= ignore_index < classes:
            raise ValueError(
                f"{name}: ignore_index {ignore_index} is one of the {classes} classes: take one outside of them, "
                "as -100, or mask tokens with where."
            )
        rows = counts if rows is None else numerics.keep(rows, counts, False)
    if rows is not None:
        x = numerics.keep(jnp.expand_dims(rows, -1), x)
    valid = (t >= 0) & (t < classes)
    local = shards.labels(jnp.where(valid, t, jnp.zeros_like(t)).astype(jnp.int32), own)
    local = jnp.where((local >= 0) & (local < own) & valid, local, jnp.full_like(local, ABSENT))
    multiply = jnp.promote_types(x.dtype, w.dtype) if compute_dtype is None else _dtype(name, compute_dtype)
    how = How(kernel_layout, multiply, wide(x.dtype, w.dtype))
    cap = None if logit_cap is None else number(name, "logit_cap", logit_cap, how.add)
    found = Inputs(
        Head(w, None, None, cap),
        x,
        local,
        rows,
        valid if rows is None else valid | ~rows,
        how,
        shards,
        classes,
    )
    head = found.head._replace(bias=None if bias is None else found.per_class(name, "bias", bias))
    return found._replace(head=head)


def sums_of(given: Inputs, spread: Array | None, chunk: int) -> Sums:
    """The sums of each token, over all shards of the vocabulary, in the shape of the labels."""

    def run(x: Array, labels: Array, head: Head) -> Sums:
        flat = x.reshape(labels.size, x.shape[-1]), labels.reshape(-1)
        own = from_chunks(head, *flat, given.how, chunk) if chunk else from_all(head, *flat, given.how)
        return Sums(*(s.reshape(labels.shape) for s in _combined(own, given)))

    leaves, tree = jax.tree.flatten((given.x, given.labels, given.head._replace(spread=spread)))
    sums = numerics.automatic(run, given.labels, *tree.unflatten(numerics.varying_alike(*leaves)))
    return sums_that_count(sums, given.kept)


def _combined(sums: Sums, given: Inputs) -> Sums:
    if given.shards.axis_name is None:
        return sums
    top = numerics.max_of_shards(numerics.finite(sums.rest), given.shards.axis_name)
    return logs(top, *map(given.shards.sum, (jnp.exp(sums.rest - top), sums.own, sums.spread)))


def _dtype(name: str, compute_dtype: Any) -> Any:
    try:
        dtype = jnp.dtype(compute_dtype)
    except TypeError as error:
        raise TypeError(f"{name}: compute_dtype must be a floating dtype or None, got {compute_dtype!r}.") from error
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{name}: compute_dtype must be a floating dtype or None, got {dtype}.")
    return dtype
