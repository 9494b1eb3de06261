"""The peers' own tests, from the installed packages, with this library in the peer's place.

A test that calls a name which is not here yet is skipped, as missing. One that cannot pass is expected to fail, with
its reason, and fails if it passes.
"""

import importlib
import importlib.util
import sys
import unittest
from contextlib import ExitStack
from functools import wraps
from unittest import mock

import jax
import pytest

available = lambda name: importlib.util.find_spec(name) is not None


class StandIn:
    """A module of the peer's, with the names that are here."""

    def __init__(self, ours, peers):
        self._ours, self._peers = ours, peers

    def __getattr__(self, name):
        if name in getattr(self._ours, "__all__", ()):
            return getattr(self._ours, name)
        if name not in vars(self._peers):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise unittest.SkipTest(f"missing: {name}")

        return missing


def classes_of(module, stand_ins):
    """The test classes of a peer's module, which is run while others stand for modules that it imports."""
    spec = importlib.util.find_spec(module)
    found = importlib.util.module_from_spec(spec)
    found.__name__ = f"{__package__}.{module.replace('.', '_')}"
    packages = {name: importlib.import_module(name.rpartition(".")[0]) for name in stand_ins}
    with ExitStack() as stack:
        for name, stand_in in stand_ins.items():
            stack.enter_context(mock.patch.object(packages[name], name.rpartition(".")[2], stand_in))
        stack.enter_context(mock.patch.dict(sys.modules, stand_ins))
        stack.enter_context(jax.numpy_dtype_promotion("standard"))
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        spec.loader.exec_module(found)
    return {name: c for name, c in vars(found).items() if isinstance(c, type) and issubclass(c, unittest.TestCase)}


def expect(classes, cannot):
    """Marks the tests that cannot pass: {"Class.test": reason}, where a last * stands for any ending."""
    for pattern, reason in cannot.items():
        name, _, test = pattern.partition(".")
        of_class = classes[name]
        matching = [t for t in dir(of_class) if t == test or (test.endswith("*") and t.startswith(test[:-1]))]
        assert matching, f"{pattern} is no test of the peer's any more"
        for found in matching:
            setattr(of_class, found, pytest.mark.xfail(reason=reason, strict=True)(_copy(getattr(of_class, found))))
    return classes


def _copy(test):
    """A function of its own to mark. It has a name: pytest takes a lambda for an argument of the mark."""

    @wraps(test)
    def copied(self):
        return test(self)

    return copied
