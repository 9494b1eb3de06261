from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import COUNTS, LOGITS, Case, Limit
from tests.compiling import optimized, quick
from tests.losses.classification.test_cross_entropy import log_softmax

COUNTS_OF_CLASSES = replace(COUNTS.over("...c"), impossible=0.0)


def nll(x, counts):
    cross = mp.fsum(-t * log for t, log in zip(counts, log_softmax(x), strict=True) if t)
    return mp.fsum(mp.loggamma(t + 1) for t in counts) - mp.loggamma(mp.fsum(counts) + 1) + cross


def formula(x, counts):
    """The same for whole arrays in float64."""
    factorials = jnp.sum(jax.scipy.special.gammaln(counts + 1), -1) - jax.scipy.special.gammaln(counts.sum(-1) + 1)
    return factorials + jnp.sum(counts * (jax.nn.logsumexp(x, -1)[..., None] - x), -1)


def slope_terms(x, counts):
    """By array, the size of the terms of its slopes."""
    n = counts.sum(-1, keepdims=True)
    return {"logits": n * jax.nn.softmax(x) + counts, "targets": 1 + jnp.log1p(n) - jax.nn.log_softmax(x)}


def grid():
    """Counts that are likely under the logits, in expectation or drawn, and others."""
    rng, rows, counts = np.random.default_rng(3), [], []
    for i, row in enumerate(cases.logit_rows(per_size=16)):
        if np.isinf(row).any():
            continue  # the slope in its count is truly infinite
        p = np.exp(row - row.max(), dtype=np.float64)
        n = [1, 5, 100, 12345, 10**6, 10**8][i % 6]
        drawn = rng.multinomial(n, p / p.sum())
        for of_row in (drawn, np.round(n * p / p.sum()), rng.integers(0, n + 1, len(row))):
            rows.append(row)
            counts.append(np.asarray(of_row, np.float32))
    return rows, counts


CASES = [
    Case(
        fn=jaxloss.multinomial_nll,
        form=jaxloss.MultinomialNLL,
        arrays={"logits": LOGITS, "targets": COUNTS_OF_CLASSES},
        oracle=nll,
        formula=formula,
        slope_terms=slope_terms,
        bad_options=cases.BAD_AXES,
        grid=grid,
        value=Limit(scaled=6),
        gradient={"logits": Limit(scaled=6), "targets": Limit(scaled=6)},
        second={"logits": Limit(scaled=8), "targets": Limit(scaled=8)},
        terms=lambda x, counts: [mp.fsum(counts) * abs(v) for v in log_softmax(x) if not mp.isinf(v)],
        gradient_terms=lambda x, counts: {
            "logits": counts,
            "targets": [1, mp.psi(0, mp.fsum(counts) + 1), *(v for v in log_softmax(x) if not mp.isinf(v))],
        },
        second_terms=lambda x, counts: {"logits": [*counts, 1], "targets": [mp.mpf(2)]},
    )
]


def test_the_likelihoods_of_all_counts_sum_to_one():
    n = 12
    counts = np.array([(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)], np.float32)
    x = np.broadcast_to(np.float32([0.3, -1, 2]), counts.shape)
    np.testing.assert_allclose(np.exp(-np.float64(quick(jaxloss.multinomial_nll)(x, counts))).sum(), 1, rtol=1e-6)


def test_a_class_that_is_impossible():
    x, counts = np.float32([[0, -np.inf, 1]] * 2), np.float32([[2, 0, 1], [2, 1, 0]])
    values, slopes = quick(lambda x: (jaxloss.multinomial_nll(x, counts), jax.grad(_total)(x, counts)))(x)
    two = jaxloss.multinomial_nll(x[:1, ::2], counts[:1, ::2])
    np.testing.assert_allclose(values, [two[0], np.inf], rtol=1e-6)
    p = 1 / (1 + np.e)
    np.testing.assert_allclose(slopes[0], [3 * p - 2, 0, 3 * (1 - p) - 1], rtol=1e-6)


def _total(x, counts):
    return jaxloss.multinomial_nll(x, counts).sum()


def test_a_confident_row_keeps_its_small_loss():
    x, counts = np.float32([[0, 40, 0]] * 2), np.float32([[0, 1, 0], [0, 100, 0]])
    losses = optimized(jaxloss.multinomial_nll)(x, counts)
    np.testing.assert_allclose(losses, [2 * np.exp(-40.0), 200 * np.exp(-40.0)], rtol=1e-6)


def test_of_two_classes_it_is_the_binomial_law():
    x, k = np.float32([-3, 0.5, 4, -1]), np.float32([1, 5e5, 98, 2])
    n = np.float32([4, 1e6, 100, 2])
    rows = np.stack([x, np.zeros_like(x)], -1), np.stack([k, n - k], -1)
    several, two = optimized(lambda: (jaxloss.multinomial_nll(*rows), jaxloss.binomial_nll(x, k, total_count=n)))()
    np.testing.assert_allclose(several, two, rtol=2e-6)


def test_a_million_counts_where_they_are_expected_keep_their_digits():
    """The textbook formula in float32 is off by 1."""
    counts = np.float32([[1e6, 2e6, 3e6, 4e6]])
    got = optimized(jaxloss.multinomial_nll)(np.log(counts), counts)
    mp.mp.dps = 30
    truth = nll([mp.mpf(float(v)) for v in np.log(counts)[0]], [mp.mpf(float(v)) for v in counts[0]])
    np.testing.assert_allclose(got, float(truth), rtol=1e-5)


def test_beside_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, counts = rng.normal(size=(8, 4)), rng.integers(0, 9, (8, 4))
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    with jax.enable_x64(True):
        got = quick(jaxloss.multinomial_nll)(jnp.asarray(x), counts)
    np.testing.assert_allclose(got, -stats.multinomial.logpmf(counts, counts.sum(-1), p), rtol=1e-10)
