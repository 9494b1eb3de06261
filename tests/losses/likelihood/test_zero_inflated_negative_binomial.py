from dataclasses import replace

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import INF, LOG_ODDS, LOG_RATES, RATES, SCALES, Case, Domain, Limit
from tests.compiling import quick
from tests.losses.likelihood.test_zero_inflated import MANY_ZEROS, is_zero, of_zeros, shares

HARD = [1e-4, 0.3, 1, 7, 1e3, 1e10]
CONCENTRATIONS = replace(SCALES, hard=cases.choice(lambda: HARD), outside=(0.0, -1.0, INF))
LOG_CONCENTRATIONS = Domain(
    cases.normal, hard=cases.choice(lambda: np.log(HARD)), ends=(0.0, -23.0, 23.0), outside=(-41.0, INF)
)


def nll(p, k, r, g, log_input=True):
    m = mp.exp(p) if log_input else p
    structural, other = shares(g)
    if is_zero(k):
        log = -r * mp.log1p(m / r)
        total = structural + other * mp.exp(log)
        return -mp.log1p(other * mp.expm1(log)) if total else mp.inf
    gate = -(mp.log(other) if other else -mp.inf)
    if not m:
        return mp.inf
    coefficient = mp.loggamma(k + r) - mp.loggamma(k + 1) - mp.loggamma(r)
    return gate - coefficient + r * mp.log1p(m / r) + k * mp.log1p(r / m)


def of_logarithm(p, k, a, g, log_input=True):
    return nll(p, k, mp.exp(a), g, log_input)


def terms(p, k, r, g, log_input=True):
    if is_zero(k):
        return ()
    m = mp.exp(p) if log_input else p
    rise = mp.loggamma(k + r) - mp.loggamma(r)
    return mp.loggamma(k + 1), r * mp.log1p(m / r), k * mp.log1p(r / m), rise, mp.log1p(mp.exp(g))


def gradient_terms(p, k, r, g, log_input=True):
    m = mp.exp(p) if log_input else p
    share = r / (r + m) / (1 if log_input else m)
    if is_zero(k):
        # The negative log-probability of the law's zero is rounded, and its share is the exponential of that.
        nil = r * mp.log1p(m / r)
        structural, own, positive = of_zeros(nil, g)
        moved = own * (1 + nil)
        in_r = moved * mp.log1p(m / r), moved * m / (r + m)
        return {
            "predictions": (moved * m * share,),
            "gate_logits": (structural * positive * (1 + nil * own),),
            "concentration": in_r,
        }
    in_r = mp.psi(0, k + r) - mp.psi(0, r), mp.log1p(m / r), m / (r + m), k / (r + m)
    in_k = mp.psi(0, k + r), mp.psi(0, k + 1), mp.log(m), mp.log(r + m)
    return {"predictions": (m * share, k * share), "targets": in_k, "concentration": in_r}


def second_terms(p, k, r, g, log_input=True):
    m = mp.exp(p) if log_input else p
    whole, share = r + m, r / (r + m)
    if is_zero(k):
        nil = r * mp.log1p(m / r)
        structural, own, positive = of_zeros(nil, g)
        # The slopes and second derivatives of the law's own zero in mean and concentration, by their terms.
        x, xx, xr = (m * share, m * share**2, (m / whole) ** 2) if log_input else (share, share / whole, m / whole**2)
        in_r, rr = max(mp.log1p(m / r), m / whole), max(m / (r * whole), m / whole**2)
        moved, both = own * (1 + nil), own * structural * (1 + nil)
        of_gate = structural * positive * (1 + nil * own)
        return {
            "predictions": (moved * xx, both * x * x, moved * xr, both * x * in_r, both * x),
            "concentration": (moved * xr, both * x * in_r, moved * rr, both * in_r**2, both * in_r),
            "gate_logits": (of_gate * own, of_gate * shares(g)[0], both * x, both * in_r),
        }
    xx, xk, xr = (r + k) * share * m / whole, mp.mpf(1), (m * m / whole**2, k * m / whole**2)
    if not log_input:
        xx, xk, xr = max(k / m**2, (r + k) / whole**2), 1 / m, (m / whole**2, k / whole**2)
    kr = max(1 / whole, mp.psi(1, k + r))
    rr = mp.psi(1, r) - mp.psi(1, k + r), m / (r * whole), (r + k) / whole**2
    return {"predictions": (xx, xk, *xr), "targets": (xk, mp.psi(1, k + 1), kr), "concentration": (*xr, kr, *rr)}


def log_means():
    """Zeros under gates and laws of every kind, and other counts."""
    points = [(x, 0, r, g) for x in (-30, -3, 0, 1.1, 3, 10, 40) for r in HARD for g in (-40, -3, 0.4, 5)]
    points = [(x, k, r, g) for x, k, r, g in points if r * np.log1p(np.exp(x) / r) + g < 80]
    counted = [(x, k, r) for k in (1, 3, 1000, 1e8) for r in HARD for x in (-20, 0.7, np.log(k) + 1e-3, 18)]
    points += [(x, k, r, (-9.3, -0.7, 0, 5)[i % 4]) for i, (x, k, r) in enumerate(counted)]
    return np.array(points, np.float32).T


def means():
    x, k, r, g = log_means()
    keep = x < 40
    return np.exp(x[keep].astype(np.float64)).astype(np.float32), k[keep], r[keep], g[keep]


def _case(log_input=True, logarithm=False):
    name = "log_concentration" if logarithm else "concentration"
    arrays = {
        "predictions": LOG_RATES if log_input else RATES,
        "targets": MANY_ZEROS,
        name: LOG_CONCENTRATIONS if logarithm else CONCENTRATIONS,
        "gate_logits": LOG_ODDS,
    }
    return Case(
        fn=jaxloss.zero_inflated_negative_binomial_nll,
        held=6,  # the terms of a zero and of any count
        form=jaxloss.ZeroInflatedNegativeBinomialNLL,
        arrays=arrays,
        oracle=of_logarithm if logarithm else nll,
        options={} if log_input else {"log_input": False},
        bad_options={"log_input": (1, "yes")},
        grid=None if logarithm else log_means if log_input else means,
        value=Limit(scaled=6),
        gradient={n: Limit(scaled=6) for n in ("predictions", "targets", "gate_logits", "concentration")},
        second={n: Limit(scaled=8) for n in ("predictions", "targets", "gate_logits", "concentration")},
        terms=terms,
        gradient_terms=gradient_terms,
        second_terms=second_terms,
    )


CASES = [_case(), _case(logarithm=True), _case(log_input=False)]


def test_the_likelihood_sums_to_one():
    k = np.arange(400, dtype=np.float32)
    run = quick(
        lambda k: jaxloss.zero_inflated_negative_binomial_nll(
            jnp.full(400, 1.5), k, gate_logits=-0.4, concentration=2.5
        )
    )
    np.testing.assert_allclose(np.exp(-np.float64(run(k))).sum(), 1, rtol=1e-6)


def test_a_large_concentration_is_the_poisson_law():
    x, k, g = np.float32([-3, 0.5, 2, 4]), np.float32([0, 0, 3, 40]), np.float32([0.3, -2, 1, 0])
    law = quick(lambda x: jaxloss.zero_inflated_negative_binomial_nll(x, k, gate_logits=g, concentration=1e10))
    poisson = quick(lambda x: jaxloss.zero_inflated_poisson_nll(x, k, gate_logits=g))
    np.testing.assert_allclose(law(x), poisson(x), rtol=1e-6)


def test_exactly_one_concentration_is_given():
    for given in ({}, {"concentration": 1.0, "log_concentration": 0.0}):
        with pytest.raises(ValueError, match="exactly one"):
            jaxloss.zero_inflated_negative_binomial_nll(jnp.zeros(2), jnp.zeros(2), gate_logits=0.0, **given)


def test_statsmodels():
    discrete = pytest.importorskip("statsmodels.discrete.count_model")
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(40), rng.normal(size=40)])
    k = rng.poisson(2, 40) * rng.integers(0, 2, 40)
    gate, slopes, alpha = np.array([-0.4, 0.3]), np.array([0.5, -0.2]), 0.4
    model = discrete.ZeroInflatedNegativeBinomialP(k, design, exog_infl=design, inflation="logit", p=2)
    truth = -model.loglikeobs(np.concatenate([gate, slopes, [alpha]]))
    x, g = (design @ slopes).astype(np.float32), (design @ gate).astype(np.float32)
    run = quick(lambda x, g: jaxloss.zero_inflated_negative_binomial_nll(x, k, gate_logits=g, concentration=1 / alpha))
    np.testing.assert_allclose(run(x, g), truth, rtol=3e-6)


def test_a_zero_does_not_hide_a_mean_that_is_nan():
    for given in ({"concentration": 2.0}, {"log_concentration": 0.5}, {"concentration": 2.0, "log_input": False}):
        loss = jaxloss.zero_inflated_negative_binomial_nll(jnp.float32(np.nan), 0.0, gate_logits=-1.0, **given)
        assert np.isnan(loss)
