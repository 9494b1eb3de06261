import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import LOG_ODDS, LOG_RATES, RATES, Case, Limit
from tests.compiling import quick
from tests.losses.likelihood.test_hurdle import HURDLED
from tests.losses.likelihood.test_zero_inflated import HARD_GATES, is_zero, shares
from tests.losses.likelihood.test_zero_inflated_negative_binomial import CONCENTRATIONS, HARD, LOG_CONCENTRATIONS

ARRAYS = ["predictions", "targets", "gate_logits", "concentration"]


def nll(p, k, r, g, log_input=True):
    m = mp.exp(p) if log_input else p
    zero, other = shares(g)
    if is_zero(k):
        return -(mp.log(zero) if zero else -mp.inf)
    gate = -(mp.log(other) if other else -mp.inf)
    if not m:
        return gate if k == 1 else mp.inf
    coefficient = mp.loggamma(k + r) - mp.loggamma(k + 1) - mp.loggamma(r)
    positive = mp.log(-mp.expm1(-r * mp.log1p(m / r)))
    return gate - coefficient + r * mp.log1p(m / r) + k * mp.log1p(r / m) + positive


def of_logarithm(p, k, a, g, log_input=True):
    return nll(p, k, mp.exp(a), g, log_input)


def terms(p, k, r, g, log_input=True):
    """Those of the form without (1 - e^-rho) at means below 1: a count of 1 has no large one."""
    if is_zero(k):
        return ()
    m = mp.exp(p) if log_input else p
    rise = mp.loggamma(k + r) - mp.loggamma(1 + r)
    return (
        mp.loggamma(k + 1),
        (k - 1) * mp.log1p(r / m),
        rise,
        (k - 1) * mp.log(m),
        mp.log1p(mp.exp(g)),
        mp.log1p(m / r),
    )


def gradient_terms(p, k, r, g, log_input=True):
    if is_zero(k):
        return {}
    m = mp.exp(p) if log_input else p
    whole, share, y = r + m, r / (r + m), mp.log1p(m / r)
    mean = m / -mp.expm1(-r * y) - 1
    in_p = mean * share, (k - 1) * share
    in_r = (k - 1) / whole, mp.psi(0, k + r) - mp.psi(0, r + 1), y - m / whole, m / (r * whole)
    in_k = mp.psi(0, k + r), mp.psi(0, k + 1), mp.log(m), mp.log(whole)
    return {"predictions": in_p if log_input else [x / m for x in in_p], "targets": in_k, "concentration": in_r}


def second_terms(p, k, r, g, log_input=True):
    if is_zero(k):
        return {}
    m = mp.exp(p) if log_input else p
    whole, share, y = r + m, r / (r + m), mp.log1p(m / r)
    rest, rise = m / whole, y - m / whole
    xx = m * share * share, share * rest * k, rest * share, rest**2
    xr = rest**2, rest / whole * k
    xk = mp.mpf(1)
    if not log_input:
        xx = share / whole, (k - 1) * share / m * (1 / whole + 1 / m), share**2, 1 / whole**2
        xr, xk = [x / m for x in xr], 1 / m
    kr = max(1 / whole, mp.psi(1, k + r))
    rr = (
        mp.psi(1, r + 1) - mp.psi(1, k + r),
        (k - 1) / whole**2,
        rest / r * rest,
        rise**2,
        rest / r * (1 / r + 1 / whole),
    )
    return {"predictions": (*xx, xk, *xr), "targets": (xk, mp.psi(1, k + 1), kr), "concentration": (*xr, kr, *rr)}


def log_means():
    """Counts at means from nothing to far more, near the changes of the form too, and zeros."""
    points = [
        (x, k, r)
        for k in (1, 2, 15.5, 1000, 1e8)
        for r in HARD
        for x in (-69, -20, -1, -1e-3, 1e-3, 0.7, 3, np.log(k) + 1e-3, 18)
    ]
    points = [(x, k, r, HARD_GATES[i % len(HARD_GATES)]) for i, (x, k, r) in enumerate(points)]
    points += [(x, 1, r, -100) for x in (-69, -5, -0.1, 2) for r in HARD]
    points += [(x, 0, r, g) for x, r in ((-100, 1), (0.5, 1e-4), (40, 1e10)) for g in HARD_GATES]
    return np.array(points, np.float32).T


def means():
    x, k, r, g = log_means()
    keep = (x > -40) & (x < 40)  # the steps of the differences are shares of the mean, and are squared
    return np.exp(x[keep].astype(np.float64)).astype(np.float32), k[keep], r[keep], g[keep]


def _case(log_input=True, logarithm=False):
    name = "log_concentration" if logarithm else "concentration"
    arrays = {
        "predictions": LOG_RATES if log_input else RATES,
        "targets": HURDLED,
        name: LOG_CONCENTRATIONS if logarithm else CONCENTRATIONS,
        "gate_logits": LOG_ODDS,
    }
    return Case(
        fn=jaxloss.hurdle_negative_binomial_nll,
        held=10,  # the terms of both forms, and those of the law
        form=jaxloss.HurdleNegativeBinomialNLL,
        arrays=arrays,
        oracle=of_logarithm if logarithm else nll,
        options={} if log_input else {"log_input": False},
        bad_options={"log_input": (1, "yes")},
        grid=None if logarithm else log_means if log_input else means,
        value=Limit(scaled=6),
        gradient=dict.fromkeys(ARRAYS, Limit(scaled=6)),
        second=dict.fromkeys(ARRAYS, Limit(scaled=8)),
        terms=terms,
        gradient_terms=gradient_terms,
        extreme_terms=1.0 if logarithm else 0.0,  # a slope in the logarithm is a difference of shares
        second_terms=second_terms,
    )


CASES = [_case(), _case(logarithm=True), _case(log_input=False)]


@pytest.mark.parametrize("log_input", [True, False])
def test_where_the_mean_is_nothing_every_positive_count_is_one(log_input):
    loss = lambda p, k: jaxloss.hurdle_negative_binomial_nll(
        p, k, gate_logits=-jnp.inf, concentration=2.0, log_input=log_input
    )
    means = np.float32([0, 1e-38, 1e-30, 1e-10])
    p = np.float32([-np.inf, -100, -69, -23]) if log_input else means
    of_one, slopes = quick(jax.vmap(jax.value_and_grad(lambda p: loss(p, 1.0))))(p)
    true = np.exp(p) if log_input else means
    np.testing.assert_allclose(of_one, 0.75 * true, rtol=1e-5, atol=1e-38)  # (1 + 1 / r) / 2
    np.testing.assert_allclose(slopes, 0.75 * true if log_input else [0.75] * 4, rtol=1e-5, atol=1e-38)
    assert loss(p[0], 2.0) == np.inf


def test_the_likelihood_sums_to_one():
    k = np.arange(600, dtype=np.float32)
    for x, r in ((-3.0, 0.4), (1.5, 2.5)):
        run = quick(
            lambda k, x=x, r=r: jaxloss.hurdle_negative_binomial_nll(
                jnp.full(600, x), k, gate_logits=-0.4, concentration=r
            )
        )
        np.testing.assert_allclose(np.exp(-np.float64(run(k))).sum(), 1, rtol=1e-6)


def test_a_large_concentration_is_the_poisson_law():
    x, k, g = np.float32([-3, 0.5, 2, 4]), np.float32([0, 1, 3, 40]), np.float32([0.3, -2, 1, 0])
    law = quick(lambda x: jaxloss.hurdle_negative_binomial_nll(x, k, gate_logits=g, concentration=1e10))
    poisson = quick(lambda x: jaxloss.hurdle_poisson_nll(x, k, gate_logits=g))
    np.testing.assert_allclose(law(x), poisson(x), rtol=1e-6)


def test_exactly_one_concentration_is_given():
    for given in ({}, {"concentration": 1.0, "log_concentration": 0.0}):
        with pytest.raises(ValueError, match="exactly one"):
            jaxloss.hurdle_negative_binomial_nll(jnp.zeros(2), jnp.zeros(2), gate_logits=0.0, **given)


def test_statsmodels():
    truncated = pytest.importorskip("statsmodels.discrete.truncated_model")
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(40), rng.normal(size=40)])
    k, slopes, alpha = 1 + rng.poisson(2, 40), np.array([0.5, -0.2]), 0.4
    model = truncated.TruncatedLFNegativeBinomialP(k, design, truncation=0)
    truth = -model.loglikeobs(np.append(slopes, alpha))
    x = (design @ slopes).astype(np.float32)
    run = quick(lambda x: jaxloss.hurdle_negative_binomial_nll(x, k, gate_logits=-jnp.inf, concentration=1 / alpha))
    np.testing.assert_allclose(run(x), truth, rtol=3e-6)
