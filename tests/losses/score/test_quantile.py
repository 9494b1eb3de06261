from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import REALS, Case, Domain, Limit

QUANTILES = 3
LEVELS = Domain(
    lambda rng, shape, sizes: np.sort(rng.uniform(0.05, 0.95, shape)).astype(np.float32), "q", ends=(0.0, 1.0)
)


def pinball(x, t, quantile=0.5):
    return quantile * (t - x) if t >= x else (1 - quantile) * (x - t)


def numbers(levels):
    """An array of levels, or of numbers near them, as mpmath's."""
    return [v if isinstance(v, mp.mpf) else mp.mpf(float(v)) for v in levels]


def of_one(x, t, quantile=0.5):
    return pinball(x, t, mp.mpf(quantile))


def of_several(x, t, quantile):
    return mp.fsum(pinball(a, t, b) for a, b in zip(x, numbers(quantile), strict=True)) / len(x)


def expectile(x, t, expectile=0.5):
    level = mp.mpf(expectile)
    return (level if t >= x else 1 - level) * (t - x) ** 2


def rows():
    """Quantiles of every size around a target and far from it."""
    rng = np.random.default_rng(0)
    return around(10.0 ** rng.uniform(-3, 4, 60).astype(np.float32), QUANTILES, rng)


def around(targets, count, rng):
    """So many numbers near each target or far from it, and the targets, but for those that are met."""
    scales = 10.0 ** rng.uniform(-6, 4, (len(targets), 1))
    x = (targets[:, None] + scales * rng.normal(size=(len(targets), count))).astype(np.float32)
    apart = np.all(x != targets[:, None], -1)  # where a quantile is met, there is no curvature
    return x[apart], targets[apart]


S3, M3 = Limit(scaled=3), Limit(strict=3)
BOTH = {"predictions": M3, "targets": M3}
# Where a prediction is the target there is no curvature.
TARGETS = replace(REALS, hard=cases.choice(lambda: cases.reals() + np.float32(0.37)))
ONE = {"predictions": REALS, "targets": TARGETS}
LEVEL = (-0.1, 1.5, "median", True)
CASES = [
    Case(
        fn=jaxloss.quantile_loss,
        form=jaxloss.QuantileLoss,
        arrays=ONE,
        oracle=of_one,
        options={"quantile": 0.8},
        bad_options={"quantile": (*LEVEL, np.ones((2, 2), np.float32))},
        grid=lambda: cases.product(cases.reals() + np.float32(0.37), [0, 0.7, -3]),
        value=M3,
        gradient=BOTH,
        second=BOTH,
    ),
    Case(
        fn=jaxloss.quantile_loss,
        form=jaxloss.QuantileLoss,
        arrays={"predictions": REALS.over("...q"), "targets": TARGETS},
        oracle=of_several,
        options={"quantile": LEVELS},
        grid=rows,
        sizes={"q": QUANTILES},
        name="quantile_loss[several]",
        value=M3,
        gradient={"predictions": M3, "targets": S3},
        second=BOTH,
        gradient_terms=lambda x, t, quantile: {"targets": (1,)},
    ),
    Case(
        fn=jaxloss.expectile_loss,
        form=jaxloss.ExpectileLoss,
        arrays=ONE,
        oracle=expectile,
        options={"expectile": 0.8},
        bad_options={"expectile": (*LEVEL, np.ones(2, np.float32))},
        grid=lambda: cases.product(cases.reals() + np.float32(0.37), [0, 0.7, -3]),
        value=Limit(strict=4),
        gradient=BOTH,
        second=BOTH,
    ),
]


def test_several_quantiles_have_the_mean_of_their_losses():
    x, t = cases.normal(np.random.default_rng(0), (8, 3)), cases.normal(np.random.default_rng(1), 8)
    levels = np.float32([0.1, 0.5, 0.8])
    each = [jaxloss.quantile_loss(x[:, i], t, quantile=q) for i, q in enumerate(levels)]
    several = jaxloss.quantile_loss(x, t, quantile=levels)
    assert several.shape == (8,)
    np.testing.assert_allclose(several, np.mean(each, 0), rtol=1e-6)
    where = np.arange(8) % 3 > 0
    mean = jaxloss.QuantileLoss(quantile=levels)(x, t, where=where)
    np.testing.assert_allclose(mean, np.mean(np.asarray(each)[:, where]), rtol=1e-6)
    np.testing.assert_allclose(jaxloss.quantile_loss(x[:, :1], t, quantile=[0.1]), each[0], rtol=1e-6)


def test_where_a_prediction_is_the_target_the_slope_is_the_mean_of_both_sides():
    slope = jax.grad(lambda x, q: jaxloss.quantile_loss(x, jnp.float32(2), quantile=q))
    assert slope(2.0, 0.5) == 0
    np.testing.assert_allclose(slope(2.0, 0.9), -0.4, rtol=1e-6)


@pytest.mark.parametrize("level", [0.25, 0.5, 0.9])
def test_the_best_constant_is_the_quantile_and_the_expectile(level):
    t = np.sort(np.random.default_rng(2).exponential(size=2001)).astype(np.float32)
    candidates = np.linspace(0, 4, 801, dtype=np.float32)
    for loss, option, best in (
        (jaxloss.quantile_loss, "quantile", np.quantile(t, level)),
        (jaxloss.expectile_loss, "expectile", None),
    ):
        means = jax.vmap(lambda x, f=loss, o=option: jnp.mean(f(jnp.full_like(t, x), t, **{o: level})))(candidates)
        x = candidates[np.argmin(means)]
        if best is not None:
            assert abs(x - best) < 0.02
        else:
            excess, lack = np.maximum(t - x, 0).sum(), np.maximum(x - t, 0).sum()
            np.testing.assert_allclose(level * excess, (1 - level) * lack, rtol=0.02)


def test_the_answers_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    x, t = cases.normal(np.random.default_rng(3), (2, 64))
    for level in (0.0, 0.1, 0.5, 0.75, 1.0):
        theirs = metrics.mean_pinball_loss(t, x, alpha=level)
        np.testing.assert_allclose(jaxloss.QuantileLoss(quantile=level)(x, t), theirs, rtol=1e-5)


def test_the_complement_of_a_high_level_keeps_its_digits():
    one, zero = jnp.float32(1), jnp.float32(0)
    np.testing.assert_allclose(jaxloss.quantile_loss(one, zero, quantile=0.999999), 1e-6, rtol=1e-6)
    np.testing.assert_allclose(jaxloss.expectile_loss(one, zero, expectile=0.999999), 1e-6, rtol=1e-6)
    np.testing.assert_allclose(jaxloss.quantile_loss(one[None], zero, quantile=[0.999999]), 1e-6, rtol=1e-6)
