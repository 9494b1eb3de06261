"""The loss test cases that PyTorch ships, with the classes of `jaxloss.torch` in the place of its own.

They are in double precision, and each is asked of both: the numbers are random, and so PyTorch's tests have no answers.
"""

import importlib
import sys
import unittest
from fnmatch import fnmatch
from functools import cache
from types import ModuleType

import jax
import numpy as np
import pytest

import jaxloss.torch as ours
from tests.interpreting import interpreted
from tests.peers.stand_ins import available

pytestmark = pytest.mark.filterwarnings("ignore")

CASES = "torch.testing._internal.common_modules"
# What these cases ask of PyTorch, and why it is otherwise here.
CANNOT = {
    "MarginRankingLoss-*": "a target of 0, which is no sign, is outside the domain here",
    "CrossEntropyLoss-*-2d_ignore_index_mean": "both labels are drawn to be ignored: the mean of nothing is 0 here",
}
OF_THE_LAYER = {"in_features", "num_classes", "out_features", "bias", "device", "dtype"}
"""Arguments of `LinearCrossEntropyLoss`, which holds a layer there; here its weights are given in the call."""


@cache
def _module_infos():
    """PyTorch's list of modules. Its file imports `expecttest`, for other tests of PyTorch's."""
    if not available("torch") or not available(CASES):
        return []
    stub = ModuleType("expecttest")
    stub.TestCase = unittest.TestCase
    there = sys.modules.setdefault("expecttest", stub)
    module = importlib.import_module(CASES)
    if there is stub:
        del sys.modules["expecttest"]
    return [info for info in module.module_db if info.module_cls.__name__.endswith("Loss")]


def _cases():
    """Each loss and what a case gives to the class and to its call; the same in every run."""
    found = []
    for info in _module_infos():
        import torch

        name = info.module_cls.__name__
        torch.manual_seed(0)
        given = info.module_inputs_func(info, "cpu", torch.double, requires_grad=False, training=True)
        # Of a last layer there are some four hundred.
        given = given[::8] if name == "LinearCrossEntropyLoss" else given
        found += [_case(f"{name}-{i}-{case.desc}", info.module_cls, case) for i, case in enumerate(given)]
    return found


def _case(name, *values):
    reasons = [reason for pattern, reason in CANNOT.items() if fnmatch(name, pattern)]
    return pytest.param(*values, id=name, marks=[pytest.mark.xfail(reason=r, strict=True) for r in reasons])


def _arrays(value):
    """Tensors as arrays."""
    if isinstance(value, dict):
        return {k: _arrays(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return tuple(map(_arrays, value))
    return value.detach().numpy() if hasattr(value, "detach") else value


def _asked(theirs, given, name):
    """Our class form and the arguments of its call."""
    options, arrays = _arrays(given.constructor_input.kwargs), _arrays(given.forward_input.args)
    if name != "LinearCrossEntropyLoss":
        return getattr(ours, name)(*_arrays(given.constructor_input.args), **options), arrays
    of = theirs.num_classes, *theirs.out_features
    layer = {k: np.reshape(v, (*of, *v.shape[1:])) for k, v in _arrays(theirs.linear.state_dict()).items()}
    chunk = getattr(options.pop("options"), "batch_chunk_size", None)
    options = {k: v for k, v in options.items() if k not in OF_THE_LAYER}
    form = ours.LinearCrossEntropyLoss(**options, options=ours.LinearCrossEntropyOptions(batch_chunk_size=chunk))
    return form, (*arrays, *layer.values())


@pytest.mark.parametrize(("module", "given"), _cases())
def test_a_case_is_answered_as_pytorch_answers_it(module, given):
    import torch

    torch.manual_seed(0)  # of the weights of a last layer
    theirs = module(*given.constructor_input.args, **given.constructor_input.kwargs)
    expected = theirs(*given.forward_input.args, **given.forward_input.kwargs).detach().numpy()
    with jax.enable_x64(True):
        form, arrays = _asked(theirs, given, module.__name__)
        answer = np.asarray(interpreted(lambda *arrays: form(*arrays, **_arrays(given.forward_input.kwargs)))(*arrays))
    assert answer.shape == expected.shape
    assert answer.dtype == expected.dtype
    np.testing.assert_allclose(answer, expected, rtol=1e-9, atol=1e-12)


def test_what_cannot_pass_is_among_the_cases():
    names = [case.id for case in _cases()]
    assert not names or all(any(fnmatch(name, pattern) for name in names) for pattern in CANNOT)
