"""Targets that are signs: what the losses of a margin share."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss._arrays import real
from jaxloss._elements import Given


def signs(name: str, targets: Any, argument: str = "targets") -> Given:
    """Targets that are -1 or 1; 0 and 1, which other losses take, are outside the domain."""
    rule = f"{argument} must be -1 or 1"
    return Given(argument, signed(name, argument, targets), 1.0, lambda y: (y == -1) | (y == 1), rule)


def signed(name: str, argument: str, given: Any) -> Any:
    """What was given, of a dtype that has a -1: booleans and unsigned integers are the 0 and 1 of other losses."""
    dtype = real(name, argument, given).dtype
    if dtype == jnp.bool_ or jnp.issubdtype(dtype, jnp.unsignedinteger):
        raise TypeError(
            f"{name}: {argument} must be -1 or 1, got dtype {dtype}, which has no -1: if they are 0 or 1, take "
            f"2 * {argument}.astype(int32) - 1."
        )
    return given


__all__ = ["signed", "signs"]
