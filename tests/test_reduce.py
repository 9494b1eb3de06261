"""`reduce` and `total` at their edges: dtypes of weights and masks, nothing to reduce, and what is not a number."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from jaxloss import reduce, total
from tests import cases
from tests.compiling import jit, optimized

REDUCTIONS = ["none", "sum", "mean", "sum_over_batch_size"]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (0, 0)])
def test_empty_losses_reduce_to_zeros_over_every_axis(shape):
    losses = jnp.zeros(shape)
    for axis in (None, *range(len(shape)), -1, [0], ()):
        expected = np.zeros(shape).sum(tuple(axis) if isinstance(axis, list) else axis)
        for reduction in REDUCTIONS[1:]:
            for more in ({}, {"weights": jnp.zeros(shape[:1])}, {"where": jnp.ones(shape, bool)}):
                got = reduce(losses, axis=axis, reduction=reduction, **more)
                np.testing.assert_array_equal(got, expected)
        for part in total(losses, axis=axis):
            np.testing.assert_array_equal(part, expected)
    with pytest.raises(ValueError, match="reduce: axis 5 is out of range"):
        reduce(losses, axis=5)
    with pytest.raises(ValueError, match="total: axis"):
        total(losses, axis=(0, 0))
    with pytest.raises(TypeError, match="reduce: axis must be"):
        reduce(losses, axis="batch")


@pytest.mark.parametrize("x64", [False, True])
def test_weights_of_every_dtype_weigh_alike_under_strict_promotion(x64):
    losses, weights = np.array([1.0, 4.0, 9.0]), np.array([2, 0, 1])
    kinds = ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
    with jax.enable_x64(x64):
        for dtype in ("bfloat16", "float16", "float32", *(["float64"] if x64 else [])):
            row = jnp.asarray(losses, dtype)
            given = [
                np.asarray(jnp.asarray(weights % 2 if kind == "bool" else weights, "float32")).astype(kind)
                for kind in kinds
            ]
            run = jit(
                lambda row, given: [[reduce(row, weights=w, reduction=r).sum() for w in given] for r in REDUCTIONS]
            )
            answers = run(row, given)
            wide = np.float64 if dtype == "float64" else np.float32
            for reduction, found in zip(REDUCTIONS, answers, strict=True):
                for kind, value in zip(kinds, found, strict=True):
                    w = weights % 2 if kind == "bool" else weights
                    divisor = {"mean": w.sum(), "sum_over_batch_size": 3}.get(reduction, 1)
                    assert value.dtype == wide
                    np.testing.assert_allclose(value, (w * losses).sum() / divisor, rtol=1e-6)


def test_all_zero_weights_give_zero_slopes_in_losses_and_weights():
    losses, weights, none = jnp.array([1.0, 2.0]), jnp.zeros(2), jnp.zeros(2, bool)
    for reduction in REDUCTIONS:
        for more in ({}, {"where": none}):
            run = lambda losses, weights: reduce(losses, weights=weights, reduction=reduction, **more).sum()
            value, (slope, of_weights) = jax.value_and_grad(run, argnums=(0, 1))(losses, weights)
            assert value == 0
            np.testing.assert_array_equal(slope, 0)
            assert np.isfinite(of_weights).all()
            if more:
                np.testing.assert_array_equal(of_weights, 0)
    spoiled = jnp.array([jnp.nan, jnp.inf])
    value, slope = jax.value_and_grad(lambda losses: reduce(losses, where=none))(spoiled)
    assert value == 0
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("mask", [np.array([1, 0]), np.array([1.0, 0.0]), "no", None])
def test_a_mask_that_is_not_boolean_is_refused(mask):
    losses = jnp.array([1.0, 3.0])
    if mask is None:
        assert reduce(losses, where=mask) == 2
        return
    with pytest.raises(TypeError, match="reduce: where must be"):
        reduce(losses, where=mask)
    assert reduce(losses, where=[True, False]) == 1
    assert jaxloss.HuberLoss()(losses, losses + 1, where=[True, False]) == 0.5


@pytest.mark.skipif(not cases.EVERY, reason="takes seconds and a gigabyte; part of `make test-all`")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(10**8,), (10**4, 10**4)], ids=str)
def test_the_mean_of_a_hundred_million_losses_keeps_its_digits(shape, dtype):
    """Added one by one in float32, they would stop growing the sum at 2**24 times their size."""
    x = np.random.default_rng(0).standard_exponential(shape, dtype=np.float32).astype(jnp.dtype(dtype))
    kept = np.broadcast_to(np.arange(shape[-1]) % 3 > 0, shape)
    parts = [(np.float64(a), k) for a, k in zip(x.reshape(100, -1), kept.reshape(100, -1), strict=True)]
    expected = (
        math.fsum(a.sum() for a, _ in parts) / x.size,
        math.fsum(np.square(a).sum() for a, _ in parts) / x.size,
        math.fsum(a[k].sum() for a, k in parts) / np.count_nonzero(kept),
    )
    size, square = jaxloss.AbsoluteError(), jaxloss.SquaredError()
    got = optimized(lambda x, kept: (size(x), square(x), size(x, where=kept)))(x, kept)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
