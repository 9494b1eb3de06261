"""The Gaussian law takes a third array, its variance, so it is no row of the common sweeps: they are all here."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax.experimental import checkify
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import ulp
from tests.compiling import jit

CASES = []
each = jaxloss.GaussianNLL(full=True, reduction="none")


def oracle(error, variance):
    return mp.log(variance) / 2 + error**2 / (2 * variance)


def grid():
    """Errors and variances of every size whose second derivatives float32 holds, and errors near a deviation."""
    sizes = [1e-12, 1e-6, 1e-3, 0.1, 0.7, 1, 1.5, 3, 40, 1e3, 1e6, 1e12]
    pairs = [(e, v) for e in [0, *sizes, *(-s for s in sizes)] for v in sizes if max(e * e / v, e * e / v**3) < 1e37]
    pairs += [(s * math.sqrt(v) * (1 + d), v) for s in (-1, 1) for v in (*sizes, 1e-18, 1e18) for d in (0, 1e-4, 0.1)]
    return np.array(pairs, np.float32).T


def drawn(seed=0, shape=(16,)):
    rng = np.random.default_rng(seed)
    means, targets = rng.normal(0, 2, (2, *shape)).astype(np.float32)
    return means, targets, np.exp(rng.normal(0, 1, shape)).astype(np.float32)


@pytest.mark.parametrize("order", ["value", "first", "second"])
def test_values_and_slopes_are_those_of_arbitrary_precision(order):
    mp.mp.dps, (errors, variances), worst = ulp.DIGITS, grid(), {}
    ones = jnp.ones_like(errors)

    @jax.jit
    def run(e, v):
        losses = lambda e, v: jaxloss.gaussian_nll(e, jnp.zeros_like(e), variance=v)
        slopes = jax.grad(lambda e, v: losses(e, v).sum(), (0, 1))
        curved = [jax.jvp(slopes, (e, v), d)[1] for d in ((ones, 0 * ones), (0 * ones, ones))]
        return {"value": [losses(e, v)], "first": slopes(e, v), "second": [*curved[0], *curved[1]]}

    truths = {
        "value": [lambda e, v: (oracle(e, v), (abs(mp.log(v) / 2), e * e / 2 / v))],
        "first": [lambda e, v: (e / v, ()), lambda e, v: ((1 - e * e / v) / (2 * v), (1 / v, e * e / v**2))],
        "second": [
            lambda e, v: (1 / v, ()),
            lambda e, v: (-e / v**2, ()),
            lambda e, v: (-e / v**2, ()),
            lambda e, v: ((2 * e * e / v - 1) / (2 * v**2), (1 / v**2, e * e / v**3)),
        ],
    }
    for got, truth in zip(run(errors, variances)[order], truths[order], strict=True):
        for g, e, v in zip(got, map(ulp.exact, errors), map(ulp.exact, variances), strict=True):
            exact, terms = truth(e, v)
            off = ulp.ulps(g, exact, max([abs(exact), *terms]))
            if off > 4:
                worst[off] = (g, mp.nstr(exact), mp.nstr(e), mp.nstr(v))
    assert not worst


def test_the_constant_makes_it_a_density():
    t = np.linspace(-30, 40, 20001, dtype=np.float32)
    p = jnp.exp(-each(jnp.full_like(t, 3.0), t, variance=jnp.full_like(t, 7.0)))
    np.testing.assert_allclose(jnp.sum(p) * (t[1] - t[0]), 1, rtol=1e-5)


@pytest.mark.parametrize("planted", [np.nan, np.inf, -1.0])
def test_what_is_masked_changes_nothing(planted):
    means, targets, variance = drawn()
    where = np.arange(16) % 3 > 0
    run = jit(
        jax.value_and_grad(
            lambda *a: jaxloss.GaussianNLL()(*a[:2], variance=a[2], where=where, weights=a[2]), (0, 1, 2)
        )
    )
    expected = run(means, targets, variance)
    got = run(*(np.where(where, a, np.float32(planted)) for a in (means, targets, variance)))
    # The weight is masked too, but for its own gradient.
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    assert not any(np.any(slope[~where]) for slope in expected[1])


def test_a_variance_that_is_not_above_zero_is_nan_in_its_element_and_an_error_under_checked():
    variance = jnp.array([1.0, 0.0, -1.0, jnp.nan])
    run = lambda v: jaxloss.gaussian_nll(jnp.ones(4), jnp.zeros(4), variance=v)
    for answer in jit(lambda v: (run(v), jax.grad(lambda v: run(v).sum())(v)))(variance):
        assert np.isnan(answer).tolist() == [False, True, True, True]
    error, _ = jit(checkify.checkify(jaxloss.checked(run)))(variance)
    assert "gaussian_nll: variance must be above 0" in error.get()


def test_transformations_agree():
    means, targets, variance = drawn()
    batched = jit(each)(means, targets, variance=variance)
    one_by_one = jit(jax.vmap(lambda m, t, v: each(m, t, variance=v)))(means, targets, variance)
    np.testing.assert_allclose(one_by_one, batched, rtol=1e-6)
    mean = jit(lambda loss, *a: loss(*a[:2], variance=a[2]))(jaxloss.GaussianNLL(full=True), means, targets, variance)
    np.testing.assert_allclose(mean, batched.mean(), rtol=1e-6)
    numerator, denominator = jaxloss.GaussianNLL(full=True).total(means, targets, variance=variance)
    np.testing.assert_allclose(numerator / denominator, mean, rtol=1e-6)
    exported = jax.export.export(jax.jit(each), platforms=("cpu", "tpu", "cuda"))(means, targets, variance=variance)
    np.testing.assert_allclose(exported.call(means, targets, variance=variance), batched, rtol=1e-6)


def test_one_mean_on_eight_devices():
    arrays = drawn()
    mean = lambda loss: lambda m, t, v: loss(m, t, variance=v, weights=v, where=m > -2)
    expected = jit(jax.value_and_grad(mean(jaxloss.GaussianNLL())))(*arrays)

    def check(answer):
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), answer, expected)

    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split = jax.shard_map(
        mean(jaxloss.GaussianNLL(axis_name="data")), mesh=mesh, in_specs=(P("data"),) * 3, out_specs=P()
    )
    check(jit(jax.value_and_grad(split))(*arrays))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    put = [jax.device_put(a, NamedSharding(mesh, P("data"))) for a in arrays]
    check(jit(jax.value_and_grad(mean(jaxloss.GaussianNLL())))(*put))


@pytest.mark.parametrize(("dtype", "result"), [("bfloat16", "float32"), ("float16", "float32"), ("float64", "float64")])
def test_dtypes(dtype, result):
    with jax.enable_x64(dtype == "float64"):
        arrays = [jnp.asarray(a, dtype) for a in drawn()]
        value, slope = jit(jax.value_and_grad(lambda m, t, v: each(m, t, variance=v).sum()))(*arrays)
        assert (value.dtype, slope.dtype) == (result, dtype)
        m, t, v = (np.float64(a) for a in arrays)
        truth = 0.5 * (np.log(2 * np.pi * v) + (m - t) ** 2 / v)
        np.testing.assert_allclose(value, truth.sum(), rtol=1e-6 if result == "float32" else 1e-14)
        mixed = jaxloss.gaussian_nll(arrays[0].astype("float32"), np.float32(t), variance=arrays[2])
        assert mixed.dtype == result


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (ValueError, ["predictions (16,)", "targets (15,)"], {"targets": np.zeros(15, np.float32)}),
        (ValueError, ["predictions (16,)", "variance ()"], {"variance": 1.0}),
        (TypeError, ["predictions", "int32"], {"predictions": np.zeros(16, np.int32)}),
        (TypeError, ["variance", "str"], {"variance": "unit"}),
        (ValueError, ["full", "'yes'"], {"full": "yes"}),
        (ValueError, ["where (5,)"], {"where": np.ones(5, bool)}),
    ],
)
def test_bad_input_is_refused(error, words, change):
    means, targets, variance = drawn()
    arguments = {"predictions": means, "targets": targets, "variance": variance, **change}
    with pytest.raises(error) as raised:
        jax.eval_shape(partial(jaxloss.gaussian_nll, **arguments))
    for word in ("gaussian_nll", *words):
        assert word in str(raised.value)
