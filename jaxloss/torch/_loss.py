"""The base of the class forms: the function's options as the fields of one frozen, hashable pytree."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from jaxloss import _fields
from jaxloss._types import Array, Floats, Numbers
from jaxloss.torch._rules import REDUCTIONS, chosen

_REGISTRY: dict[str, type["Loss"]] = {}


def _name(cls: type) -> str:
    # Ours may move between files.
    ours = cls.__module__.startswith(f"{__package__}.")
    return f"{__package__ if ours else cls.__module__}.{cls.__qualname__}"


# Not a `jaxloss.Loss`: that takes weights and masks in its call and its options by keyword, where PyTorch takes options
# by position, in an order that begins with `weight` or `size_average`. They share what makes a dataclass a value.
@dataclass(frozen=True)
class Loss:
    """A loss of PyTorch as a value: immutable, equal by its fields, hashable, and a pytree with its numbers as leaves.

    Pass it to `jax.jit` by closure, as a static argument or as an array argument. The fields have the names, the order
    and the defaults of PyTorch's constructor; the deprecated `size_average` and `reduce` only choose the reduction.
    """

    fn: ClassVar[Callable[..., Array]]
    reductions: ClassVar[tuple[str, ...]] = REDUCTIONS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Set before @dataclass runs, which therefore leaves them alone: its own would compare arrays with ==.
        cls.__eq__ = Loss.__eq__
        cls.__hash__ = Loss.__hash__
        _REGISTRY[_name(cls)] = cls
        _fields.register_pytree(cls)

    def __post_init__(self, *deprecated: bool | None) -> None:
        given = vars(self)["reduction"]
        reduction = chosen(type(self).__name__, given, *deprecated, allowed=self.reductions, stacklevel=4)
        object.__setattr__(self, "reduction", reduction)
        _fields.freeze(self)

    def forward(self, *arrays: Any, **named: Any) -> Array:
        """The same as calling the loss."""
        options = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return type(self).fn(*arrays, **named, **options)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def get_config(self) -> dict[str, Any]:
        """The class and the fields as plain JSON values; `from_config` gives an equal loss back."""
        fields = {f.name: _fields.plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"class": _name(type(self)), **fields}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The loss that `get_config` described.

        Raises:
            ValueError: The class is not known or is not this class.
        """
        fields = dict(config)
        name = fields.pop("class", _name(cls))
        found = _REGISTRY.get(name)
        if found is None or not issubclass(found, cls):
            raise ValueError(
                f"{cls.__name__}.from_config: no {cls.__name__} of class {name!r}: import its module first."
            )
        return found(**fields)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return _fields.same(self, other)

    def __hash__(self) -> int:
        return _fields.hash_of(self)


@dataclass(frozen=True)
class PairLoss(Loss):
    """A loss of an input and a target, as all are but two."""

    def __call__(self, input: Floats, target: Numbers) -> Array:
        """The reduced loss."""
        return self.forward(input, target)


__all__ = ["Loss"]
