from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import BITS, CLASSES, DISTRIBUTIONS, LABELS, PROBABILITIES, SOFT_BITS, Case, Limit
from tests.losses.classification.test_probabilities import labelled

# Any class that is put between two others is one more step of their order.
ORDERED = replace(DISTRIBUTIONS, impossible=None)


def brier(p, y):
    return (p - y) ** 2


def multiclass(p, t):
    return mp.fsum((v - (k == t)) ** 2 for k, v in enumerate(p))


def ranked(p, t):
    """The distribution function up to the label, and from there what lies above it."""
    t = int(t)
    up = [mp.fsum(p[: k + 1]) ** 2 for k in range(t)]
    return mp.fsum(up + [mp.fsum(p[k + 1 :]) ** 2 for k in range(t, len(p) - 1)])


def multiclass_formula(p, t):
    return jnp.sum((p - (jnp.arange(p.shape[-1]) == t[..., None])) ** 2, -1)


def ranked_formula(p, t):
    index, t = jnp.arange(p.shape[-1]), t[..., None]
    below, above = jnp.where(index < t, p, 0), jnp.where(index > t, p, 0)
    up, down = jnp.cumsum(below, -1), jnp.cumsum(above[..., ::-1], -1)[..., ::-1]
    return jnp.sum(jnp.where(index < t, up, 0) ** 2 + jnp.where(index > t, down, 0) ** 2, -1)


def sums(p, t):
    """The largest slope is a sum of this size."""
    return (2 * mp.fsum(p),)


def _rows(fn, form, oracle, formula, domain, **more):
    return Case(
        fn=fn,
        form=form,
        arrays={"probabilities": domain, "labels": LABELS},
        oracle=oracle,
        formula=formula,
        bad_options=cases.BAD_AXES,
        grid=labelled,
        value=Limit(strict=4),
        gradient=Limit(strict=4),
        second=Limit(scaled=4),
        **more,
    )


PAIRS = {"probabilities": PROBABILITIES, "labels": BITS}
CASES = [
    Case(
        fn=jaxloss.brier_score,
        form=jaxloss.BrierScore,
        arrays=arrays,
        oracle=brier,
        grid=lambda labels=labels: cases.product(cases.unit(), labels),
        value=Limit(strict=3),
        gradient={"probabilities": Limit(strict=1), "labels": Limit(strict=1)},
        second={"probabilities": Limit(strict=0), "labels": Limit(strict=0)},
        name=name,
    )
    for name, arrays, labels in (
        ("brier_score", PAIRS, [0, 1]),
        ("brier_score[soft]", {**PAIRS, "labels": SOFT_BITS}, [0.3, 0.9]),
    )
]
CASES += [
    _rows(jaxloss.multiclass_brier_score, jaxloss.MulticlassBrierScore, multiclass, multiclass_formula, DISTRIBUTIONS),
    _rows(
        jaxloss.ranked_probability_score,
        jaxloss.RankedProbabilityScore,
        ranked,
        ranked_formula,
        ORDERED,
    ),
]


def test_two_classes_are_an_event():
    p, t = np.float32([0.2, 0.9, 0.5]), np.int32([1, 0, 1])
    both, event = np.stack([1 - p, p], -1), jaxloss.brier_score(p, t)
    np.testing.assert_allclose(jaxloss.multiclass_brier_score(both, t), 2 * event, rtol=1e-6)
    np.testing.assert_allclose(jaxloss.ranked_probability_score(both, t), event, rtol=1e-6)


def test_the_ranked_score_is_of_the_distribution_functions():
    rng = np.random.default_rng(0)
    p, t = cases.distribution(rng, (32, CLASSES)), cases.labels(rng, 32)
    steps = (np.arange(CLASSES) >= t[:, None]).astype(np.float64)
    expected = np.sum((np.cumsum(np.float64(p), -1) - steps) ** 2, -1)
    np.testing.assert_allclose(jaxloss.ranked_probability_score(p, t), expected, rtol=1e-5)


def test_a_nearer_class_costs_less():
    p = jax.nn.one_hot(jnp.arange(4), 4)
    np.testing.assert_array_equal(jaxloss.ranked_probability_score(p, jnp.zeros(4, int)), [0, 1, 2, 3])
    np.testing.assert_array_equal(jaxloss.multiclass_brier_score(p, jnp.zeros(4, int)), [0, 2, 2, 2])


def test_a_confident_forecast_keeps_its_digits():
    p = np.float32([[1, 1e-6, 1e-10]])
    np.testing.assert_allclose(jaxloss.ranked_probability_score(p, np.int32([0])), [1.0002e-12], rtol=1e-5)
    np.testing.assert_allclose(jaxloss.multiclass_brier_score(p, np.int32([0])), [1e-12], rtol=1e-5)


def test_an_ordered_class_that_is_left_out_is_no_step():
    p, t = np.float32([[0.5, np.nan, 0.2, 0.3]]), np.int32([3])
    where = np.array([[True, False, True, True]])
    expected = jaxloss.ranked_probability_score(np.float32([[0.5, 0.2, 0.3]]), np.int32([2]))
    np.testing.assert_allclose(jaxloss.ranked_probability_score(p, t, where=where), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", [jaxloss.multiclass_brier_score, jaxloss.ranked_probability_score])
def test_the_true_law_has_the_least_expected_score(loss):
    truth = np.float32([0.5, 0.1, 0.15, 0.25])
    expected = lambda p: jnp.sum(truth * loss(jnp.broadcast_to(p, (4, 4)), jnp.arange(4)))
    # On the simplex, moved by a softmax, the slope at the true law is 0, and any other law scores more.
    of_logits = lambda x: expected(jax.nn.softmax(x))
    np.testing.assert_allclose(jax.grad(of_logits)(np.log(truth)), 0, atol=1e-6)
    for p in cases.distribution(np.random.default_rng(1), (8, 4)):
        assert expected(p) > expected(truth)


def test_the_answers_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    p, y = cases.probability(rng, 64), rng.integers(0, 2, 64)
    np.testing.assert_allclose(jaxloss.BrierScore()(p, y), metrics.brier_score_loss(y, p), rtol=1e-5)
    p, t = cases.distribution(rng, (64, CLASSES)), rng.permutation(np.arange(64) % CLASSES)
    p = np.float64(p) / np.float64(p).sum(-1, keepdims=True)
    theirs = metrics.brier_score_loss(t, p, labels=np.arange(CLASSES))
    np.testing.assert_allclose(jaxloss.MulticlassBrierScore()(np.float32(p), np.int32(t)), theirs, rtol=1e-5)


def test_the_answers_are_scoringrules():
    rules = pytest.importorskip("scoringrules")
    rng = np.random.default_rng(3)
    p, t = cases.distribution(rng, (16, CLASSES)), cases.labels(rng, 16)
    np.testing.assert_allclose(
        jaxloss.ranked_probability_score(p, t), rules.rps_score(t + 1, np.float64(p)), rtol=1e-4, atol=1e-6
    )
