"""The base of the class forms: the function's options as the fields of one frozen, hashable pytree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from jaxloss import _value
from jaxloss._answers import called_like_a_function, unknown_keywords
from jaxloss._signatures import document
from jaxloss._types import Array, Floats, Numbers, Own
from jaxloss.torch._conventions import REDUCTIONS, chosen


# This is not a `jaxloss.Loss`, which takes weights and masks when it is called, and its options by keyword: PyTorch
# takes options by position, in an order that begins with `weight` or `size_average`. Both classes are a `Value`.
@dataclass(frozen=True)
class Loss(_value.Value):
    """A loss of PyTorch as a value: immutable, equal by its fields, hashable, and a pytree with its numbers as leaves.

    Pass it to `jax.jit` by closure, as a static argument or as an array argument. The fields have the names, the order
    and the defaults of PyTorch's constructor; the deprecated `size_average` and `reduce` only choose the reduction.
    """

    fn: ClassVar[Callable[..., Array]]
    reductions: ClassVar[tuple[str, ...]] = REDUCTIONS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        document(cls)

    def __new__(cls: type[Own], *args: Any, **options: Any) -> Own:
        """An instance; wrong arguments are answered here, before the generated constructor sees them."""
        cast(Any, cls)._answer(args, options)
        return object.__new__(cls)

    @classmethod
    def _answer(cls, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """An error for arguments that the constructor does not take.

        A subclass with an own `__new__` would show the signature of that, not its fields.
        """
        pairs = zip(cls.__match_args__, args, strict=False)
        several = sum(np.ndim(value) > 0 for value in args) > 1  # numbers of a form that is swept are given by name
        arrays = several or any(np.ndim(value) and name not in _value.leaf_names(cls) for name, value in pairs)
        if arrays or len(args) > len(cls.__match_args__):
            taken = "input, target" if issubclass(cls, PairLoss) else "..."
            raise TypeError(called_like_a_function(cls.__name__, f"functional.{cls.fn.__name__}", taken))
        known = cls.__dataclass_fields__  # the deprecated ones among them
        if not options.keys() <= known.keys():
            raise TypeError(unknown_keywords(cls.__name__, options, known))

    def __post_init__(self, *deprecated: bool | None) -> None:
        given = vars(self)["reduction"]
        reduction = chosen(type(self).__name__, given, *deprecated, allowed=self.reductions, stacklevel=4)
        object.__setattr__(self, "reduction", reduction)
        _value.settle(self)

    def forward(self, *arrays: Any, **named: Any) -> Array:
        """The same as calling the loss."""
        options = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return type(self).fn(*arrays, **named, **options)


@dataclass(frozen=True)
class PairLoss(Loss):
    """A loss of an input and a target, as most are."""

    def __call__(self, input: Floats, target: Numbers) -> Array:
        """The reduced loss."""
        return self.forward(input, target)


@dataclass(frozen=True)
class ComparingLoss(Loss):
    """A loss that compares two inputs, with a target that says how they should compare."""

    def __call__(self, input1: Floats, input2: Floats, target: Numbers) -> Array:
        """The reduced loss."""
        return self.forward(input1, input2, target)


__all__ = ["Loss"]
