"""The layers of an adaptive softmax, checked: a head of frequent classes and of clusters, a tail for each cluster."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple, cast

from jaxloss import numerics
from jaxloss._arrays import floating, real, wide
from jaxloss._types import Array, Layout

LETTERS = "abcefgijklmopqrstuwxyz"
"""The letters of leading axes in a matrix product; d, h, n and v are taken."""


class Clusters(NamedTuple):
    """Hidden states and layers that fit each other; a pytree, but for the layout."""

    hidden: Array  # [..., D]
    head: Array
    bias: Array | None  # of the head
    tails: tuple[tuple[Array, Array], ...]  # a projection and a kernel for each cluster

    def starts(self, layout: Layout) -> list[int]:
        """The first class of each cluster, and the number of all classes."""
        axis = layout.index("v")
        first = self.head.shape[axis] - len(self.tails)
        return list(accumulate((kernel.shape[axis] for _, kernel in self.tails), initial=first))

    def of_head(self, layout: Layout) -> Array:
        """The logits of the head."""
        return logits_of(self.hidden, self.head, self.bias, layout)

    def of_tail(self, i: int, layout: Layout) -> Array:
        """The logits of a cluster."""
        projection, kernel = self.tails[i]
        return product(product(self.hidden, projection, layout), kernel, layout)


def product(x: Array, kernel: Array, layout: Layout) -> Array:
    """The product of rows and a kernel, added in float32 at least."""
    batch, added = LETTERS[: x.ndim - 1], wide(x.dtype, kernel.dtype)
    multiplied = x.dtype if x.dtype == kernel.dtype else added
    return numerics.matrix_product(x.astype(added), kernel.astype(added), f"{batch}d,{layout}->{batch}v", multiplied)


def logits_of(x: Array, kernel: Array, bias: Array | None, layout: Layout) -> Array:
    """The logits of rows, in float32 at least."""
    logits = product(x, kernel, layout)
    return logits if bias is None else logits + bias.astype(logits.dtype).reshape((1,) * (logits.ndim - 1) + (-1,))


def clusters_of(name: str, hidden: Any, head: Any, tails: Any, bias: Any, layout: Layout) -> Clusters:
    """The arrays of an adaptive softmax, checked."""
    x, first = floating(name, "hidden", hidden), floating(name, "head", head)
    pairs = [_pair(name, f"tails[{i}]", pair) for i, pair in enumerate(_sequence(name, "tails", tails))]
    _check_fit(name, layout, {"hidden": x, "head": first})
    for i, (projection, kernel) in enumerate(pairs):
        own = f"tails[{i}][0]"
        _check_fit(name, layout, {"hidden": x, own: projection})
        _check_fit(name, layout, {own: projection, f"tails[{i}][1]": kernel}, layout.index("v"))
    classes = first.shape[layout.index("v")]
    if not 0 < len(pairs) < classes:
        raise ValueError(
            f"{name}: tails must have one pair for each of the clusters, which are the last classes of head "
            f"{first.shape}, after one class at least; got {len(pairs)} pairs."
        )
    if bias is None:
        return Clusters(x, first, None, tuple(pairs))
    array = real(name, "head_bias", bias)
    if array.shape != (classes,):
        raise ValueError(
            f"{name}: head_bias must have one value for each class of head, shape {(classes,)}, got {array.shape}."
        )
    return Clusters(x, first, array, tuple(pairs))


def _sequence(name: str, argument: str, x: Any) -> list[Any]:
    if not isinstance(x, (list, tuple)):
        raise TypeError(
            f"{name}: {argument} must be a list of pairs, a projection and a kernel for each cluster, got "
            f"{type(x).__name__}."
        )
    return list(cast(Any, x))


def _pair(name: str, argument: str, x: Any) -> tuple[Array, Array]:
    pair = _sequence(name, argument, x)
    if len(pair) != 2:
        raise ValueError(f"{name}: {argument} must be a pair, a projection and a kernel, got {len(pair)} arrays.")
    return floating(name, f"{argument}[0]", pair[0]), floating(name, f"{argument}[1]", pair[1])


def _check_fit(name: str, layout: Layout, arrays: dict[str, Array], axis: int = -1) -> None:
    """An error unless an axis of the first array has the length of the second one's features."""
    (before, x), (argument, kernel) = arrays.items()
    width = layout.index("d")
    if kernel.ndim != 2 or x.ndim == 0 or x.shape[axis] != kernel.shape[width]:
        raise ValueError(
            f"{name}: {before} {x.shape} and {argument} {kernel.shape} do not fit: axis {width} of {argument} must be "
            f"as long as axis {axis} of {before}; for weights of the other orientation set kernel_layout."
        )
    if kernel.shape[1 - width] == 0:
        raise ValueError(f"{name}: {argument} {kernel.shape} has no class or feature: a loss needs at least one.")


__all__ = ["Clusters", "clusters_of", "logits_of", "product"]
