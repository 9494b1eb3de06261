"""Elementwise losses: masked nans under `jax_debug_nans`, and options that vary by class."""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import cases, ulp
from tests.compiling import jit

NLL = lambda x, y, variance: jaxloss.gaussian_nll(x, y, variance=variance)


def _grid(*values):
    return [np.float32(a.ravel()) for a in np.meshgrid(*values, indexing="ij")]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_masked_nan_is_not_an_error_under_debug_nans(dtype):
    x, where = jnp.array([1.0, jnp.nan], dtype), jnp.array([True, False])
    with jax.debug_nans(True):
        for fn in (jaxloss.huber_loss, jaxloss.sigmoid_binary_cross_entropy, jaxloss.poisson_nll, jaxloss.log_cosh):
            slope = jax.grad(lambda x, fn=fn: fn(x, jnp.ones(2), where=where).sum())(x)
            assert slope[1] == 0
        for fn in (jaxloss.kl_divergence, jaxloss.js_divergence):
            slope = jax.grad(lambda x, fn=fn: fn(x, jnp.ones(2), where=where).sum())(x)
            assert slope[1] == 0


def test_the_weight_of_the_positives_may_vary_by_class():
    rng = np.random.default_rng(0)
    x, y = np.float32(rng.normal(0, 2, (4, 3))), np.float32(rng.integers(0, 2, (4, 3)))
    w = np.float32([0.5, 1.0, 3.0])
    p = 1 / (1 + np.exp(-x))
    for fn, predictions, option, values in (
        (jaxloss.sigmoid_binary_cross_entropy, x, "pos_weight", w),
        (jaxloss.binary_cross_entropy, p, "pos_weight", w),
        (jaxloss.sigmoid_focal_loss, x, "alpha", w / 4),
    ):
        run = lambda v, fn=fn, option=option, predictions=predictions: fn(predictions, y, **{option: v})
        losses, slope = jit(lambda v, run=run: (run(v), jax.grad(lambda v: run(v).sum())(v)))(values)
        for i, value in enumerate(values):
            column = lambda v, i=i, fn=fn, option=option, a=predictions: fn(a[:, i], y[:, i], **{option: v})
            np.testing.assert_allclose(losses[:, i], jit(column)(value), rtol=1e-6)
            np.testing.assert_allclose(slope[i], jit(jax.grad(lambda v, f=column: f(v).sum()))(value), rtol=1e-5)
        with pytest.raises(
            ValueError, match=rf"{option} must be a scalar or have one value for each class, shape \(3,\)"
        ):
            fn(predictions, y, **{option: np.ones(4, np.float32)})
        with pytest.raises(ValueError, match=option):
            fn(predictions, y, **{option: np.ones((4, 3), np.float32)})


def test_a_class_whose_elements_are_masked_may_have_any_weight():
    x, y, where = jnp.zeros((2, 2)), jnp.ones((2, 2)), jnp.array([True, False])
    for fn, option in ((jaxloss.sigmoid_binary_cross_entropy, "pos_weight"), (jaxloss.sigmoid_focal_loss, "alpha")):
        loss = lambda x, y, v, fn=fn, option=option: fn(x, y, **{option: v}, where=where[None]).sum()
        slopes = jit(jax.grad(loss, (0, 1, 2)))(x, y, jnp.array([0.5, jnp.nan]))
        assert all(np.isfinite(s).all() for s in slopes)


def test_a_class_of_weight_zero_contributes_nothing_at_an_infinite_loss():
    x, y = jnp.array([-jnp.inf, jnp.inf]), jnp.array([1.0, 0.0])
    for loss in (
        lambda x: jaxloss.sigmoid_binary_cross_entropy(x, y, pos_weight=jnp.zeros(2))[0],
        lambda x: jaxloss.sigmoid_focal_loss(x, y, alpha=jnp.array([0.0, 1.0])).sum(),
        lambda x: jaxloss.sigmoid_focal_loss(x[:1], y[:1], alpha=0.0).sum(),
    ):
        value, slope = jit(jax.value_and_grad(loss))(x)
        assert value == 0
        assert slope.tolist() == [0, 0]


def test_a_variance_may_be_a_scalar_or_vary_along_some_axes_only():
    x = np.float32(np.random.default_rng(0).normal(0, 2, (4, 3)))
    for v in (np.float32(2.0), np.float32([[0.5, 1, 2]]), np.float32([[1], [2], [3], [4]])):
        run = jit(lambda v: (NLL(x, 0 * x, v), jax.grad(lambda v: NLL(x, 0 * x, v).sum())(v)))
        losses, slope = run(v)
        wide = np.broadcast_to(v, x.shape)
        np.testing.assert_allclose(losses, 0.5 * (np.log(wide) + x * x / wide), rtol=1e-5, atol=1e-6)
        want = 0.5 * (1 - x * x / wide) / wide
        axes = tuple(i for i in range(2) if v.ndim == 0 or v.shape[i] == 1)
        np.testing.assert_allclose(slope, want.sum(axes).reshape(v.shape), rtol=1e-4, atol=1e-5)
    for wrong in ((3,), (4,), (2, 3)):
        with pytest.raises(ValueError, match="variance may be a scalar"):
            NLL(x, x, np.ones(wrong, np.float32))


def test_a_weight_by_class_is_sharded_in_its_own_way():
    mesh = jax.make_mesh((2, 4), ("b", "c"), axis_types=(AxisType.Explicit,) * 2)
    rng = np.random.default_rng(0)
    x, y = np.float32(rng.normal(0, 2, (4, 8))), np.float32(rng.integers(0, 2, (4, 8)))
    w = np.float32(rng.uniform(0.1, 0.9, 8))
    for fn, option in ((jaxloss.sigmoid_binary_cross_entropy, "pos_weight"), (jaxloss.sigmoid_focal_loss, "alpha")):
        run = jit(jax.value_and_grad(lambda x, w, fn=fn, option=option: fn(x, y, **{option: w}).mean(), (0, 1)))
        want = run(x, w)
        ways = [
            (P("b", "c"), P(None)),
            (P("b", None), P("c")),
            (P("b", "c"), P("c")),
            (P("b", None), P(None)),
            (P(None, "c"), P("c")),
        ]
        for of_x, of_w in ways if cases.EVERY else ways[:2]:
            put = [jax.device_put(a, NamedSharding(mesh, s)) for a, s in ((x, of_x), (w, of_w))]
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), run(*put), want)


def test_outcomes_that_teacher_and_student_both_exclude_leave_a_gradient():
    softmax = partial(jax.nn.softmax, axis=-1)
    student, teacher = jnp.array([-jnp.inf, 1.0, 2.0]), jnp.array([-jnp.inf, 0.5, -200.0])
    losses = {
        "kl": lambda m, t: jaxloss.kl_divergence(jaxloss.log_softmax(m), softmax(t)),
        "log": lambda m, t: jaxloss.kl_divergence_with_log_targets(jaxloss.log_softmax(m), jaxloss.log_softmax(t)),
        "kl of probabilities": lambda m, t: jaxloss.kl_divergence_from_probabilities(softmax(m), softmax(t)),
        "js": lambda m, t: jaxloss.js_divergence(softmax(m), softmax(t)),
        "js of logits": jaxloss.js_divergence_from_logits,
    }

    @jit
    def run(m, t):
        first = {k: jax.grad(lambda m, t, f=f: 1024 * f(m, t), (0, 1)) for k, f in losses.items()}
        return {k: (g(m, t), jax.jvp(g, (m, t), (jnp.ones(3), jnp.arange(3.0)))[1]) for k, g in first.items()}

    got, want = run(student, teacher), run(student[1:2] * 0 + jnp.array([-90.0, 1, 2]), jnp.array([-90.0, 0.5, -90]))
    for k, answers in got.items():
        for a, b in zip(jax.tree.leaves(answers), jax.tree.leaves(want[k]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3, err_msg=k)


def _focal(x, y, gamma):
    hit, miss = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return -((y * miss + (1 - y) * hit) ** gamma) * (y * mp.log(hit) + (1 - y) * mp.log(miss))


def test_the_focal_loss_has_right_first_and_second_derivatives_where_it_is_confident():
    mp.mp.dps = ulp.DIGITS
    points = _grid([-100, -60, -9, -0.7, 0.4, 3, 30, 100], [0, 0.3, 1], [0, 0.3, 0.5, 1, 2, 5])
    f = lambda x, y, gamma: jaxloss.sigmoid_focal_loss(x, y, gamma=gamma)
    first = jax.grad(f, (0, 1, 2))
    each = jax.vmap(lambda *a: (f(*a), first(*a), jax.jacfwd(first, (0, 1, 2))(*a)))
    value, slopes, seconds = jax.tree.map(np.float64, jax.jit(each)(*points))
    for i, point in enumerate(zip(*points, strict=True)):
        x = [ulp.exact(v) for v in point]
        q = x[1] / (1 + mp.exp(x[0])) + (1 - x[1]) / (1 + mp.exp(-x[0]))
        h = [mp.mpf(10) ** -25, q * mp.mpf(10) ** -25, mp.mpf(10) ** -25]
        at = lambda *moves, x=x, h=h: mp.re(_focal(*(v + h[k] * sum(m == k for m in moves) for k, v in enumerate(x))))
        assert ulp.ulps(value[i], at()) <= 8, point
        for k in range(3):
            truth = (at(k) - at()) / h[k]
            assert abs(slopes[k][i] - truth) <= 1e-5 * abs(truth) + mp.mpf(10) ** -30, (point, k)
            for j in range(3):
                truth = (at(k, j) - at(k) - at(j) + at()) / (h[k] * h[j])
                size = max(abs(truth), abs(slopes[k][i]), abs(slopes[j][i]))
                assert abs(seconds[k][j][i] - truth) <= 1e-4 * size + mp.mpf(10) ** -30, (point, k, j)
