"""Targets that are signs: what the losses of a margin share."""

from __future__ import annotations

from typing import Any

from jaxloss._elements import Given


def signs(targets: Any, argument: str = "targets") -> Given:
    """Targets that are -1 or 1; 0 and 1, which other losses take, are outside the domain."""
    return Given(argument, targets, 1.0, lambda y: (y == -1) | (y == 1), f"{argument} must be -1 or 1")


__all__ = ["signs"]
