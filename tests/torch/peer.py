"""How PyTorch and `jaxloss.torch` are asked for a row, and what their arrays hold."""

import copy
import dataclasses
import inspect
import json
import pickle
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxloss.torch as ours
from jaxloss.torch import functional as F
from tests import cases
from tests.cases import Domain
from tests.dropins.rows import Row, floating


def taxicab(x, y):
    """A distance of the arrays of either library."""
    return abs(x - y).sum(-1)


@dataclass(frozen=True, eq=False)
class TorchRow(Row):
    library = ours
    peer = "torch"
    shape = (6,)
    lengths = {"d": 4, "e": 2, "n": 3, "s": 4, "t": 9, "u": 1}
    common = ("size_average", "reduce", "reduction", "options")

    draws = 3
    stateful = False
    """Whether PyTorch's class holds weights, which ours takes when it is called."""

    @property
    def reductions(self):
        return self.form.reductions

    @property
    def has_form(self):
        """Those of regressions have no weight."""
        return self.options.keys() <= {field.name for field in dataclasses.fields(self.form)}

    def losses(self, arrays, options=None):
        return self.call(self.fn, arrays, reduction="none", **{**self.given(), **(options or {})})

    def call(self, fn, arrays, **told):
        """The call of a function of either library."""
        return fn(*self.ordered(arrays), **told)

    def answers(self, library, arrays, fully):
        found = {}
        if fully:
            fn = getattr(library.functional, self.fn.__name__)
            found["function"] = self.call(fn, arrays, **self._taken(library))
        for reduction in self.reductions if fully else ("mean",):
            found[reduction] = self.answer(library, arrays, reduction=reduction)
        return found

    def answer(self, library, arrays, **told):
        """The answer of the library's class form, or of its function where the form lacks an option."""
        told |= self._taken(library)
        if self.has_form and (library is ours or not self.stateful):
            return self.reduced(getattr(library, self.form.__name__)(**told), arrays)
        return self.call(getattr(library.functional, self.fn.__name__), arrays, **told)

    def _taken(self, library):
        """The options as the library takes them."""
        as_tensor = lambda v: _tensor(v) if isinstance(v, np.ndarray) and library is not ours else v
        return {k: as_tensor(v) for k, v in self.given().items()}

    def peers(self, arrays, fully):
        return self.beside(lambda library, arrays: self.answers(library, arrays, fully), arrays)

    def beside(self, ask, arrays):
        """What `ask` has from PyTorch, and the slopes of its `total`."""
        import torch

        tensors = {k: _tensor(x, requires_grad=k in floating(arrays)) for k, x in arrays.items()}
        answers, weighted = ask(torch.nn, tensors), torch.zeros(())
        for i, value in enumerate(answers.values()):
            factors = torch.cos(torch.arange(value.numel(), dtype=value.dtype)).reshape(value.shape)
            weighted = weighted + (factors * value).sum() / (1 + i)
        weighted.backward()
        slopes = {k: x.grad.numpy() for k, x in tensors.items() if x.requires_grad}
        return {k: value.detach().numpy() for k, value in answers.items()}, slopes

    def close(self, value, expected, what, slope=False):
        atol = 3e-5 if slope and self.fn is F.ctc_loss else 5e-6
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=atol, err_msg=what)

    def peers_dtype(self, arrays):
        import torch

        if self.fn in NO_HALVES and min(x.dtype.itemsize for x in floating(arrays).values()) == 2:
            return None
        tensors = {
            k: _tensor(np.asarray(x, np.float32)).to(getattr(torch, x.dtype.name))
            if k in floating(arrays)
            else _tensor(x)
            for k, x in arrays.items()
        }
        fn = getattr(torch.nn.functional, self.fn.__name__)
        return str(self.call(fn, tensors).dtype).removeprefix("torch.")

    def dtype(self, arrays):
        return jax.eval_shape(lambda: self.call(self.fn, arrays)).dtype.name

    def refusals(self, reduction):
        arrays = self.draw()
        calls = {self.form.__name__: lambda: self.form(reduction=reduction)}
        return calls | {self.fn.__name__: lambda: self.call(self.fn, arrays, reduction=reduction)}

    def pairs(self):
        import torch

        return [
            (self.fn, getattr(torch.nn.functional, self.fn.__name__)),
            (self.form, getattr(torch.nn, self.form.__name__)),
        ]

    def left_out(self, arrays, where):
        if "ignore_index" not in inspect.signature(self.fn).parameters or self.arrays["target"].differentiable:
            return []
        target = arrays["target"]
        kept = np.reshape(where, (-1, *(1,) * (target.ndim - 1)))
        return [({**arrays, "target": np.where(kept, target, self.options.get("ignore_index", -100))}, {})]

    def copies(self, form):
        options, config = self.given(), form.get_config()
        # A configuration has a function as it is, which no JSON can.
        through_json = config if any(map(callable, options.values())) else json.loads(json.dumps(config))
        return [
            self.form(**{k: jnp.asarray(v) if np.ndim(v) else v for k, v in options.items()}, reduction=form.reduction),
            self.form(**{k: np.asarray(v).tolist() for k, v in options.items()}, reduction=form.reduction),
            pickle.loads(pickle.dumps(form)),
            copy.deepcopy(form),
            form.replace(reduction="none").replace(reduction=form.reduction),
            ours.Loss.from_config(through_json),
            type(form).from_config(config),
            jax.tree.map(lambda leaf: leaf, form),
        ]


class LayerRow(TorchRow):
    """A loss of a last layer, whose bias is taken by keyword, and by the class form after the weights."""

    stateful = True

    def call(self, fn, arrays, **told):
        x, kernel, target, *bias = self.ordered(arrays)
        return fn(x, kernel, target, **dict(zip(["linear_bias"], bias, strict=False)), **told)

    def reduced(self, form, arrays, **more):
        x, kernel, target, *bias = self.ordered(arrays)
        return form(x, target, kernel, *bias, **more)

    def pairs(self):
        return super().pairs()[:1]


NO_HALVES = F.ctc_loss, F.multi_margin_loss, F.multilabel_margin_loss
"""The functions that PyTorch does not have for half precision, on a CPU."""


def _tensor(x: np.ndarray, **more: Any) -> Any:
    import torch

    # Contiguous: a slope of PyTorch's needs that.
    return torch.tensor(np.array(x, None if x.dtype.kind == "f" else np.int64, order="C"), **more)


# ---------------------------------------------------------------------------------------------------------- domains


def log_softmax(rng, shape, sizes):
    x = cases.normal(rng, shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def numbers(*values):
    """Given lengths."""
    return Domain(lambda rng, shape, sizes: np.array(values, np.int32).reshape(shape), "n", (), (-3, 99), False, False)


def symbols(blank=0):
    """Labels of a sequence, none of which is the blank."""

    def draw(rng, shape, sizes):
        drawn = rng.integers(1, sizes["c"], shape).astype(np.int32)
        return np.where(drawn == blank, np.int32(0), drawn)

    return Domain(draw, "ns", outside=(blank, -1, 10**6), differentiable=False)


def signs(axes):
    """1 and -1 as integers, in which PyTorch does not differentiate either."""
    draw = lambda rng, shape, sizes: cases.signs(rng, shape).astype(np.int32)
    return Domain(draw, axes, outside=(0, 2, -2), differentiable=False)


def truncated():
    """Lists of class indices, some of which end before their last entry, by -1."""

    def draw(rng, shape, sizes):
        drawn = rng.permuted(np.broadcast_to(np.arange(shape[-1], dtype=np.int32), shape), axis=-1)
        return np.where(rng.random(shape) < 0.3, np.int32(-1), drawn)

    return Domain(draw, "...c", outside=(-2, 10**6), differentiable=False)
