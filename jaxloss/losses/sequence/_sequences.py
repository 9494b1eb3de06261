"""Label sequences beside the frames of their logits: what CTC losses check, and what counts in them."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._arrays import floats, integers, real
from jaxloss._domain import outside_is_nan
from jaxloss._masks import kept, masked
from jaxloss._types import Array


class Sequences(NamedTuple):
    """Checked sequences."""

    flat: tuple[Array, Array, Array, Array]  # logits, labels, which frames count, how many labels do; one batch axis
    batch: tuple[Any, ...]  # the batch axes as they were
    where: Array | None  # which sequences count
    rules: list[tuple[Array, str]]  # masks of the sequences that are in the domain, each with the rule that it checks
    name: str  # of the loss

    def answer(self, values: Array) -> Array:
        """Values whose last axes are the batch axes: nan where a rule does not hold, 0 where masked."""
        for holds, rule in self.rules:
            inside = holds if self.where is None else holds | ~self.where
            inside = jnp.broadcast_to(inside, values.shape)
            values = outside_is_nan(self.name, values, lambda inside=inside: inside, rule)
        return masked(values, self.where)


def operands(name: str, **arrays: Any) -> dict[str, Any]:
    """Arrays from what the caller gave, None where it gave nothing."""
    return {k: None if v is None else real(name, k, v) for k, v in arrays.items()}


def sequences(name: str, arrays: dict[str, Any], blank: int) -> Sequences:
    """The checked sequences: logits `[B, T, K]`, labels in range `[B, S]`, which frames count, how many labels do."""
    x = floats(name, "logits", arrays["logits"])
    if x.ndim < 2:
        raise ValueError(f"{name}: logits {x.shape} need two axes at least, [..., frames, classes].")
    x = numerics.replicated(x, (x.ndim - 2, x.ndim - 1))  # on explicit meshes: a walk looks classes up frame by frame
    y = integers(name, "labels", arrays["labels"])
    batch, classes = x.shape[:-2], x.shape[-1]
    if y.ndim != x.ndim - 1 or y.shape[:-1] != batch:
        raise ValueError(f"{name}: labels {y.shape} and logits {x.shape} do not fit: labels need shape {batch} + (S,).")
    if blank < 0 or (numerics.known(classes) and blank >= classes):
        raise ValueError(
            f"{name}: blank_id {blank} is out of range: with {classes} classes it is from 0 to {classes - 1}."
        )
    frames = _counted(name, "logit", x.shape[:-1], arrays)
    symbols = _counted(name, "label", y.shape, arrays)
    where = kept(name, arrays.get("where"), batch)
    live, counted = frames.mask, symbols.mask
    if where is not None:
        live, counted = live & where[..., None], counted & where[..., None]
    live = numerics.aligned_labels(x, live, (x.ndim - 1,))
    y, counted = (numerics.aligned_labels(x, a, (x.ndim - 2, x.ndim - 1)) for a in (y, counted))
    proper = (y >= 0) & (y < classes) & (y != blank)
    on_the_right = jnp.all(counted[..., :-1] >= counted[..., 1:], -1)
    y = jnp.where(proper & counted, y, jnp.full_like(y, blank)).astype(jnp.int32)
    lengths = jnp.sum(counted, -1, dtype=jnp.int32)
    if len(batch) != 1:
        x, y, live, lengths = (a.reshape(math.prod(batch), *a.shape[len(batch) :]) for a in (x, y, live, lengths))
    rules = [
        (jnp.all(proper | ~counted, -1), f"labels must be from 0 to {classes - 1} and not the blank, {blank}"),
        (on_the_right, "label_paddings must be on the right"),
        *_some_class(blank, classes, batch),
        *frames.rules("logit"),
        *symbols.rules("label"),
    ]
    return Sequences((x, y, live, lengths), batch, where, rules, name)


def _some_class(blank: int, classes: Any, batch: tuple[Any, ...]) -> list[tuple[Array, str]]:
    """Where the blank is a class, of a number of classes that is symbolic: it is known when the program is called."""
    if not blank or numerics.known(classes):
        return []
    found = jnp.asarray(blank, jnp.int32) < jnp.asarray(classes, jnp.int32)
    return [(jnp.broadcast_to(found, batch), f"blank_id {blank} must be below the number of classes")]


class Counted(NamedTuple):
    """A mask of the elements of a sequence that count, and the lengths that it comes from, if they were given."""

    mask: Array
    lengths: Array | None

    def rules(self, which: str) -> list[tuple[Array, str]]:
        """Pairs of a mask of the possible lengths and the message for one that is not."""
        if self.lengths is None:
            return []
        most = self.mask.shape[-1]
        return [((self.lengths >= 0) & (self.lengths <= most), f"{which}_lengths must be from 0 to {most}")]


def _counted(name: str, which: str, shape: tuple[Any, ...], arrays: dict[str, Any]) -> Counted:
    paddings, lengths = arrays[f"{which}_paddings"], arrays.get(f"{which}_lengths")
    if paddings is not None and lengths is not None:
        raise ValueError(f"{name}: give {which}_paddings or {which}_lengths, not both.")
    if lengths is None:
        return Counted(jnp.ones(shape, bool) if paddings is None else _live(name, which, paddings, shape), None)
    array = integers(name, f"{which}_lengths", lengths)
    if array.shape != shape[:-1]:
        raise ValueError(
            f"{name}: {which}_lengths {array.shape} do not fit: they need shape {shape[:-1]}, one for each sequence."
        )
    return Counted(lax.broadcasted_iota(array.dtype, shape, len(shape) - 1) < array[..., None], array)


def _live(name: str, which: str, paddings: Any, shape: tuple[int, ...]) -> Array:
    array = real(name, f"{which}_paddings", paddings)
    if array.shape != shape:
        raise ValueError(
            f"{name}: {which}_paddings {array.shape} do not fit: they need shape {shape}, 1 where padded, else 0."
        )
    return array == jnp.zeros((), array.dtype)
