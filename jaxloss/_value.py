"""Frozen dataclasses as values: equal by their fields, hashable, and pytrees whose leaves are their numbers."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxloss._keys import key_of, native, plain
from jaxloss._options import rule_of
from jaxloss._types import Own


class Value:
    """The base of frozen dataclasses that are values: compared, hashed, stored and traced by their fields."""

    _known: ClassVar[dict[str, type[Value]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Set before @dataclass runs, which therefore leaves them alone: its own would compare arrays with ==.
        cls.__eq__ = Value.__eq__
        cls.__hash__ = Value.__hash__
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Value.__repr__
        Value._known[class_name(cls)] = cls
        register_pytree(cls)

    def replace(self: Own, **changes: Any) -> Own:
        """A copy with some fields changed."""
        return dataclasses.replace(cast(Any, self), **changes)

    def get_config(self) -> dict[str, Any]:
        """The class and the fields as plain JSON values; `from_config` gives an equal loss back."""
        fields = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(cast(Any, self)) if f.init}
        return {"class": class_name(type(self)), **fields}

    @classmethod
    def from_config(cls: type[Own], config: Mapping[str, Any]) -> Own:
        """The loss that `get_config` described.

        Raises:
            ValueError: The class is not known (import the module that defines it first), or is not this class.
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
        return _key(self) == _key(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        try:
            return hash((type(self), _key(self)))
        except TypeError as error:
            for field in dataclasses.fields(cast(Any, self)):
                value = getattr(self, field.name)
                if isinstance(value, (dict, set)):
                    raise TypeError(
                        f"{type(self).__name__}: {field.name} has no hash, got {value!r}: keep numbers, strings, "
                        "arrays or tuples of them, as in tuple(sorted(d.items()))."
                    ) from error
            raise

    def __repr__(self) -> str:
        cls, names = type(self), changed(self)
        declared = [set(inspect.get_annotations(c)) for c in cls.__mro__]
        own_first = sorted(names, key=lambda name: next(i for i, fields in enumerate(declared) if name in fields))
        return f"{cls.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in own_first)})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A hashed value must not change, but arrays are writable again when they are copied.
        for name, value in state.items():
            object.__setattr__(self, name, _unchanging(value))


def _key(instance: Any) -> tuple[Any, ...]:
    cls = type(instance)
    values = ((f.name, getattr(instance, f.name)) for f in dataclasses.fields(instance))
    return tuple(key_of(value) if name in leaf_names(cls) else value for name, value in values)


def changed(instance: Any) -> list[str]:
    """The names of the shown fields whose values differ from their defaults."""
    return [f.name for f in dataclasses.fields(instance) if f.repr and not _is_default(f, getattr(instance, f.name))]


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    # By its type: cloudpickle, which sends classes of a notebook to other processes, makes copies of MISSING.
    missing = type(dataclasses.MISSING)
    factory: Any = field.default_factory
    default = field.default if isinstance(factory, missing) else factory()
    # An array on a device is not read to be shown.
    return not isinstance(default, missing) and not isinstance(value, jax.Array) and key_of(value) == key_of(default)


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.get_config()
    return [_plain(v) for v in cast(tuple[Any, ...], value)] if isinstance(value, tuple) else plain(value)


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping) and "class" in value:
        return Value.from_config(cast(Mapping[str, Any], value))
    return tuple(map(_restored, cast(list[Any], value))) if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------- fields and their leaves


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@cache
def leaf_names(cls: type) -> tuple[str, ...]:
    """The fields whose annotation names a float, an array, or another such dataclass; every other one is structure."""
    return tuple(f.name for f in dataclasses.fields(cls) if _is_numeric(_hints(cls)[f.name]))


def _is_numeric(hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Literal, Callable):  # a function is no number, whatever it takes
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


def settle(instance: Any) -> None:
    """Converts every field to one canonical form, and checks the options of this library's own classes.

    Fields of equal meaning are then stored alike: arrays and lists of numbers become arrays that cannot be
    written to, NumPy's scalars Python's, sequences in structure tuples, and dtypes their names.
    """
    cls = type(instance)
    function = getattr(getattr(cls, "fn", None), "__name__", cls.__name__)
    for field in dataclasses.fields(cls):
        given, hint = getattr(instance, field.name), _hints(cls)[field.name]
        if field.name in leaf_names(cls):
            value = _leaf(cls.__name__, field.name, given, typing.get_origin(hint) is tuple)
        else:
            value = _structure(cls.__name__, field.name, given)
        optional = value is None and type(None) in typing.get_args(hint)
        if _is_ours(cls, field.name) and not optional:
            value = rule_of(function, field.name).settled(cls.__name__, field.name, value)
        object.__setattr__(instance, field.name, value)


@cache
def _is_ours(cls: type, field: str) -> bool:
    """Whether a class of this library declares the field; a user's field of the same name may mean anything."""
    owner = next(c for c in cls.__mro__ if field in inspect.get_annotations(c))
    return owner.__module__.partition(".")[0] == "jaxloss"


def _leaf(name: str, field: str, value: Any, as_tuple: bool = False) -> Any:
    """A number as Python's, several as one array; a tuple only where the field is one, or holds other losses."""
    value = native(value)
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if not isinstance(value, (list, tuple, np.ndarray)):
        return value
    held = jax.tree.leaves(value, is_leaf=lambda v: isinstance(v, Value))
    if as_tuple or any(isinstance(v, Value) for v in held):
        return tuple(_leaf(name, field, v) for v in cast(Any, value))
    try:
        # The caller may change the given array later, and a hashed value must not change.
        return jnp.asarray(value) if any(isinstance(v, Tracer) for v in held) else _unchanging(np.array(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {field} must be numbers of one shape, got {value!r}.") from error


def _structure(name: str, field: str, value: Any) -> Any:
    """A hashable Python value, the same for all values of equal meaning."""
    value = native(value)
    if isinstance(value, Tracer):
        raise TypeError(
            f"{name}: {field} decides what is compiled and must be known while tracing, got a traced value: make it "
            "a Python value, or an argument that jax.jit takes by static_argnames."
        )
    if isinstance(value, (np.generic, np.ndarray, jax.Array)):
        return _structure(name, field, value.tolist())
    if type(value) in (list, tuple):
        return tuple(_structure(name, field, v) for v in value)
    # JAX's own scalar types, as jnp.bfloat16, are no subclasses of NumPy's.
    scalar_type = isinstance(value, type) and isinstance(getattr(value, "dtype", None), np.dtype)
    if scalar_type or isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(cast(Any, value)).name
    return value


def _unchanging(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value


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
