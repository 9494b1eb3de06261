"""What makes a frozen dataclass a value: equal by its fields, hashable, and a pytree whose leaves are its numbers."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Self, cast

import jax
import numpy as np
from jax.core import Tracer


class Value:
    """The base of frozen dataclasses that are values: compared, hashed, stored and traced by their fields."""

    _known: ClassVar[dict[str, type["Value"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Set before @dataclass runs, which therefore leaves them alone: its own would compare arrays with ==.
        cls.__eq__ = Value.__eq__
        cls.__hash__ = Value.__hash__
        Value._known[class_name(cls)] = cls
        register_pytree(cls)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(cast(Any, self), **changes)

    def get_config(self) -> dict[str, Any]:
        """The class and the fields as plain JSON values; `from_config` gives an equal loss back."""
        fields = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(cast(Any, self)) if f.init}
        return {"class": class_name(type(self)), **fields}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The loss that `get_config` described.

        Raises:
            ValueError: The class is not known (a loss of one's own must be imported first) or is not this class.
        """
        fields = dict(config)
        name = fields.pop("class", class_name(cls))
        found = Value._known.get(name)
        if found is None or not issubclass(found, cls):
            raise ValueError(
                f"{cls.__name__}.from_config: no {cls.__name__} of class {name!r}: import its module first."
            )
        return found(**{key: _restored(value) for key, value in fields.items()})

    def __eq__(self, other: object) -> bool:
        return same(self, other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash_of(self)


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.get_config()
    return [_plain(v) for v in cast(tuple[Any, ...], value)] if isinstance(value, tuple) else plain(value)


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Value.from_config(cast(Mapping[str, Any], value))
    return tuple(map(_restored, cast(list[Any], value))) if isinstance(value, list) else value


@cache
def leaf_names(cls: type) -> tuple[str, ...]:
    """The fields whose annotation names a float, an array, or another such dataclass; every other one is structure."""
    hints = typing.get_type_hints(cls)
    return tuple(f.name for f in dataclasses.fields(cls) if _is_numeric(hints[f.name]))


def _is_numeric(hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Literal:
        return False
    if isinstance(hint, type) and not isinstance(hint, types.GenericAlias):
        return dataclasses.is_dataclass(hint) or issubclass(hint, (float, jax.Array, np.ndarray))
    return any(map(_is_numeric, typing.get_args(hint)))


def class_name(cls: type) -> str:
    """The name that configurations call a class by."""
    package, *modules = cls.__module__.split(".")
    if package != "jaxloss":
        return f"{cls.__module__}.{cls.__qualname__}"
    # Ours may move between files, but not out of a module of foreign names.
    foreign = [m for m in modules[:1] if m in ("keras", "torch")]
    return ".".join([package, *foreign, cls.__qualname__])


def freeze(instance: Any) -> None:
    """Copies arrays that could change later, since they are hashed."""
    for name in leaf_names(type(instance)):
        value = getattr(instance, name)
        if isinstance(value, (list, tuple, np.ndarray)):
            array = np.array(value)
            array.setflags(write=False)
            object.__setattr__(instance, name, array)


def register_pytree(cls: type) -> None:
    """Makes instances pytrees. The fields are looked up when the first one is flattened, after @dataclass has run."""

    def flatten(instance: Any) -> tuple[tuple[Any, ...], Any]:
        leaves = leaf_names(cls)
        static = tuple((f.name, getattr(instance, f.name)) for f in dataclasses.fields(cls) if f.name not in leaves)
        return tuple(getattr(instance, name) for name in leaves), static

    def flatten_with_keys(instance: Any) -> tuple[tuple[Any, ...], Any]:
        children, static = flatten(instance)
        keys = map(jax.tree_util.GetAttrKey, leaf_names(cls))
        return tuple(zip(keys, children, strict=True)), static

    def unflatten(static: Any, children: Any) -> Any:
        # Not by the constructor: under transformations the leaves are tracers, axes or placeholders.
        instance = object.__new__(cls)
        for name, value in (*static, *zip(leaf_names(cls), children, strict=True)):
            object.__setattr__(instance, name, value)
        return instance

    register: Callable[..., None] = jax.tree_util.register_pytree_with_keys
    register(cls, flatten_with_keys, unflatten, flatten)


def same(a: Any, b: Any) -> bool:
    """Whether two instances of one class have equal fields, arrays by their values."""
    return all(_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))


def hash_of(instance: Any) -> int:
    """A hash that equal instances share.

    Raises:
        TypeError: A field holds a traced value.
    """
    return hash((type(instance), *(_hashable(getattr(instance, f.name)) for f in dataclasses.fields(instance))))


def plain(value: Any) -> Any:
    """An array or array scalar as what JSON knows; anything else as it is."""
    return value.tolist() if _is_array(value) or isinstance(value, np.generic) else value


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tracer) or isinstance(b, Tracer):
        return a is b
    if _is_array(a) or _is_array(b):
        return bool(np.array_equal(np.asarray(a), np.asarray(b)))
    return bool(a == b)


def _hashable(value: Any) -> Any:
    if isinstance(value, Tracer):
        raise TypeError("a loss that holds a traced value has no hash: pass it as a pytree, not as a static argument.")
    if _is_array(value):
        array = np.asarray(value, np.float64)
        return array.item() if array.ndim == 0 else (array.shape, array.tobytes())
    return value


def _is_array(value: Any) -> bool:
    return isinstance(value, (jax.Array, np.ndarray))
