from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import COUNTS, INF, LOG_ODDS, SCALES, Case, Domain, Limit, choice
from tests.compiling import optimized, quick

SUCCESSES = replace(COUNTS, hard=choice(lambda: [0, 1, 2, 3, 10, 20]), ends=(0.0, 1.0, 0.25), outside=(-1.0, 1e9))
TRIALS = Domain(
    lambda rng, shape, sizes: rng.integers(20, 40, shape).astype(np.float32),
    hard=choice(lambda: [20, 21, 100, 12345, 1e6]),
    ends=(20.0, 20.5, 1e8),
    outside=(-1.0, 0.0, INF),
)
"""At least as many as the successes; 0 is outside of the domain of the counts that are drawn."""
# Without extremes: near both ends of the floats the slopes are differences of terms that agree to all digits.
CONCENTRATIONS = replace(
    SCALES, hard=choice(lambda: [1e-4, 0.3, 1, 2.5, 1e3, 1e8]), outside=(0.0, -1.0, INF), extremes=()
)
OF = [(n, k) for n in (1, 2, 10, 100, 12345, 1e6, 1e8) for k in sorted({0, 1, n // 3, n - 1, n})]
GAPS = [0, 1e-6, -1e-3, 1e-2, -0.3, 0.7, -0.9, 1.5]


def log_choose(n, k):
    return mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)


def binomial(x, k, n):
    up, down = (mp.log1p(mp.exp(-s * x)) if not mp.isinf(x) else mp.inf * (s * x < 0) for s in (1, -1))
    return -log_choose(n, k) + (k * up if k else 0) + ((n - k) * down if n - k else 0)


def log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def beta_binomial(x, k, n, c):
    a, b = c / (1 + mp.exp(-x)), c / (1 + mp.exp(x))
    return -log_choose(n, k) - log_beta(k + a, n - k + b) + log_beta(a, b)


def log_odds(*concentrations):
    """Each share of successes under log-odds far from it and close to it.

    With concentrations the log-odds are not so far: at a count of 0 the oracle differentiates across it.
    """

    def made():
        far_ones = (-20, -3.3, 0, 0.7, 10, 20) if concentrations else (-80, -20, -3.3, 0, 0.7, 10, 30, 80)
        far = [(x, k, n) for x in far_ones for n, k in OF]
        near = [(np.log(k / (n - k)) + d, k, n) for n, k in OF if 0 < k < n for d in GAPS]
        points = [(*point, *c) for point in far + near for c in ([(c,) for c in concentrations] or [()])]
        return np.array(points, np.float32).T

    return made


def terms(x, k, n, *c):
    up, down = mp.log1p(mp.exp(-x)), mp.log1p(mp.exp(x))
    return log_choose(n, k), k * up, (n - k) * down, *((1, *_rises(x, k, n, *c)) if c else ())


def _rises(x, k, n, c):
    """The logarithms of the rising factorials."""
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return [mp.loggamma(a + b) - mp.loggamma(a) for a, b in ((c * p, k), (c * q, n - k), (c, n))]


def slope_terms(x, k, n):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return {
        "logits": ((n - k) * p, k * q),
        "targets": (mp.psi(0, k + 1), mp.psi(0, n - k + 1), x),
        "total_count": (mp.psi(0, n + 1), mp.psi(0, n - k + 1), mp.log1p(mp.exp(x))),
    }


def curve_terms(x, k, n):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return {
        "logits": (n * p * q, p, 1),
        "targets": (1, mp.psi(1, k + 1), mp.psi(1, n - k + 1)),
        "total_count": (p, mp.psi(1, n + 1), mp.psi(1, n - k + 1)),
    }


def mixed_slope_terms(x, k, n, c):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    a, b = c * p, c * q
    up, down, all_ = (mp.psi(0, s + t) - mp.psi(0, s) for s, t in ((a, k), (b, n - k), (c, n)))
    return {
        "logits": (a * q * up, b * p * down),
        "targets": (mp.psi(0, k + 1), mp.psi(0, n - k + 1), mp.psi(0, k + a), mp.psi(0, n - k + b)),
        "total_count": (mp.psi(0, n + 1), mp.psi(0, n - k + 1), mp.psi(0, n + c), mp.psi(0, n - k + b)),
        "concentration": (p * up, q * down, all_),
    }


def mixed_curve_terms(x, k, n, c):
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    a, b, m = c * p, c * q, n - k
    up, down = (mp.psi(0, s + t) - mp.psi(0, s) for s, t in ((a, k), (b, m)))
    up_1, down_1, all_1 = (mp.psi(1, s) - mp.psi(1, s + t) for s, t in ((a, k), (b, m), (c, n)))
    of_k, of_m, of_n = mp.psi(1, k + a), mp.psi(1, m + b), mp.psi(1, n + c)
    xx = (a * q * up, b * p * down, a * a * q * q * up_1, b * b * p * p * down_1)
    xk, xc = (a * q * of_k, b * p * of_m), (p * q * up, p * q * down, a * p * q * up_1, b * p * q * down_1)
    return {
        "logits": (*xx, *xk, *xc),
        "targets": (*xk, mp.psi(1, k + 1), mp.psi(1, m + 1), of_k, of_m),
        "total_count": (*xk, mp.psi(1, m + 1), of_m, of_n),
        "concentration": (*xc, of_k, of_m, of_n, p * p * up_1, q * q * down_1, all_1),
    }


def _limits(ulps, *more):
    return dict.fromkeys(["logits", "targets", "total_count", *more], Limit(scaled=ulps))


CASES = [
    Case(
        fn=jaxloss.binomial_nll,
        form=jaxloss.BinomialNLL,
        held=2,  # one form near the best prediction and another elsewhere, whose logarithms are stored both
        arrays={"logits": LOG_ODDS, "targets": SUCCESSES, "total_count": TRIALS},
        oracle=binomial,
        grid=log_odds(),
        value=Limit(strict=6, scaled=6),
        gradient=_limits(6),
        second=_limits(8),
        terms=terms,
        gradient_terms=slope_terms,
        second_terms=curve_terms,
    ),
    Case(
        fn=jaxloss.beta_binomial_nll,
        form=jaxloss.BetaBinomialNLL,
        held=7,  # it has more terms than XLA fuses into one loop
        arrays={"logits": LOG_ODDS, "targets": SUCCESSES, "total_count": TRIALS, "concentration": CONCENTRATIONS},
        oracle=beta_binomial,
        grid=log_odds(1e-3, 0.3, 30, 1e8),
        value=Limit(scaled=6),
        gradient=_limits(6, "concentration"),
        second=_limits(8, "concentration"),
        terms=terms,
        gradient_terms=mixed_slope_terms,
        second_terms=mixed_curve_terms,
        noise=1e-5,
    ),
]


@pytest.mark.parametrize("concentration", [None, 0.7])
def test_the_likelihoods_of_all_counts_sum_to_one(concentration):
    k = np.arange(31, dtype=np.float32)
    loss = jaxloss.binomial_nll if concentration is None else jaxloss.beta_binomial_nll
    more = {} if concentration is None else {"concentration": concentration}
    losses = quick(lambda k: loss(jnp.full_like(k, 0.7), k, total_count=30.0, **more))(k)
    np.testing.assert_allclose(np.exp(-np.float64(losses)).sum(), 1, rtol=1e-6)


def test_what_is_certain_has_loss_0_and_what_is_impossible_an_infinite_one():
    for loss in (
        lambda x, k: jaxloss.binomial_nll(x, k, total_count=4.0),
        lambda x, k: jaxloss.beta_binomial_nll(x, k, total_count=4.0, concentration=2.0),
    ):
        assert loss(-jnp.inf, 0.0) == 0
        assert loss(jnp.inf, 4.0) == 0
        assert loss(-jnp.inf, 1.0) == jnp.inf
        assert loss(jnp.inf, 3.0) == jnp.inf
        assert jax.grad(loss)(-jnp.inf, 0.0) == 0
        assert jnp.isnan(loss(0.0, 5.0))
    assert jaxloss.binomial_nll(1.0, 0.0, total_count=0) == 0
    assert jaxloss.beta_binomial_nll(1.0, 0.0, total_count=0, concentration=0.5) == 0


@pytest.mark.parametrize("count", [0.0, 3.0])
def test_log_odds_of_any_size_have_the_loss_that_they_should(count):
    """One success that the concentration hardly allows costs the logarithm of what it gives to it."""
    x, concentration = np.float32([-2000, -100, -70, -40, -20]), 0.5
    run = jax.value_and_grad(
        lambda x: jaxloss.beta_binomial_nll(x, count, total_count=5.0, concentration=concentration)
    )
    values, slopes = optimized(jax.vmap(run))(x)
    mp.mp.dps = 1000
    truth = [beta_binomial(*map(mp.mpf, (float(v), count, 5, concentration))) for v in x]
    np.testing.assert_allclose(values, np.array(truth, float), rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(slopes, -np.ones(5) if count else np.array(truth, float), rtol=1e-6, atol=1e-37)


def test_a_large_concentration_is_the_binomial_law():
    x, k = np.float32([-3, 0, 1, 2.3, -4]), np.float32([0, 1, 7, 10, 2])
    got, binomial = optimized(
        lambda x, k: (
            jaxloss.beta_binomial_nll(x, k, total_count=10.0, concentration=1e8),
            jaxloss.binomial_nll(x, k, total_count=10.0),
        )
    )(x, k)
    np.testing.assert_allclose(got, binomial, rtol=1e-6)


def test_of_one_trial_it_is_the_binary_cross_entropy():
    x, k = np.float32([-3, 0.5, 40, -40]), np.float32([1, 0, 1, 1])
    truth = jaxloss.sigmoid_binary_cross_entropy(x, k)
    np.testing.assert_allclose(jaxloss.binomial_nll(x, k, total_count=1), truth, rtol=1e-6)


def test_beside_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, n, c = rng.normal(0, 2, 64), rng.integers(1, 50, 64), np.exp(rng.normal(0, 2, 64))
    k, p = rng.integers(0, n + 1), 1 / (1 + np.exp(-x))
    with jax.enable_x64(True):
        plain = jaxloss.binomial_nll(jnp.asarray(x), k, total_count=n)
        mixed = jaxloss.beta_binomial_nll(jnp.asarray(x), k, total_count=n, concentration=c)
    np.testing.assert_allclose(plain, -stats.binom.logpmf(k, n, p), rtol=1e-10)
    np.testing.assert_allclose(mixed, -stats.betabinom.logpmf(k, n, c * p, c * (1 - p)), rtol=1e-9)


def test_beside_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    features, n, weights = rng.normal(size=(40, 2)), rng.integers(2, 20, 40), np.array([0.4, -0.7])
    k = rng.integers(0, n + 1)
    model = api.GLM(np.column_stack([k, n - k]), features, family=api.families.Binomial())
    with jax.enable_x64(True):
        loss = lambda weights: jaxloss.binomial_nll(jnp.asarray(features) @ weights, k, total_count=n).sum()
        value, slopes = jax.value_and_grad(loss)(jnp.asarray(weights))
    np.testing.assert_allclose(value, -model.loglike(weights), rtol=1e-10)
    np.testing.assert_allclose(slopes, -model.score(weights), rtol=1e-8)
