"""Every example of PyTorch's and of Keras' own documentation, with ours in the place of theirs. With `--every`."""

import dataclasses
import doctest
import inspect
import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import jaxloss.keras as keras_losses
import jaxloss.torch as torch_losses
from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.dropins.rows import plainest
from tests.torch import rows as torch_rows

needs_torch = pytest.mark.skipif(missing("torch"), reason="torch is not installed")
needs_keras = pytest.mark.skipif(missing("keras"), reason="Keras is not installed")
# Of the mean of the terms of a divergence, from either library.
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")


class _Beside:
    """A loss of PyTorch's that compares each of its answers, and its slope, with ours."""

    def __init__(self, theirs, mine, answers):
        self.theirs, self.mine, self.answers = theirs, mine, answers

    def __call__(self, *tensors):
        import torch

        value = self.theirs(*tensors)
        arrays = [t.detach().numpy() for t in tensors]
        ours, pulled = jit(self._with_slope)(*arrays)
        np.testing.assert_allclose(ours, value.detach().numpy(), rtol=2e-5)
        if tensors[0].requires_grad:
            (slope,) = torch.autograd.grad(value, tensors[0], retain_graph=True)
            np.testing.assert_allclose(pulled, slope.numpy(), rtol=2e-4, atol=1e-6)
        self.answers.append(value)
        return value

    def _with_slope(self, x, *rest):
        value, pull_back = jax.vjp(lambda x: self.mine(x, *rest), x)
        return value, pull_back(jax.numpy.ones_like(value))[0]


class _Module:
    """`torch`, `torch.nn` or `torch.nn.functional` with their losses beside ours."""

    def __init__(self, theirs, answers):
        self._theirs, self._answers = theirs, answers

    def __getattr__(self, name):
        found = getattr(self._theirs, name)
        if name in ("nn", "functional"):
            return _Module(found, self._answers)
        if name in F.__all__:
            return _Beside(found, getattr(F, name), self._answers)
        if name not in torch_losses.__all__:
            return found
        form = getattr(torch_losses, name)

        def make(*sizes, **options):
            theirs = found(*sizes, **options)
            plain = {k: v.numpy() if hasattr(v, "numpy") else v for k, v in options.items() if k in _fields(form)}
            return _Beside(theirs, _with_weights(theirs, form(**plain)), self._answers)

        return make


def _fields(form):
    return {field.name for field in dataclasses.fields(form)}


def _with_weights(theirs, form):
    """Our loss, given the weights that PyTorch's holds."""
    if not hasattr(theirs, "linear"):
        return form
    kernel = theirs.linear.weight.detach().numpy().reshape(theirs.num_classes, *theirs.out_features, -1)
    return lambda x, target: form(x, target, kernel)


@needs_torch
@pytest.mark.parametrize("name", [*F.__all__, *(row.form.__name__ for row in plainest(torch_rows.ROWS))])
def test_every_example_of_pytorchs_documentation_comes_out(name):
    import torch

    answers = []
    beside = _Module(torch, answers)
    home = torch.nn.functional if name in F.__all__ else torch.nn
    doc = inspect.getdoc(getattr(home, name))
    if "distance_function=" in doc:
        pytest.skip("The distances of its examples are functions of tensors; tests/torch/rows.py has one of both.")
    torch.manual_seed(0)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        names = {"torch": beside, "nn": beside.nn, "F": beside.nn.functional}
        for example in doctest.DocTestParser().get_examples(doc):
            exec(example.source, names)
    assert bool(answers) == (">>>" in doc)


# ----------------------------------------------------------------------------------------------------------- Keras


# Each by the name that it was defined with, for some have several; one is of `tf.keras` alone.
DOCUMENTED = sorted({getattr(keras_losses, name).__name__ for name in keras_losses.__all__} - {"Reduction"})


def _shown(examples, losses):
    """The value of each example for which the documentation shows one; None if it cannot be run."""
    import keras

    # What an example draws should be the same in every run; of its labels, one is of the last class.
    np.random.seed(3)  # noqa: NPY002
    names = {"keras": SimpleNamespace(losses=losses, ops=keras.ops), "losses": losses, "np": np, "ops": keras.ops}
    for example in examples:
        source, value = example.source.strip(), None
        try:
            exec(source, names)
            found = source.partition(" = ")[0] if " = " in source.partition("(")[0] else source
            value = np.asarray(eval(found, names)) if example.want and "type" not in source else None
        except (NameError, AttributeError, AssertionError):  # one that begins in the middle, or that Keras does not run
            pass
        if example.want:
            yield value


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_example_of_keras_documentation_comes_out(name):
    """As printed; where Keras itself prints something else, as Keras does."""
    import keras.losses as theirs

    examples = doctest.DocTestParser().get_examples(inspect.getdoc(getattr(theirs, name)) or "")
    prints = [example.want.partition("dtype")[0] for example in examples if example.want]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        answers = zip(prints, _shown(examples, keras_losses), _shown(examples, theirs), strict=True)
        for text, mine, keras_own in answers:
            printed = re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)
            digits = [len(x.partition("e")[0].partition(".")[2]) - int(x.partition("e")[2] or 0) for x in printed]
            numbers = np.array(printed, float)
            # Some are printed with a digit more than float32 holds.
            unit = np.maximum(10.0 ** -np.array(digits, float), np.finfo(np.float32).eps * np.abs(numbers))
            as_printed = lambda x: np.size(x) == len(numbers) and np.all(np.abs(np.ravel(x) - numbers) <= unit)
            if mine is None or mine.dtype == object:
                assert keras_own is None or keras_own.dtype == object
            elif keras_own is None:
                assert as_printed(mine)
            else:
                np.testing.assert_allclose(mine, keras_own, rtol=2e-6, atol=1e-7)
                assert as_printed(mine) == as_printed(keras_own)
