"""How a fused loss goes about it: which mode, and how much at a time."""

from typing import Any

from jaxloss import numerics
from jaxloss._types import Mode
from jaxloss.fused._head import How
from jaxloss.fused._inputs import Inputs, Setup

DENSE = 2**27
"""Bytes of logits up to which they are held all at once."""
OF_TOKENS, OF_CLASSES = 2**27, 2**25
"""Bytes of logits that are held at a time, if that leaves a chunk long enough to keep an accelerator busy."""
LEAST = 1024
"""Tokens or classes that do."""
SHARE = 16
"""A chunk of classes is at most this part of them: two tiles, as a gradient needs, are an eighth of the logits."""
ACCUMULATOR = 2**28
"""Bytes up to which the gradient of a half-precision kernel is added up in float32 without a second thought."""


def planned(given: Inputs, setup: Setup, summed: bool) -> tuple[Mode, int]:
    """The mode that a call comes to, and its chunk: classes of a low-memory one, tokens of a fast one, 0 for all.

    Only a sum has a gradient that is known in advance, and only where no other device has a part of its terms.
    """
    mode, size = setup.mode, setup.chunk_size
    tokens, classes = given.labels.size, given.head.kernel.shape[given.how.classes]
    fast = summed and given.shards.axis_name is None
    if not numerics.known(tokens, classes):
        return _of_symbolic(mode, size, tokens, classes, fast)
    if mode == "auto":
        bytes_of = given.how.add.itemsize
        wide_kernel = given.head.kernel.dtype == given.how.add
        if tokens * classes * bytes_of <= DENSE and size is None:
            mode = "dense"
        elif fast and (wide_kernel or setup.on_mesh or given.head.kernel.size * bytes_of <= ACCUMULATOR):
            mode = "fast"  # no accumulator, or one that is worth it; and no loop over classes that may be sharded
        else:
            mode = "dense" if setup.on_mesh else "low_memory"
    if mode == "dense":
        return mode, 0
    if mode == "fast" and fast:
        return mode, _length(size, OF_TOKENS // _row(given.how, classes), max(tokens, 1))
    return "low_memory", _length(size, min(OF_CLASSES // _row(given.how, tokens), classes // SHARE), classes)


def _length(size: int | None, affordable: int, most: int) -> int:
    return min(max(LEAST, affordable) if size is None else size, most)


def _row(how: How, length: int) -> int:
    """The bytes of so many logits."""
    return how.add.itemsize * max(length, 1)


def _of_symbolic(mode: Mode, size: int | None, tokens: Any, classes: Any, fast: bool) -> tuple[Mode, int]:
    """As `planned` of numbers that are not known: only those that are can be cut into chunks."""
    if mode == "fast" and fast and numerics.known(tokens):
        return mode, min(size or LEAST, max(tokens, 1))
    if mode == "dense" or not numerics.known(classes):
        return "dense", 0
    return "low_memory", min(size or max(LEAST, classes // SHARE), classes)
