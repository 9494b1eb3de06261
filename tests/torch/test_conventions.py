"""PyTorch's rules: deprecated arguments, broadcasting, dtypes."""

import inspect
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.torch as ours
from jaxloss.torch import functional as F
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.dropins.rows import plainest
from tests.torch.rows import ROWS

needs_torch = pytest.mark.skipif(missing("torch"), reason="torch is not installed")
PLAIN = plainest(row for row in ROWS if row.samples)
pytestmark = pytest.mark.filterwarnings("ignore:.*'mean' divides:UserWarning")


@needs_torch
@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_the_deprecated_arguments_override_the_reduction_as_in_torch(size_average, reduce):
    import torch

    legacy = {"size_average": size_average, "reduce": reduce}
    for row in PLAIN:
        if "reduce" not in inspect.signature(row.fn).parameters:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(torch.nn, row.form.__name__)(**legacy, reduction="sum").reduction
        given = {**legacy, "reduction": "sum"}
        if size_average is None and reduce is None:
            assert row.form(**given).reduction == theirs == "sum"
            continue
        with pytest.warns(DeprecationWarning, match=f"{row.form.__name__}.*{theirs!r}"):
            form = row.form(**given)
        assert form.reduction == theirs
        arguments = row.ordered(row.draw())
        with pytest.warns(DeprecationWarning, match=f"{row.fn.__name__}.*{theirs!r}"):
            value = jax.eval_shape(lambda a=arguments, fn=row.fn: fn(*a, **given))
        assert (value.shape != ()) == (theirs == "none")


def test_a_warning_of_the_deprecated_points_at_the_caller():
    for call in (lambda: ours.MSELoss(reduce=True), lambda: F.mse_loss(jnp.ones(2), jnp.ones(2), reduce=True)):
        with pytest.warns(DeprecationWarning, match="deprecated") as caught:
            call()
        assert [w.filename for w in caught] == [__file__]


@needs_torch
@pytest.mark.filterwarnings("ignore:.*target size:UserWarning")
def test_shapes_broadcast_where_torchs_do():
    import torch

    reductions = {row.fn.__name__: row.reductions for row in ROWS}
    x, y = np.float32([[0.5], [0.75], [0.125]]), np.float32([0.25, 0.5, 0.125, 0.75])
    wide, weight = np.tile(y, (3, 1)), np.float32([[1], [2], [3]])
    calls = [
        (name, (x, y, *arrays), reduction)
        for name in ("l1_loss", "mse_loss", "huber_loss", "smooth_l1_loss", "poisson_nll_loss", "kl_div")
        for reduction in reductions[name]
        for arrays in ([(), (weight,)] if name in ("l1_loss", "mse_loss", "huber_loss") else [()])
    ] + [("gaussian_nll_loss", (x, wide, x), "none"), ("gaussian_nll_loss", (x, y, 2.0), "sum")]

    def answers(library, calls):
        for name, (a, b, *rest), reduction in calls:
            named = {"var" if name.startswith("gaussian") else "weight": c for c in rest}
            yield getattr(library, name)(a, b, reduction=reduction, **named)

    with pytest.warns(UserWarning, match=r"target \(4,\) and input \(3, 1\) differ in shape"):
        got = jit(lambda: list(answers(F, calls)))()
    as_torch = lambda x: torch.tensor(x) if isinstance(x, np.ndarray) else x
    theirs = answers(torch.nn.functional, [(n, tuple(map(as_torch, a)), r) for n, a, r in calls])
    for call, value, expected in zip(calls, got, theirs, strict=True):
        np.testing.assert_allclose(value, expected.numpy(), rtol=1e-5, err_msg=str(call))


MIXED = [
    ("float32", "bfloat16", "float32"),
    ("bfloat16", "float16", "float32"),
    ("float16", "float64", "float64"),
    ("bfloat16", "int32", "bfloat16"),
]


@pytest.mark.parametrize(("first", "second", "result"), MIXED)
def test_inputs_of_two_dtypes_have_the_wider(first, second, result):
    with jax.enable_x64("float64" in (first, second)):
        x, y = jnp.ones((2, 3), first), jnp.ones((2, 3), second)
        for name in ("mse_loss", "poisson_nll_loss", "binary_cross_entropy", "cross_entropy", "kl_div"):
            if (name, second) != ("cross_entropy", "int32"):
                assert jax.eval_shape(getattr(F, name), x, y).dtype == result
        assert jax.eval_shape(partial(F.mse_loss, weight=np.ones((2, 3), np.float32)), x, x).dtype == first
