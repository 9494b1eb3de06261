"""The likelihoods of lifetimes and Cox's beside lifelines, at the parameters that it finds."""

import jax
import numpy as np
import pytest

import jaxloss

N = 60


def _times(rng):
    times = rng.gamma(2, 2, N) + 0.5
    return times, rng.integers(0, 2, N), times * rng.uniform(0, 0.5, N), times + rng.gamma(2, 1, N)


T, EVENTS, ENTRY, UPPER = _times(np.random.default_rng(0))


@pytest.fixture
def lifelines():
    return pytest.importorskip("lifelines")


# Each law: the fitter, and from its parameters ours, the predictions and what they are given with.
LAWS = {
    "exponential_nll": ("ExponentialFitter", lambda f: (np.log(f.lambda_), {})),
    "weibull_nll": ("WeibullFitter", lambda f: (np.log(f.lambda_), {"concentration": f.rho_})),
    "log_normal_nll": ("LogNormalFitter", lambda f: (f.mu_, {"scale": f.sigma_})),
    "log_logistic_nll": ("LogLogisticFitter", lambda f: (np.log(f.alpha_), {"scale": 1 / f.beta_})),
}


def _total(name, fitter, **given):
    x, more = LAWS[name][1](fitter)
    with jax.enable_x64(True):
        return getattr(jaxloss, name)(np.full(N, x), T, **more, **given).sum()


@pytest.mark.parametrize("entered", [False, True])
@pytest.mark.parametrize("name", LAWS)
def test_censored_and_entered_times(lifelines, name, entered):
    given = {"entry": ENTRY} if entered else {}
    fitter = getattr(lifelines, LAWS[name][0])().fit(T, EVENTS, **given)
    np.testing.assert_allclose(_total(name, fitter, censored=EVENTS == 0, **given), -fitter.log_likelihood_, rtol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_times_that_are_censored_from_the_left(lifelines, name):
    fitter = getattr(lifelines, LAWS[name][0])().fit_left_censoring(T, EVENTS)
    np.testing.assert_allclose(_total(name, fitter, left_censored=EVENTS == 0), -fitter.log_likelihood_, rtol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_times_between_bounds(lifelines, name):
    fitter = getattr(lifelines, LAWS[name][0])().fit_interval_censoring(T, UPPER)
    np.testing.assert_allclose(_total(name, fitter, upper=UPPER), -fitter.log_likelihood_, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::Warning")  # of pandas, about lifelines
@pytest.mark.parametrize("entered", [False, True])
def test_cox_by_efron_with_strata(lifelines, entered):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(1)
    times = np.ceil(T).astype(int)
    frame = pandas.DataFrame({"t": times, "e": EVENTS, "x": rng.normal(size=N), "s": rng.integers(0, 2, N)})
    more = {}
    if entered:
        more["entry_col"], frame["entry"] = "entry", times - 1 - rng.integers(0, 2, N).clip(0, times - 1)
    model = lifelines.CoxPHFitter().fit(frame, "t", "e", strata="s", **more)
    x = np.float32(frame["x"] * model.params_["x"])
    entry = {"entry": frame["entry"].to_numpy()} if entered else {}
    losses = jaxloss.cox_partial_likelihood(x, times, events=EVENTS, strata=frame["s"].to_numpy(), **entry)
    np.testing.assert_allclose(-losses.sum(), model.log_likelihood_, rtol=2e-6)
