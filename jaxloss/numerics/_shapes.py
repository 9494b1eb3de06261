"""Sizes that may be symbolic, as `jax.export` has them."""

from typing import Any


def known(*sizes: Any) -> bool:
    """Whether sizes are numbers: symbolic ones may be added and multiplied, but not compared."""
    return all(isinstance(n, int) for n in sizes)
