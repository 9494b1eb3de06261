"""Keras' losses by name: `get`, `serialize` and `deserialize`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jaxloss.keras import (
    binary,
    classification,
    embedding,
    generalized,
    groups,
    hinges,
    regression,
    relative,
    segmentation,
    sequence,
)
from jaxloss.keras._loss import Loss

_MODULES = (
    binary,
    classification,
    embedding,
    generalized,
    groups,
    hinges,
    regression,
    relative,
    segmentation,
    sequence,
)


def _known() -> dict[str, Any]:
    return {"Loss": Loss} | {name: getattr(module, name) for module in _MODULES for name in module.__all__}


def serialize(loss: Loss | Callable[..., Any]) -> dict[str, Any] | str:
    """The name of a function, or the class and configuration of a loss, as plain JSON values.

    Raises:
        ValueError: Neither a loss nor a function.
    """
    if isinstance(loss, Loss):
        cls = type(loss)
        module = "jaxloss.keras" if _known().get(cls.__name__) is cls else cls.__module__
        return {
            "module": module,
            "class_name": cls.__name__,
            "config": loss.get_config(),
            "registered_name": None,
        }
    if inspect.isfunction(loss):
        return loss.__name__
    raise ValueError(f"serialize: a loss or a function is needed, got {loss!r}.")


def deserialize(name: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that `serialize`, here or in Keras, has described.

    Args:
        name: A name or a configuration.
        custom_objects: The user's own losses, by name.

    Raises:
        ValueError: A name that is not known.
    """
    known = {**_known(), **(custom_objects or {})}
    if isinstance(name, str):
        name = name.removeprefix("jaxloss.keras>")  # as Keras writes what is registered with it
        if name not in known:
            raise ValueError(f"deserialize: no loss of name {name!r}: pass one of your own in custom_objects.")
        return known[name]
    class_name, config = name["class_name"], name["config"]
    if class_name == "function":  # as Keras writes one
        return deserialize(config, custom_objects)
    found = deserialize(class_name, custom_objects)
    return found.from_config(config)


def get(identifier: Any) -> Any:
    """A loss by its name, its configuration, its class, or itself; None for None.

    >>> get("mse").__name__
    'mean_squared_error'
    >>> get({"class_name": "Huber", "config": {"delta": 2.0}}).delta
    2.0

    Raises:
        ValueError: The identifier is none of these.
    """
    if identifier is None:
        return None
    found = deserialize(identifier) if isinstance(identifier, (str, Mapping)) else identifier
    if not callable(found):
        raise ValueError(f"get: could not interpret {identifier!r} as a loss: give a name, a configuration or a loss.")
    return found() if inspect.isclass(found) else found


__all__ = ["deserialize", "get", "serialize"]
