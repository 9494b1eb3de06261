"""The laws of lifetimes beside scipy.stats and lifelines, and what holds for all of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from tests.compiling import quick

LAWS = {
    "exponential": (jaxloss.exponential_nll, {}),
    "Weibull": (jaxloss.weibull_nll, {"concentration": 1.7}),
    "log-normal": (jaxloss.log_normal_nll, {"scale": 0.6}),
    "log-logistic": (jaxloss.log_logistic_nll, {"scale": 0.6}),
}
each_law = pytest.mark.parametrize("name", LAWS)


def _frozen(stats, name, x):
    """The law of scipy.stats of a location of the logarithm."""
    return {
        "exponential": lambda: stats.expon(scale=np.exp(x)),
        "Weibull": lambda: stats.weibull_min(1.7, scale=np.exp(x)),
        "log-normal": lambda: stats.lognorm(0.6, scale=np.exp(x)),
        "log-logistic": lambda: stats.fisk(1 / 0.6, scale=np.exp(x)),
    }[name]()


def _data(count=40):
    rng = np.random.default_rng(11)
    x, t = rng.normal(0, 1, count), np.exp(rng.normal(0, 1, count))
    return x, t, t * rng.uniform(0.05, 0.9, count), t * rng.uniform(1.1, 4, count)


@each_law
def test_scipy_has_the_same_likelihoods(name):
    stats = pytest.importorskip("scipy.stats")
    fn, options = LAWS[name]
    x, t, entry, upper = _data()
    law = _frozen(stats, name, x)
    right = np.arange(len(t)) % 3 == 1
    left = np.arange(len(t)) % 3 == 2
    expected = -np.where(right, law.logsf(t), np.where(left, law.logcdf(t), law.logpdf(t)))
    since = -np.where(right, law.logsf(t), np.where(left, np.log(law.cdf(t) - law.cdf(entry)), law.logpdf(t)))
    between = -np.log(np.where(t < np.exp(x), law.cdf(upper) - law.cdf(t), law.sf(t) - law.sf(upper)))

    @quick
    def run(x, t, entry, upper):
        flags = {"censored": right, "left_censored": left}
        return (
            fn(x, t, **options, **flags),
            fn(x, t, **options, **flags, entry=entry),
            fn(x, t, **options, upper=upper),
            fn(x, t, **options, upper=upper, entry=entry),
        )

    got = run(*(np.float32(v) for v in (x, t, entry, upper)))
    truths = expected, since + law.logsf(entry), between, between + law.logsf(entry)
    for ours, theirs in zip(got, truths, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-5)


def test_lifelines_has_the_same_likelihood():
    lifelines = pytest.importorskip("lifelines")
    _, t, entry, _ = _data()
    events = np.arange(len(t)) % 3 != 1
    fitter = lifelines.WeibullFitter().fit(t, events, entry=entry)
    loss = jaxloss.weibull_nll(
        jnp.full(len(t), np.log(fitter.lambda_)), t, concentration=fitter.rho_, censored=~events, entry=entry
    )
    np.testing.assert_allclose(-loss.sum(), fitter.log_likelihood_, rtol=1e-4)


@each_law
def test_an_event_is_before_a_time_or_beyond_it(name):
    fn, options = LAWS[name]
    x, t, entry, _ = (np.float32(v) for v in _data())
    for more in ({}, {"entry": entry}):
        before = fn(x, t, **options, left_censored=np.ones(len(t), bool), **more)
        beyond = fn(x, t, **options, censored=np.ones(len(t), bool), **more)
        np.testing.assert_allclose(jnp.exp(-before) + jnp.exp(-beyond), 1, rtol=1e-6)


@each_law
def test_the_density_after_survival_to_the_entry_integrates_to_one(name):
    fn, options = LAWS[name]
    log_t = np.linspace(np.log(0.5), 12, 20001, dtype=np.float32)[1:]
    t = np.exp(log_t)
    density = jnp.exp(-fn(jnp.full_like(t, 0.4), t, **options, entry=jnp.full_like(t, 0.5)))
    np.testing.assert_allclose(jnp.sum(density * t) * (log_t[1] - log_t[0]), 1, rtol=1e-3)


@each_law
def test_bounds_say_what_flags_say(name):
    fn, options = LAWS[name]
    x, t, entry, _ = (np.float32(v) for v in _data(39))
    kind = np.arange(len(t)) % 3
    flags = {"censored": kind == 1, "left_censored": kind == 2}
    lower = np.where(kind == 2, np.float32(0), t)
    upper = np.where(kind == 1, np.float32(np.inf), t)
    law = quick(partial(fn, **options))
    np.testing.assert_allclose(law(x, lower, upper=upper), law(x, t, **flags), rtol=1e-6)
    since = law(x, np.where(kind == 2, entry, t), upper=upper, entry=entry)
    np.testing.assert_allclose(since, law(x, t, **flags, entry=entry), rtol=1e-5)
    slopes = quick(jax.grad(lambda upper, lower: fn(x, lower, **options, upper=upper).sum(), (0, 1)))(upper, lower)
    assert all(np.isfinite(slope).all() for slope in slopes)
    assert not slopes[0][kind == 1].any(), "an infinite bound moves nothing"


@each_law
def test_flags_of_every_dtype_are_flags(name):
    fn, options = LAWS[name]
    x, t, *_ = (np.float32(v) for v in _data())
    flags = np.arange(len(t)) % 2
    expected = fn(x, t, **options, censored=flags == 1)
    for dtype in (np.int32, np.uint8, np.float32, jnp.bfloat16):
        np.testing.assert_array_equal(fn(x, t, **options, censored=flags.astype(dtype)), expected)


@each_law
def test_an_entry_of_zero_is_none(name):
    fn, options = LAWS[name]
    x, t, *_ = (np.float32(v) for v in _data())
    kind = np.arange(len(t)) % 3
    flags = {"censored": kind == 1, "left_censored": kind == 2}
    run = lambda x, **more: fn(x, t, **options, **flags, **more).sum()
    plain, since = (
        quick(jax.value_and_grad(lambda x, more=more: run(x, **more)))(x) for more in ({}, {"entry": 0 * t})
    )
    for a, b in zip(plain, since, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@each_law
def test_what_no_lifetime_can_be_is_outside_the_domain(name):
    fn, options = LAWS[name]
    x, ones = np.zeros(1, np.float32), np.ones(1, np.float32)
    assert jnp.isnan(fn(x, ones, **options, censored=ones, left_censored=ones))
    assert jnp.isnan(fn(x, ones, **options, entry=ones))
    assert jnp.isnan(fn(x, ones, **options, upper=0.5 * ones))
    assert jnp.isnan(fn(x, ones, **options, censored=0.5 * ones))
    with pytest.raises(ValueError, match="upper and flags"):
        fn(x, ones, **options, upper=2 * ones, censored=ones)


@each_law
def test_survival_beyond_time_zero_is_certain(name):
    fn, options = LAWS[name]
    x, t = np.float32([0.3]), np.float32([0])
    value, slope = jax.value_and_grad(lambda x: fn(x, t, **options, censored=np.ones(1, bool)).sum())(x)
    assert value == 0
    assert slope == 0
    # An event at time 0, where the densities of the other laws are 0 or infinite, has a likelihood by one law only.
    event = fn(x, t, **options)
    assert event == x if name == "exponential" else np.isnan(event)


@each_law
def test_deep_in_the_tail_nothing_overflows(name):
    """An event that was to be expected long before, with the entry just before it: only the hazard counts."""
    fn, options = LAWS[name]
    x, t, entry = np.float32([-30]), np.float32([1]), np.float32([1 - 2.0**-20])
    value, slope = jax.value_and_grad(lambda x: fn(x, t, **options, entry=entry).sum())(x)
    assert np.isfinite(value)
    assert np.isfinite(slope)


def test_a_model_of_accelerated_failure_is_the_one_that_scipy_finds():
    """Weibull regression on censored data by gradient descent in float32, and by scipy on the formula in float64."""
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(5)
    features = np.column_stack([np.ones(200), rng.normal(0, 1, (200, 2))])
    lifetimes = np.exp(features @ [1.0, 0.5, -0.8]) * rng.weibull(1.5, 200)
    ends = rng.exponential(6, 200)
    t, censored = np.minimum(lifetimes, ends), lifetimes > ends
    assert 20 < censored.sum() < 100

    def formula(w):
        z = np.exp(w[3]) * (np.log(t) - features @ w[:3])
        return np.mean(np.exp(z) - np.where(censored, 0, z + w[3] - np.log(t)))

    truth = optimize.minimize(formula, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    loss = jaxloss.WeibullNLL()
    given = np.float32(features), np.float32(t)

    def mean(w):
        return loss(given[0] @ w[:3], given[1], concentration=jnp.exp(w[3]), censored=censored)

    step = lambda w, _: (w - 0.3 * jax.grad(mean)(w), None)
    found, _ = quick(lambda w: jax.lax.scan(step, w, length=400))(jnp.zeros(4))
    np.testing.assert_allclose(found, truth, atol=1e-4)
