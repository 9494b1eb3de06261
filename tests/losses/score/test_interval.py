import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import REALS, Case, Domain, Limit
from tests.compiling import quick
from tests.losses.score.test_quantile import TARGETS, around, numbers

INTERVALS = 2
SIZES = {"q": 2 * INTERVALS + 1, "k": INTERVALS}
ALPHAS = Domain(lambda rng, shape, sizes: rng.uniform(0.05, 0.95, shape).astype(np.float32), "k", ends=(0.0, 1.0))


def interval(low, high, t, alpha=0.1):
    factor = 2 / mp.mpf(alpha)
    return (high - low) + factor * max(low - t, 0) + factor * max(t - high, 0)


def weighted(x, t, alpha):
    """Written from the paper: of the median and the intervals, weighted."""
    k, median = len(alpha), x[len(x) // 2]
    # The factor of the paper, alpha over 2, is multiplied into its score: alpha may be 0.
    scores = [
        a / 2 * (x[-1 - i] - x[i]) + max(x[i] - t, 0) + max(t - x[-1 - i], 0) for i, a in enumerate(numbers(alpha))
    ]
    return (abs(t - median) / 2 + mp.fsum(scores)) / (k + mp.mpf(1) / 2)


def triples():
    """Targets inside and outside of intervals of every size, and ends in the wrong order."""
    rng = np.random.default_rng(0)
    low = rng.choice(cases.reals(), 120)
    high = low + rng.choice([1, 1, 1, -0.5], 120) * 10.0 ** rng.uniform(-6, 4, 120)
    t = low + (high - low) * rng.choice([-3e3, -0.7, 0.2, 0.9, 1.7, 1e3], 120)
    return tuple(np.float32(x) for x in (low, high, t))


def rows():
    rng = np.random.default_rng(1)
    return around(-(10.0 ** rng.uniform(-3, 4, 60).astype(np.float32)), 5, rng)


M3, S3 = Limit(strict=3), Limit(scaled=3)
LEVEL = (-0.1, 1.5, "wide", True)
CASES = [
    Case(
        fn=jaxloss.interval_score,
        form=jaxloss.IntervalScore,
        held=2,  # a sum of two terms, which XLA's library for CPUs is given as two arrays
        arrays={"lower": REALS, "upper": REALS, "targets": TARGETS},
        oracle=interval,
        options={"alpha": 0.3},
        bad_options={"alpha": (0.0, *LEVEL, np.ones(2, np.float32))},
        grid=triples,
        value=Limit(strict=3),
        gradient={"lower": M3, "upper": M3, "targets": M3},
        second={"lower": M3, "upper": M3, "targets": M3},
    ),
    Case(
        fn=jaxloss.weighted_interval_score,
        form=jaxloss.WeightedIntervalScore,
        arrays={"predictions": REALS.over("...q"), "targets": TARGETS},
        oracle=weighted,
        options={"alpha": ALPHAS},
        bad_options={"alpha": (*LEVEL, np.ones((2, 2), np.float32))},
        grid=rows,
        sizes=SIZES,
        value=Limit(strict=4),
        gradient={"predictions": M3, "targets": S3},
        second={"predictions": M3, "targets": M3},
        gradient_terms=lambda x, t, alpha: {"targets": (1,)},
    ),
]


def test_it_is_twice_the_mean_pinball_loss():
    rng = np.random.default_rng(2)
    alpha = np.float32([0.02, 0.1, 0.5])
    levels = np.concatenate([alpha / 2, [0.5], 1 - alpha[::-1] / 2]).astype(np.float32)
    x, t = np.sort(cases.normal(rng, (16, 7)), -1), cases.normal(rng, 16)
    weighted = jaxloss.weighted_interval_score(x, t, alpha=alpha)
    np.testing.assert_allclose(weighted, 2 * jaxloss.quantile_loss(x, t, quantile=levels), rtol=1e-6)
    scores = [a / 2 * jaxloss.interval_score(x[:, i], x[:, -1 - i], t, alpha=a) for i, a in enumerate(alpha)]
    np.testing.assert_allclose(weighted, (abs(t - x[:, 3]) / 2 + sum(scores)) / 3.5, rtol=1e-5)


def test_without_levels_it_has_those_of_the_forecast_hubs():
    """With many central intervals it tends to the CRPS of the law."""
    stats = pytest.importorskip("scipy.stats")
    alpha = np.concatenate([[0.02, 0.05], np.arange(0.1, 0.95, 0.1)])
    levels = np.concatenate([alpha / 2, [0.5], 1 - alpha[::-1] / 2])
    x = np.float32(stats.norm.ppf(levels))
    t = np.float32([-1.3, 0.2, 3])
    hub = jaxloss.weighted_interval_score(np.tile(x, (3, 1)), t)
    np.testing.assert_allclose(hub, jaxloss.weighted_interval_score(np.tile(x, (3, 1)), t, alpha=alpha), rtol=1e-6)
    alpha = (np.arange(500) + 0.5) / 500
    x = stats.norm.ppf(np.concatenate([alpha / 2, [0.5], 1 - alpha[::-1] / 2]))
    many = jaxloss.weighted_interval_score(np.tile(np.float32(x), (3, 1)), t, alpha=alpha)
    np.testing.assert_allclose(many, jaxloss.crps_gaussian(jnp.zeros(3), t, scale=1.0), rtol=5e-3)
    assert jaxloss.WeightedIntervalScore() == jaxloss.WeightedIntervalScore(alpha=None)


def test_the_form_takes_targets_after_the_two_ends():
    low, high, t = np.float32([0, 1]), np.float32([2, 3]), np.float32([1, 5])
    form = jaxloss.IntervalScore(alpha=0.5, reduction="none")
    np.testing.assert_array_equal(form(low, high, targets=t), [2, 10])
    np.testing.assert_array_equal(form.losses(low, high, targets=t), [2, 10])
    assert form.replace(reduction="mean").total(low, high, targets=t) == (12, 2)
    with pytest.raises(TypeError, match="IntervalScore: takes no upper"):
        form(low, upper=high)
    with pytest.raises(TypeError, match="HuberLoss: got targets by position and by keyword"):
        jaxloss.HuberLoss()(low, high, targets=t)
    assert jaxloss.HuberLoss()(predictions=low, targets=high) == jaxloss.HuberLoss()(low, high)


def test_the_true_quantiles_have_the_least_mean_score():
    stats = pytest.importorskip("scipy.stats")
    t = stats.norm.ppf((np.arange(4001) + 0.5) / 4001).astype(np.float32)
    best, alpha = np.float32(stats.norm.ppf(0.9)), 0.2
    score = lambda low, high: jnp.mean(jaxloss.interval_score(low + 0 * t, high + 0 * t, t, alpha=alpha))
    mean = quick(score)
    least = mean(-best, best)
    for low, high in ((0.8, 1), (1.2, 1), (1, 0.8), (1, 1.2), (0.9, 0.9), (1.1, 1.1)):
        assert mean(-low * best, high * best) > least
    slopes = quick(jax.grad(score, (0, 1)))(-best, best)
    np.testing.assert_allclose(slopes, 0, atol=5e-3)


def test_the_answers_are_scoringrules():
    rules = pytest.importorskip("scoringrules")
    low, high, t = triples()
    np.testing.assert_allclose(
        jaxloss.interval_score(low, high, t, alpha=0.2), rules.interval_score(t, low, high, 0.2), rtol=1e-4
    )
    x, t = rows()
    x, alpha = np.sort(x, -1), np.float32([0.2, 0.5])
    # Without its term of the median, which in version 0.10 is half the median, not half its distance from the target.
    expected = rules.weighted_interval_score(t, x[:, 2], x[:, :2], x[:, :2:-1], alpha, w_median=0.0)
    expected += abs(t - x[:, 2]) / 2 / 2.5
    np.testing.assert_allclose(jaxloss.weighted_interval_score(x, t, alpha=alpha), expected, rtol=1e-4)


def test_a_sum_of_scores_takes_its_targets_by_keyword():
    lower, upper, t = jnp.zeros(2), jnp.ones(2), jnp.full(2, 3.0)
    total = 0.5 * jaxloss.IntervalScore() + jaxloss.IntervalScore(alpha=0.5)
    np.testing.assert_allclose(total(lower, upper, targets=t), 0.5 * (1 + 20 * 2) + (1 + 4 * 2), rtol=1e-6)
