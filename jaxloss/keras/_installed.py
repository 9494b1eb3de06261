"""Keras itself, once it has been imported: its dtype, its masks, and our losses as its own."""

from __future__ import annotations

import inspect
import sys
from typing import Any


def floatx() -> str:
    """The dtype that Keras is set to, or float32."""
    return getattr(sys.modules.get("keras.src.backend"), "floatx", lambda: "float32")()


def kept_mask(y_pred: Any) -> Any:
    """The mask that a layer of Keras left on its output. For traced arrays Keras keeps it in a table of its own."""
    backend = sys.modules.get("keras.src.backend")
    find = getattr(backend, "get_keras_mask", lambda x: getattr(x, "_keras_mask", None))
    return find(y_pred)


def join_keras(loss: type) -> None:
    """Makes our base class a subclass of Keras' own, and registers our losses with Keras.

    `Model.compile` would wrap a loss that is not Keras' own, and weigh what is reduced already; a saved model finds its
    loss by its registration.
    """
    theirs = getattr(sys.modules.get("keras.losses"), "Loss", None)
    if theirs is None or issubclass(loss, theirs):
        return
    loss.__bases__ = (*loss.__bases__, theirs)
    package = sys.modules["jaxloss.keras"]
    for name in package.__all__:
        public = getattr(package, name)
        if inspect.isfunction(public) or (inspect.isclass(public) and issubclass(public, loss)):
            sys.modules["keras.saving"].register_keras_serializable("jaxloss.keras", public.__name__)(public)


__all__ = ["floatx", "join_keras", "kept_mask"]
