"""The plan of a fused loss: in which mode it is computed, and how many tokens or classes at a time."""

from __future__ import annotations

from typing import Any

from jaxloss import numerics
from jaxloss._types import Mode
from jaxloss.fused._inputs import Inputs, Setup
from jaxloss.fused._layer import Static

DENSE = 2**27
"""The bytes of logits up to which `"auto"` holds them all at once."""
OF_TOKENS, OF_CLASSES = 2**27, 2**25
"""The bytes of logits that a chunk of tokens and one of classes may hold."""
LEAST = 1024
"""The least length of a chunk, however many bytes it holds, which keeps an accelerator busy."""
SHARE = 16
"""A chunk of classes is at most this part of them: a gradient holds two, an eighth of the logits."""
ACCUMULATOR = 2**28
"""The bytes up to which `"auto"` adds up the gradient of a half-precision kernel in float32."""


def planned(given: Inputs, setup: Setup, summed: bool) -> tuple[Mode, int]:
    """The mode of a call and its chunk: classes in low-memory mode, tokens in fast mode, 0 for all.

    The gradient is known in the forward pass for a sum alone, and only if this device has all of its terms.
    """
    mode, size = setup.mode, setup.chunk_size
    tokens, classes, static = given.labels.size, given.classes, given.static
    fast = summed and given.shards.axis_name is None
    if not numerics.known(tokens, classes):
        return _of_symbolic(mode, size, tokens, classes, fast)
    if mode == "auto":
        bytes_of = static.add.itemsize
        wide_kernel = given.head.kernel.dtype == static.add
        if tokens * classes * bytes_of <= DENSE and size is None:
            mode = "dense"
        elif fast and (wide_kernel or setup.on_mesh or given.head.kernel.size * bytes_of <= ACCUMULATOR):
            # No accumulator is needed, or it is small; and on a mesh a loop over classes would gather sharded ones.
            mode = "fast"
        else:
            mode = "dense" if setup.on_mesh else "low_memory"
    if mode == "dense":
        return mode, 0
    if mode == "fast" and fast:
        return mode, _length(size, OF_TOKENS // _row_bytes(static, classes), max(tokens, 1))
    affordable = min(OF_CLASSES // _row_bytes(static, tokens), classes // SHARE)
    return "low_memory", _length(size, affordable, classes)


def _length(size: int | None, affordable: int, most: int) -> int:
    return min(max(LEAST, affordable) if size is None else size, most)


def _row_bytes(static: Static, length: int) -> int:
    """The bytes of this many logits."""
    return static.add.itemsize * max(length, 1)


def _of_symbolic(mode: Mode, size: int | None, tokens: Any, classes: Any, fast: bool) -> tuple[Mode, int]:
    """`planned` for symbolic numbers of tokens or classes: only a known number can be cut into chunks."""
    if mode == "fast" and fast and numerics.known(tokens):
        return mode, min(size or LEAST, max(tokens, 1))
    if mode == "dense" or not numerics.known(classes):
        return "dense", 0
    return "low_memory", min(size or max(LEAST, classes // SHARE), classes)


__all__ = ["planned"]
