"""PyTorch's adaptive softmax: its parameters, and its answers beside PyTorch's own."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.experimental import checkify

import jaxloss
import jaxloss.torch as ours
from tests.cases import normal
from tests.compiling import jit, quick
from tests.dropins.collection import missing
from tests.random_calls import NOT_SHRUNK, some
from tests.refusing import refused

few = some(4, 12, **NOT_SHRUNK)
needs_torch = pytest.mark.skipif(missing("torch"), reason="torch is not installed")
SIZES = {
    "plain": ((16, 20, [4, 9]), {}),
    "narrower": ((16, 30, [5, 10, 22]), {"div_value": 2.0, "head_bias": True}),
    "one cluster": ((8, 7, [6]), {"div_value": 1.0}),
}
LOSS = ours.AdaptiveLogSoftmaxWithLoss(16, 20, [4, 9])


@needs_torch
@pytest.mark.parametrize("batch", [(9,), (1,), ()], ids=str)
@pytest.mark.parametrize("sizes", SIZES)
def test_answers_and_slopes_are_pytorchs(sizes, batch):
    import torch

    arguments, options = SIZES[sizes]
    torch.manual_seed(3)
    theirs, loss = (
        torch.nn.AdaptiveLogSoftmaxWithLoss(*arguments, **options),
        ours.AdaptiveLogSoftmaxWithLoss(*arguments, **options),
    )
    parameters = {name: value.numpy() for name, value in theirs.state_dict().items()}
    rng = np.random.default_rng(len(sizes))
    x = normal(rng, (*batch, arguments[0]))
    target = np.asarray(np.resize([0, arguments[1] - 1, *rng.permutation(arguments[1])], batch))
    leaf = torch.tensor(x, requires_grad=True)
    output, value = theirs(leaf, torch.tensor(target))
    (torch.cos(output).sum() + value).backward()

    def scored(parameters, x):
        found = loss(parameters, x, target)
        return jnp.cos(found.output).sum() + found.loss, found

    run = jit(jax.value_and_grad(scored, (0, 1), has_aux=True))
    (_, found), (in_parameters, in_x) = run(parameters, x)
    np.testing.assert_allclose(found.output, output.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.loss, value.item(), rtol=1e-5)
    np.testing.assert_allclose(in_x, leaf.grad.numpy(), rtol=1e-4, atol=1e-6)
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(in_parameters[name], 0 if parameter.grad is None else parameter.grad, 1e-4, 1e-6)
    if batch:
        every, best = jit(lambda x: (loss.log_prob(parameters, x), loss.predict(parameters, x)))(x)
        np.testing.assert_allclose(every, theirs.log_prob(leaf).detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(best, theirs.predict(leaf).numpy())


@needs_torch
def test_random_calls_are_answered_as_pytorch_answers_them():
    """Of either precision, with clusters, widths and parameters drawn; the slopes in the parameters too."""
    import torch

    @few
    @given(
        seed=st.integers(0, 2**31),
        shape=st.sampled_from([(5, 8), (12, 16)]),
        cutoffs=st.sampled_from([(3,), (2, 6), (1, 2, 9)]),
        div_value=st.sampled_from([1.0, 1.5, 2.0]),
        head_bias=st.booleans(),
        dtype=st.sampled_from(["float32", "float64"]),
    )
    def check(seed, shape, cutoffs, div_value, head_bias, dtype):
        rng, classes = np.random.default_rng(seed), cutoffs[-1] + 4
        sizes = shape[-1], classes, list(cutoffs), div_value, head_bias
        theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(*sizes, dtype=getattr(torch, dtype))
        parameters = {name: rng.normal(0, 0.3, tuple(p.shape)).astype(dtype) for name, p in theirs.named_parameters()}
        theirs.load_state_dict({name: torch.tensor(p) for name, p in parameters.items()})
        x, target = rng.normal(size=shape).astype(dtype), rng.integers(0, classes, shape[0])
        leaf = torch.tensor(x, requires_grad=True)
        expected = theirs(leaf, torch.tensor(target))
        (torch.cos(expected.output).sum() + 3 * expected.loss).backward()
        slopes = {k: np.zeros(p.shape) if p.grad is None else p.grad.numpy() for k, p in theirs.named_parameters()}

        def scored(parameters, x):
            found = ours.AdaptiveLogSoftmaxWithLoss(*sizes)(parameters, x, target)
            return jnp.cos(found.output).sum() + 3 * found.loss, found

        with jax.enable_x64(dtype == "float64"):
            run = quick(jax.value_and_grad(scored, (0, 1), has_aux=True))
            (_, found), (of_parameters, of_x) = run(parameters, x)
        close = {"rtol": 1e-4, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-10}
        assert found.output.dtype == of_x.dtype == dtype
        np.testing.assert_allclose(found.output, expected.output.detach().numpy(), **close)
        np.testing.assert_allclose(found.loss, expected.loss.item(), **close)
        np.testing.assert_allclose(of_x, leaf.grad.numpy(), **close)
        for name, slope in slopes.items():
            np.testing.assert_allclose(of_parameters[name], slope, **close, err_msg=name)

    check()


@needs_torch
@pytest.mark.parametrize("sizes", SIZES)
def test_parameters_are_drawn_as_pytorch_draws_them(sizes):
    import torch

    arguments, options = SIZES[sizes]
    state = torch.nn.AdaptiveLogSoftmaxWithLoss(*arguments, **options).state_dict()
    parameters = ours.AdaptiveLogSoftmaxWithLoss(*arguments, **options).init(jax.random.key(0))
    assert {k: v.shape for k, v in parameters.items()} == {k: tuple(v.shape) for k, v in state.items()}
    for name, value in parameters.items():
        width = arguments[0] if value.ndim == 1 else value.shape[-1]
        assert np.abs(value).max() <= width**-0.5, name
        assert np.std(value) > 0.2 * width**-0.5, name
    assert len({float(value.ravel()[0]) for value in parameters.values()}) == len(parameters)
    halves = ours.AdaptiveLogSoftmaxWithLoss(*arguments, **options).init(jax.random.key(0), jnp.bfloat16)
    assert {value.dtype for value in halves.values()} == {jnp.dtype(jnp.bfloat16)}


def test_it_is_a_value_and_a_batch_of_nothing_has_loss_zero():
    same = ours.AdaptiveLogSoftmaxWithLoss(16, n_classes=20, cutoffs=np.array([4, 9]))
    assert same == LOSS
    assert hash(same) == hash(LOSS)
    assert ours.AdaptiveLogSoftmaxWithLoss.from_config(json.loads(json.dumps(LOSS.get_config()))) == LOSS
    parameters = LOSS.init(jax.random.key(0))
    run = jax.jit(lambda loss, parameters, x, t: loss(parameters, x, t))
    found = run(LOSS, parameters, np.zeros((0, 16), np.float32), np.zeros(0, np.int32))
    assert (found.output.shape, found.loss) == ((0,), 0)


def test_a_target_out_of_range_is_nan_and_an_error_under_checked():
    parameters, x = LOSS.init(jax.random.key(0)), normal(np.random.default_rng(0), (3, 16))
    call = lambda x: LOSS(parameters, x, np.array([1, 20, -1]))
    found = jit(call)(x)
    assert np.isnan(found.output).tolist() == [False, True, True]
    slope = jit(jax.grad(lambda x: call(x).output.sum()))(x)
    assert np.any(slope[0])
    assert not np.any(slope[1:])
    error, _ = jit(checkify.checkify(jaxloss.checked(call)))(x)
    assert "AdaptiveLogSoftmaxWithLoss: target must be from 0 to 19" in error.get()


def test_halves_are_rounded_once():
    x = normal(np.random.default_rng(0), (5, 16))
    parameters = jax.tree.map(lambda p: p.astype(jnp.bfloat16), LOSS.init(jax.random.key(0)))
    half, target = jnp.asarray(x, jnp.bfloat16), np.arange(0, 20, 4)
    found = jit(lambda x: (LOSS(parameters, x, target), LOSS.log_prob(parameters, x)))(half)
    assert {x.dtype for x in jax.tree.leaves(found)} == {jnp.dtype(jnp.bfloat16)}
    wide = jax.tree.map(lambda p: p.astype(np.float32), parameters)
    expected = jit(LOSS)(wide, half.astype(np.float32), target)
    np.testing.assert_allclose(found[0].output.astype(np.float32), expected.output, rtol=2e-2)


MADE = [
    ((16, 20, []), ValueError, ["cutoffs", "19"]),
    ((16, 20, [4, 4]), ValueError, ["cutoffs", "ascending"]),
    ((16, 20, [0, 4]), ValueError, ["cutoffs", "from 1"]),
    ((16, 20, [4, 20]), ValueError, ["cutoffs", "19"]),
    ((16, 20, [4.5]), ValueError, ["cutoffs", "integers"]),
    ((3, 20, [4]), ValueError, ["div_value", "no feature"]),
]


@pytest.mark.parametrize(("arguments", "error", "words"), MADE)
def test_sizes_that_cannot_be(arguments, error, words):
    refused(lambda: ours.AdaptiveLogSoftmaxWithLoss(*arguments), *words, error=error)


CALLED = [
    ({"input": np.zeros((3, 11), np.float32)}, ValueError, ["input", "(N, 16)", "(3, 11)"]),
    ({"input": np.zeros((1, 3, 16), np.float32)}, ValueError, ["input", "(N, 16)"]),
    ({"input": np.zeros((3, 16), int)}, TypeError, ["input", "floats"]),
    ({"target": np.zeros(2, int)}, ValueError, ["target", "(3,)", "(2,)"]),
    ({"target": np.zeros(3, np.float32)}, TypeError, ["target", "integers"]),
    ({"parameters": {}}, TypeError, ["parameters", "head.weight", "init"]),
    ({"parameters": 3}, TypeError, ["parameters", "int"]),
]


@pytest.mark.parametrize(("change", "error", "words"), CALLED)
def test_calls_that_are_refused(change, error, words):
    given = {"parameters": LOSS.init(jax.random.key(0)), "input": np.zeros((3, 16), np.float32), "target": np.arange(3)}
    call = lambda: jax.eval_shape(lambda: LOSS(*{**given, **change}.values()))
    message = refused(call, *words, error=error)
    assert message.startswith("AdaptiveLogSoftmaxWithLoss: ")


def test_parameters_of_another_shape_are_refused():
    parameters = {**LOSS.init(jax.random.key(0)), "tail.1.0.weight": np.zeros((2, 16), np.float32)}
    call = lambda: jax.eval_shape(lambda: LOSS.predict(parameters, np.zeros((3, 16), np.float32)))
    refused(call, "tail.1.0.weight", "AdaptiveLogSoftmaxWithLoss", error=ValueError)
