"""The kinds of options (numbers in a range, choices, axes, names of axes), each with its error messages."""

import math
import operator
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


@runtime_checkable
class Rule(Protocol):
    """A rule that the values of an option obey."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        """The value in the form that is stored; an error if the rule does not allow it."""
        ...


class Anything:
    """An option without a rule of its own."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        return value


class Function:
    """A function that the caller writes."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        if not callable(value):
            raise TypeError(f"{name}: {argument} must be a function, got {value!r}.")
        return value


class Number(NamedTuple):
    """Numbers in a range. Traced values and arrays on a device are not checked."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    per_class: bool = False
    """Whether there must be one value for each class, not a scalar."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        if isinstance(value, jax.Array):
            return value
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
            of_classes = "one value for each class, an array in their order"
            what = f"have {of_classes}" if self.per_class else f"be a number{self._range}"
            raise TypeError(f"{name}: {argument} must {what}, got {value!r}.")
        if self.per_class and array.ndim == 0:
            raise ValueError(f"{name}: {argument} must have one value for each class, got {value!r}.")
        if array.ndim == 0 and (array.dtype.kind == "b" or not self._holds(array)):  # a nan is outside of every range
            raise ValueError(f"{name}: {argument} must be a number{self._range}, got {value!r}.")
        if array.ndim and not np.all(np.isnan(array.astype(np.float64)) | self._holds(array)):
            raise ValueError(f"{name}: {argument} must be numbers{self._range}, got {value!r}.")
        return value

    def _holds(self, array: Any) -> Any:
        return ((self.low < array) if self.open_low else (self.low <= array)) & (array <= self.high)

    @property
    def _range(self) -> str:
        low = "" if self.low == -math.inf else f" {'above' if self.open_low else 'at least'} {self.low:g}"
        return low + ("" if self.high == math.inf else f", at most {self.high:g}")


class Apart(NamedTuple):
    """Numbers that are not between two. Traced values and arrays on a device are not checked."""

    low: float
    high: float

    def settled(self, name: str, argument: str, value: Any) -> Any:
        known = Number().settled(name, argument, value)
        if not isinstance(value, jax.Array) and np.any(
            (np.asarray(value) > self.low) & (np.asarray(value) < self.high)
        ):
            rule = f"at most {self.low:g} or at least {self.high:g}"
            raise ValueError(f"{name}: {argument} must be {rule}, got {value!r}.")
        return known


class Choice(NamedTuple):
    """One of a few values."""

    allowed: tuple[Any, ...]

    def settled(self, name: str, argument: str, value: Any) -> Any:
        known = value.item() if isinstance(value, np.generic) else value
        if not any(type(known) is type(a) and known == a for a in self.allowed):
            raise ValueError(f"{name}: {argument} must be one of {', '.join(map(repr, self.allowed))}, got {value!r}.")
        return known


class Integer(NamedTuple):
    """An integer that is known while tracing."""

    low: float = -math.inf

    def settled(self, name: str, argument: str, value: Any) -> int:
        rule = "an integer" + ("" if self.low == -math.inf else f" of at least {self.low:g}")
        if isinstance(value, Tracer):
            raise TypeError(
                f"{name}: {argument} must be {rule} that is known while tracing, got a traced value: give a Python "
                "integer, or an argument that jax.jit takes by static_argnames."
            )
        try:
            index = operator.index(value)
        except TypeError as error:
            raise TypeError(f"{name}: {argument} must be {rule}, got {value!r}.") from error
        if index < self.low:
            raise ValueError(f"{name}: {argument} must be {rule}, got {value!r}.")
        return index


class Booleans:
    """True or False for each class."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        if value is None or isinstance(value, jax.Array):
            return value
        array = np.asarray(value)
        if array.dtype != np.bool_ or array.ndim == 0:
            raise TypeError(f"{name}: {argument} must have True or False for each class, got {value!r}.")
        return value


class Axis:
    """One axis, several, or None for all."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        if value is None:
            return value
        try:
            several = isinstance(value, (tuple, list))
            return tuple(map(operator.index, cast(Any, value))) if several else operator.index(value)
        except TypeError as error:
            rule = "an integer or a tuple of integers"
            raise TypeError(f"{name}: {argument} must be {rule}, got {value!r}.") from error


class AxisNames:
    """The name of a mesh axis, several, or None."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        try:
            hash(value)
        except TypeError as error:
            rule = "the name of a mesh axis or a tuple of names"
            raise TypeError(f"{name}: {argument} must be {rule}, got {value!r}.") from error
        return value


class FloatingDtype:
    """A dtype of floats, kept by its name."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        if value is None:
            return value
        rule = f"{name}: {argument} must be a floating dtype or None, got {value!r}."
        try:
            dtype = jnp.dtype(value)
        except TypeError as error:
            raise TypeError(rule) from error
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(rule)
        return dtype.name


__all__ = ["Anything", "Apart", "Axis", "AxisNames", "Booleans", "Choice", "FloatingDtype", "Integer", "Number", "Rule"]
