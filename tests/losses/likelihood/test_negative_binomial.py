from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import COUNTS, INF, LOG_ODDS, LOG_RATES, RATES, REALS, SCALES, Case, Domain, Limit, choice, normal
from tests.compiling import optimized, quick

CONCENTRATIONS = replace(SCALES, hard=choice(lambda: R), outside=(0.0, -1.0, INF))
LOG_CONCENTRATIONS = Domain(
    normal, hard=choice(lambda: np.log(R)), ends=(0.0, -23.0, 23.0, 40.0, -40.0), outside=(-41.0, INF)
)
# Logarithms of exposures, which are infinite at the extremes.
OFFSETS = replace(REALS, hard=choice(lambda: [-20, -3, 0, 1e-3, 0.7, 10]), ends=(0.0, 1e-30, 20.0), extremes=())
FINITE_OFFSETS = replace(OFFSETS, alone=())
K = [0, 1, 2, 7, 100, 12345, 1e6, 1e8]
R = [1e-4, 0.3, 1, 2.5, 1e3, 1e6, 1e10]
GAPS = [0, 1e-6, -1e-3, 1e-2, -0.3, 0.7, -0.9, 1.5]


def of_mean(m, k, r):
    counted = k * mp.log(m / (r + m)) if k and m else mp.mpf(0)
    impossible = mp.inf if k and not m else 0
    return -mp.loggamma(k + r) + mp.loggamma(k + 1) + mp.loggamma(r) - r * mp.log(r / (r + m)) - counted + impossible


def nll(p, k, r, offset=0, log_input=True):
    return of_mean(mp.exp(p + offset) if log_input else p * mp.exp(offset), k, r)


def terms(m, k, r):
    """Those of the textbook formula; of logarithms of gamma functions only the differences, the smaller unit."""
    return mp.loggamma(k + 1), r * mp.log1p(m / r), k * mp.log1p(r / m), mp.loggamma(k + r) - mp.loggamma(r)


def slope_terms(m, k, r, log_input=True):
    share = r / (r + m)
    in_r = (mp.psi(0, k + r) - mp.psi(0, r), mp.log1p(m / r), m / (r + m), k / (r + m))
    return {
        "predictions": (m * share, k * share) if log_input else (share, k / m * share),
        "targets": (mp.psi(0, k + r), mp.psi(0, k + 1), mp.log(m), mp.log(r + m)),
        "concentration": in_r,
        "log_concentration": [r * x for x in in_r],
        "offset": (m * share, k * share),
    }


def curve_terms(m, k, r, log_input=True):
    whole, share = r + m, r / (r + m)
    xx, xk, xr = (r + k) * share * m / whole, mp.mpf(1), (m * m / whole**2, k * m / whole**2)
    if not log_input:
        xx, xk, xr = max(k / m**2, (r + k) / whole**2), 1 / m, (m / whole**2, k / whole**2)
    kr = max(1 / whole, mp.psi(1, k + r))
    rr = (mp.psi(1, r) - mp.psi(1, k + r), m / (r * whole), (r + k) / whole**2)
    return {
        "predictions": (xx, xk, *xr),
        "targets": (xk, mp.psi(1, k + 1), kr),
        "concentration": (*xr, kr, *rr),
        "log_concentration": [r * x for x in (*xr, kr, *(r * x for x in rr), *slope_terms(m, k, r)["concentration"])],
        "offset": (xx, xk, *xr),
    }


def log_means():
    """Each count and concentration under log-means far from the count and close to it."""
    far = [(x, k, r) for x in (-80, -20, -3.3, 0, 0.7, 10, 30, 85) for k in K for r in R]
    near = [(np.log(k) + d, k, r) for k in K[1:] for r in R for d in GAPS]
    return np.array(far + near, np.float32).T


def means():
    x, k, r = log_means()
    keep = (x > -50) & (x < 40)
    return np.exp(x[keep].astype(np.float64)).astype(np.float32), k[keep], r[keep]


def with_log_concentrations():
    x, k, r = log_means()[:, ::3]
    return x, k, np.log(r)


def with_offsets(grid):
    def made():
        p, k, r = (x[::3] for x in grid())
        offsets = np.resize(np.float32([0, 0.5, -1.25, 3]), p.shape)
        return (p - offsets if p.min() < 0 else p), k, r, offsets

    return made


def _case(arrays, grid, log_input=True):
    options = {} if log_input else {"log_input": False}
    logarithm, exposed = "log_concentration" in arrays, "offset" in arrays

    def own(function, **more):
        def of(p, k, r, offset=0, log_input=True):
            m = mp.exp(p + offset) if log_input else p * mp.exp(offset)
            return function(m, k, mp.exp(r) if logarithm else r, **more)

        return of

    def slopes(p, k, r, offset=0, log_input=True):
        found = own(slope_terms, log_input=log_input)(p, k, r, offset, log_input)
        return found if log_input else {**found, "predictions": [mp.exp(offset) * x for x in found["predictions"]]}

    def curves(p, k, r, offset=0, log_input=True):
        found = own(curve_terms)(p, k, r, offset, log_input)
        if log_input:
            return found
        # The mean is a product, so that what the logarithm of the mean moves is moved by the offset too.
        plain, factor = own(curve_terms, log_input=False)(p, k, r, offset, log_input), mp.exp(offset)
        linear = {name: [factor * x for x in plain[name]] for name in plain}
        if not exposed:
            return linear
        slope, (bend, *_) = max(slopes(p, k, r, offset, False)["predictions"]), linear["predictions"]
        of_mean = [factor * bend, *linear["predictions"], slope, p * factor * bend]
        of_offset = [p * slope, p * p * factor * bend]
        both = {name: [*found[name], *linear[name]] for name in found}
        return both | {"predictions": of_mean, "offset": [*both["offset"], *of_offset]}

    def value_terms(p, k, r, offset=0, log_input=True):
        """The sum of log-mean and offset is rounded, which moves the loss by the slope times a unit of the sum."""
        m, found = mp.exp(p + offset), own(terms)(p, k, r, offset, log_input)
        return (*found, (p + offset) * m * r / (r + m)) if exposed and log_input else found

    return Case(
        fn=jaxloss.negative_binomial_nll,
        form=jaxloss.NegativeBinomialNLL,
        arrays={"predictions": LOG_RATES if log_input else RATES, "targets": COUNTS, **arrays},
        oracle=lambda p, k, r, offset=0, log_input=True: nll(p, k, mp.exp(r) if logarithm else r, offset, log_input),
        options=options,
        bad_options={"log_input": (1, "yes")},
        grid=grid,
        value=Limit(scaled=6) if exposed or logarithm else Limit(strict=6, scaled=6),
        gradient=dict.fromkeys(["predictions", "targets", *arrays], Limit(scaled=6)),
        second=dict.fromkeys(["predictions", "targets", *arrays], Limit(scaled=8)),
        terms=value_terms,
        gradient_terms=slopes,
        second_terms=curves,
    )


def from_logits(x, k, r):
    rest = r * mp.log1p(mp.exp(x)) + (k * mp.log1p(mp.exp(-x)) if k else 0)
    return mp.loggamma(k + 1) + mp.loggamma(r) - mp.loggamma(k + r) + rest


def logits():
    far = [(x, k, r) for x in (-80, -20, -3.3, 0, 0.7, 10, 30, 100) for k in K for r in R]
    near = [(np.log(k / r) + d, k, r) for k in K[1:] for r in R for d in GAPS]
    return np.array(far + near, np.float32).T


def logit_terms(x, k, r):
    up, down = mp.log1p(mp.exp(x)), mp.log1p(mp.exp(-x))
    return mp.loggamma(k + 1), r * up, k * down, mp.loggamma(k + r) - mp.loggamma(r)


def logit_slope_terms(x, k, r):
    p = 1 / (1 + mp.exp(-x))
    return {
        "logits": (r * p, k * (1 - p)),
        "targets": (mp.psi(0, k + 1), mp.psi(0, k + r), mp.log1p(mp.exp(-x))),
        "total_count": (mp.psi(0, k + r) - mp.psi(0, r), mp.log1p(mp.exp(x))),
    }


def logit_curve_terms(x, k, r):
    p = 1 / (1 + mp.exp(-x))
    return {
        "logits": ((r + k) * p * (1 - p), p, 1 - p),
        "targets": (1 - p, mp.psi(1, k + 1), mp.psi(1, k + r)),
        "total_count": (p, mp.psi(1, k + r), mp.psi(1, r) - mp.psi(1, k + r)),
    }


ARRAYS = ["logits", "targets", "total_count"]
CASES = [
    _case({"concentration": CONCENTRATIONS}, log_means),
    _case({"concentration": CONCENTRATIONS}, means, log_input=False),
    _case({"log_concentration": LOG_CONCENTRATIONS}, with_log_concentrations),
    _case({"concentration": CONCENTRATIONS, "offset": OFFSETS}, with_offsets(log_means)),
    _case(
        {"concentration": CONCENTRATIONS, "offset": replace(OFFSETS, alone=())}, with_offsets(means), log_input=False
    ),
    Case(
        fn=jaxloss.negative_binomial_nll_from_logits,
        form=jaxloss.NegativeBinomialNLLFromLogits,
        arrays={"logits": LOG_ODDS, "targets": COUNTS, "total_count": CONCENTRATIONS},
        oracle=from_logits,
        grid=logits,
        value=Limit(strict=6, scaled=6),
        gradient=dict.fromkeys(ARRAYS, Limit(scaled=6)),
        second=dict.fromkeys(ARRAYS, Limit(scaled=8)),
        terms=logit_terms,
        gradient_terms=logit_slope_terms,
        second_terms=logit_curve_terms,
    ),
]


def test_exactly_one_concentration():
    both = {"concentration": 1.0, "log_concentration": 0.0}
    for given, got in (({}, "none"), (both, "concentration and log_concentration")):
        with pytest.raises(ValueError, match=f"give exactly one of concentration, log_concentration, got {got}"):
            jaxloss.negative_binomial_nll(jnp.zeros(2), jnp.zeros(2), **given)


@pytest.mark.parametrize("log_input", [True, False])
def test_a_mean_of_zero(log_input):
    mean = -np.inf if log_input else 0.0
    loss = lambda p, k: jaxloss.negative_binomial_nll(p, k, concentration=2.0, log_input=log_input)
    assert loss(mean, 0.0) == 0
    assert jax.grad(loss)(mean, 0.0) == (0 if log_input else 1)
    assert loss(mean, 3.0) == np.inf
    assert loss(np.inf, 3.0) == np.inf


def test_a_large_concentration_is_the_law_of_poisson():
    x, k = np.float32([-3, 0, 1, 2.3, 4.6, 4.7]), np.float32([0, 1, 7, 10, 100, 100])
    got, poisson = optimized(
        lambda x, k: (
            jaxloss.negative_binomial_nll(x, k, concentration=1e10),
            jaxloss.poisson_nll(x, k, full="exact"),
        )
    )(x, k)
    np.testing.assert_allclose(got, poisson, rtol=3e-7)


@pytest.mark.parametrize("concentration", [0.3, 4.0])
def test_the_likelihoods_of_all_counts_sum_to_one(concentration):
    k = np.arange(1500, dtype=np.float32)
    run = quick(lambda k: jaxloss.negative_binomial_nll(jnp.full_like(k, 2.0), k, concentration=concentration))
    np.testing.assert_allclose(np.exp(-np.float64(run(k))).sum(), 1, rtol=1e-5)


def test_the_optimum_of_a_sample_is_that_of_its_moments_where_they_agree():
    """The mean that fits a sample best is its mean, whatever the concentration."""
    k = np.float32([0, 0, 1, 3, 12])
    slope = quick(jax.grad(lambda x: jaxloss.negative_binomial_nll(jnp.full(5, x), k, concentration=0.7).sum()))
    np.testing.assert_allclose(slope(np.float32(np.log(3.2))), 0, atol=1e-6)


def test_beside_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, k, r = rng.normal(1, 1, 64), rng.poisson(5, 64), np.exp(rng.normal(0, 2, 64))
    p = r / (r + np.exp(x))
    with jax.enable_x64(True):
        got = jaxloss.negative_binomial_nll(jnp.asarray(x), jnp.asarray(k), concentration=r)
        by_logit = jaxloss.negative_binomial_nll_from_logits(jnp.asarray(np.log(1 - p) - np.log(p)), k, total_count=r)
        by_mean = jaxloss.negative_binomial_nll(jnp.asarray(np.exp(x)), k, concentration=r, log_input=False)
    for answer in (got, by_logit, by_mean):
        np.testing.assert_allclose(answer, -stats.nbinom.logpmf(k, r, p), rtol=1e-11)


def test_beside_torch():
    torch = pytest.importorskip("torch")
    x, k, r = np.float64([-2, 0.3, 1]), np.float64([0, 3, 9]), np.float64([0.5, 2, 11])
    law = torch.distributions.NegativeBinomial(torch.tensor(r), logits=torch.tensor(x))
    with jax.enable_x64(True):
        got = jaxloss.negative_binomial_nll_from_logits(jnp.asarray(x), k, total_count=r)
    np.testing.assert_allclose(got, -law.log_prob(torch.tensor(k)).numpy(), rtol=1e-10)


def test_beside_statsmodels():
    discrete = pytest.importorskip("statsmodels.discrete.discrete_model")
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    features, counts, exposure = rng.normal(size=(50, 2)), rng.poisson(4, 50), rng.uniform(0.5, 2, 50)
    alpha, weights = 0.8, np.array([0.3, -0.2])
    parameters = np.append(weights, np.log(alpha))  # before a fit it takes the logarithm

    def total(weights, alpha, offset=None):
        x = jnp.asarray(features) @ weights
        return jaxloss.negative_binomial_nll(x, counts, concentration=1 / alpha, offset=offset).sum()

    with jax.enable_x64(True):
        value, slopes = jax.value_and_grad(total, (0, 1))(jnp.asarray(weights), alpha)
        exposed, exposed_slopes = jax.value_and_grad(total)(jnp.asarray(weights), alpha, np.log(exposure))
    model = discrete.NegativeBinomial(counts, features)
    np.testing.assert_allclose(value, -model.loglike(parameters), rtol=1e-11)
    np.testing.assert_allclose(np.append(slopes[0], alpha * np.float64(slopes[1])), -model.score(parameters), rtol=1e-8)
    family = api.families.NegativeBinomial(alpha=alpha)
    model = api.GLM(counts, features, family=family, offset=np.log(exposure))
    np.testing.assert_allclose(exposed, -model.loglike(weights), rtol=1e-11)
    np.testing.assert_allclose(exposed_slopes, -model.score(weights), rtol=1e-8)
