"""The likelihoods beside the log-probabilities of numpyro, in float64 and at moderate points."""

import jax
import numpy as np
import pytest

import jaxloss
from tests.random_calls import drawn

TRIALS, R, SCALE = 12, 2.5, 1.5
X, Y, GATES = drawn(0, lambda rng: rng.normal(0.5, 1, (3, 20)))
K = drawn(1, lambda rng: rng.poisson(3, 20) * rng.integers(0, 2, 20))
T, SHARES = drawn(2, lambda rng: (rng.gamma(2, 1, 20), rng.uniform(0.05, 0.95, 20)))
MEANS, P = np.exp(X), 1 / (1 + np.exp(-X))
ROWS, COUNTS = drawn(3, lambda rng: (rng.normal(size=(6, 4)), rng.multinomial(9, [0.1, 0.2, 0.3, 0.4], 6)))


@pytest.fixture
def laws():
    return pytest.importorskip("numpyro.distributions")


PAIRS = {
    "poisson_nll": (lambda laws: laws.Poisson(MEANS), (X, K), {"full": "exact"}),
    "negative_binomial_nll": (lambda laws: laws.NegativeBinomial2(MEANS, R), (X, K), {"concentration": R}),
    "negative_binomial_nll_from_logits": (lambda laws: laws.NegativeBinomialLogits(R, X), (X, K), {"total_count": R}),
    "zero_inflated_poisson_nll": (
        lambda laws: laws.ZeroInflatedDistribution(laws.Poisson(MEANS), gate_logits=GATES),
        (X, K),
        {"gate_logits": GATES},
    ),
    "zero_inflated_negative_binomial_nll": (
        lambda laws: laws.ZeroInflatedDistribution(laws.NegativeBinomial2(MEANS, R), gate_logits=GATES),
        (X, K),
        {"gate_logits": GATES, "concentration": R},
    ),
    "hurdle_poisson_nll": (
        lambda laws: laws.HurdleDistribution(laws.Poisson(MEANS), gate_logits=GATES),
        (X, K),
        {"gate_logits": GATES},
    ),
    "hurdle_negative_binomial_nll": (
        lambda laws: laws.HurdleDistribution(laws.NegativeBinomial2(MEANS, R), gate_logits=GATES),
        (X, K),
        {"gate_logits": GATES, "concentration": R},
    ),
    "geometric_nll": (lambda laws: laws.GeometricLogits(X), (X, K), {}),
    "binomial_nll": (lambda laws: laws.BinomialLogits(X, TRIALS), (X, K), {"total_count": TRIALS}),
    "beta_binomial_nll": (
        lambda laws: laws.BetaBinomial(R * P, R * (1 - P), TRIALS),
        (X, K),
        {"total_count": TRIALS, "concentration": R},
    ),
    "multinomial_nll": (lambda laws: laws.MultinomialLogits(ROWS, total_count=9), (ROWS, COUNTS), {}),
    "laplace_nll": (lambda laws: laws.Laplace(X, SCALE), (X, Y), {"scale": SCALE}),
    "student_t_nll": (lambda laws: laws.StudentT(R, X, SCALE), (X, Y), {"degrees_of_freedom": R, "scale": SCALE}),
    "gamma_nll": (lambda laws: laws.Gamma(R, R / MEANS), (X, T), {"concentration": R}),
    "von_mises_nll": (lambda laws: laws.VonMises(X, R), (X, Y), {"concentration": R}),
    "beta_nll": (lambda laws: laws.Beta(R * P, R * (1 - P)), (X, SHARES), {"concentration": R}),
    "gaussian_nll": (lambda laws: laws.Normal(X, SCALE), (X, Y), {"scale": SCALE, "full": True}),
    "weibull_nll": (lambda laws: laws.Weibull(MEANS, R), (X, T), {"concentration": R}),
    "log_normal_nll": (lambda laws: laws.LogNormal(X, SCALE), (X, T), {"scale": SCALE}),
    "exponential_nll": (lambda laws: laws.Exponential(1 / MEANS), (X, T), {}),
    "multivariate_gaussian_nll": (
        lambda laws: laws.MultivariateNormal(ROWS, scale_tril=np.tril(np.ones((4, 4)))),
        (ROWS, ROWS[::-1]),
        {"scale_tril": np.tril(np.ones((4, 4)))},
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_losses_are_minus_its_log_probabilities(laws, name):
    law, (x, y), given = PAIRS[name]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        got = getattr(jaxloss, name)(x, y, **given)
        theirs = -law(laws).log_prob(y)
    np.testing.assert_allclose(got, theirs, rtol=1e-6)


def test_a_mixture(laws):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        law = laws.MixtureSameFamily(laws.CategoricalLogits(ROWS), laws.NegativeBinomial2(np.exp(ROWS / 2), R))
        k = K[:6]
        components = jaxloss.negative_binomial_nll(ROWS / 2, np.broadcast_to(k[:, None], ROWS.shape), concentration=R)
        got = jaxloss.mixture_nll(components, ROWS)
        np.testing.assert_allclose(got, -law.log_prob(k), rtol=1e-6)
