"""The scores beside those of scoringrules, which computes in float64 by NumPy."""

import jax
import numpy as np
import pytest

import jaxloss
from tests.random_calls import drawn

X, Y = drawn(0, lambda rng: rng.normal(0, 2, (2, 30)))
SCALES, MEMBERS = drawn(1, lambda rng: (rng.gamma(2, 1, 30), rng.normal(0, 2, (30, 7))))
VECTORS, TRUTHS = drawn(2, lambda rng: (rng.normal(0, 2, (10, 7, 3)), rng.normal(0, 2, (10, 3))))
P, LABELS = drawn(3, lambda rng: (rng.dirichlet(np.ones(4), 30), rng.integers(0, 4, 30)))
LEVELS = np.array([0.1, 0.3, 0.7])
QUANTILES = drawn(4, lambda rng: np.sort(rng.normal(0, 2, (30, 7)), -1))


@pytest.fixture
def peer():
    return pytest.importorskip("scoringrules")


PAIRS = {
    "crps_gaussian": (lambda f: f(X, Y, scale=SCALES), lambda peer: peer.crps_normal(Y, X, SCALES)),
    "crps_logistic": (lambda f: f(X, Y, scale=SCALES), lambda peer: peer.crps_logistic(Y, X, SCALES)),
    "crps_laplace": (lambda f: f(X, Y, scale=SCALES), lambda peer: peer.crps_laplace(Y, X, SCALES)),
    "crps_ensemble": (lambda f: f(MEMBERS, Y), lambda peer: peer.crps_ensemble(Y, MEMBERS, estimator="nrg")),
    "energy_score": (lambda f: f(VECTORS, TRUTHS), lambda peer: peer.es_ensemble(TRUTHS, VECTORS)),
    "interval_score": (
        lambda f: f(X, X + SCALES, Y, alpha=0.2),
        lambda peer: peer.interval_score(Y, X, X + SCALES, 0.2),
    ),
    "weighted_interval_score": (
        lambda f: f(QUANTILES, Y, alpha=LEVELS),
        # Version 0.10 adds half of the median where its documentation has half of its distance from the target.
        lambda peer: peer.weighted_interval_score(
            Y, np.abs(Y - QUANTILES[:, 3]), QUANTILES[:, :3], QUANTILES[:, :3:-1], LEVELS, backend="numpy"
        ),
    ),
    "quantile_loss": (lambda f: f(X, Y, quantile=0.3), lambda peer: peer.quantile_score(Y, X, 0.3)),
    "brier_score": (
        lambda f: f(P[:, 0], LABELS == 0),
        lambda peer: peer.brier_score((LABELS == 0).astype(float), P[:, 0]),
    ),
    "ranked_probability_score": (lambda f: f(P, LABELS), lambda peer: peer.rps_score(LABELS + 1, P)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_scores_are_its(peer, name):
    ours, theirs = PAIRS[name]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        np.testing.assert_allclose(ours(getattr(jaxloss, name)), theirs(peer), rtol=1e-9, atol=1e-12)


def test_the_fair_score_of_an_ensemble(peer):
    with jax.enable_x64(True):
        got = jaxloss.crps_ensemble(MEMBERS, Y, fair=True)
    np.testing.assert_allclose(got, peer.crps_ensemble(Y, MEMBERS, estimator="fair"), rtol=1e-9, atol=1e-12)
