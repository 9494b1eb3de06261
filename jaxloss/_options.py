"""What an option may be, by its name: one table, which functions are held to when called and forms when made."""

import math
import operator
from typing import Any, NamedTuple, Protocol, cast, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxloss._types import Layout, Mode


class Rule(Protocol):
    """What the values of an option have in common."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        """The value as it is kept; an error if the option cannot have it."""
        ...


class Anything:
    """An option without a rule of its own."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        return value


class Number(NamedTuple):
    """Numbers in a range. What is traced, or is on a device, is not known: it is taken as it is."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    per_class: bool = False
    """Whether one value for all classes will not do."""

    def settled(self, name: str, argument: str, value: Any) -> Any:
        if isinstance(value, jax.Array):
            return value
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(f"{name}: {argument} must be a number{self._range}, got {value!r}.")
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


_SWITCH = Choice((False, True))
# An option means the same wherever it stands; where it does not, its function is named too.
_RULES: dict[str, Rule] = {
    "alpha": Number(low=0),
    "apply_class_balancing": _SWITCH,
    "axis": Axis(),
    "axis_name": AxisNames(),
    "beta": Number(low=0),
    "binary_focal_crossentropy.alpha": Number(low=0, high=1),
    "blank": Integer(low=0),
    "blank_id": Integer(low=0),
    "chunk_size": Integer(low=1),
    "class_mask": Booleans(),
    "class_weights": Number(per_class=True),
    "compute_dtype": FloatingDtype(),
    "delta": Number(low=0, open_low=True),
    "eps": Number(low=0),
    "from_logits": _SWITCH,
    "full": _SWITCH,
    "gamma": Number(low=0),
    "ignore_class": Integer(),
    "ignore_index": Integer(),
    "kernel_layout": Choice(get_args(Layout)),
    "label_smoothing": Number(low=0, high=1),
    "log_epsilon": Number(),
    "log_input": _SWITCH,
    "log_target": _SWITCH,
    "logit_cap": Number(low=0, open_low=True),
    "mode": Choice(get_args(Mode)),
    "poisson_nll.full": Choice((False, True, "stirling", "exact")),
    "pos_weight": Number(low=0, open_low=True),
    "sigmoid_focal_loss.alpha": Number(low=0, high=1),
    "smooth_labels.alpha": Number(low=0, high=1),
    "var": Number(low=0),
    "vocab_axis_name": AxisNames(),
    "weight": Number(),
    "z_loss": Number(low=0),
    "zero_infinity": _SWITCH,
}


def rule_of(function: str, option: str) -> Rule:
    """The rule of an option of a function."""
    return _RULES.get(f"{function}.{option}") or _RULES.get(option) or Anything()


def option(name: str, argument: str, value: Any) -> Any:
    """The value of an option of a function, which the table must allow."""
    return rule_of(name, argument).settled(name, argument, value)


def choice(name: str, argument: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Checks that the value is one of those that are allowed."""
    Choice(allowed).settled(name, argument, value)


__all__ = ["choice", "option", "rule_of"]
