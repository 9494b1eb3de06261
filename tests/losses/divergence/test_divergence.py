import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import DISTRIBUTIONS, LOG_DISTRIBUTIONS, LOGITS, MASSES, Case, Limit
from tests.compiling import optimized, quick
from tests.losses.classification.test_cross_entropy import log_softmax
from tests.losses.classification.test_probabilities import probability_rows


def kl(log_p, t):
    return mp.fsum(v * (mp.log(v) - lp) for lp, v in zip(log_p, t, strict=True) if v)


def kl_log(log_p, log_t):
    return mp.fsum(mp.exp(lt) * (lt - lp) for lp, lt in zip(log_p, log_t, strict=True) if not mp.isinf(lt))


def generalized(log_p, t):
    return kl(log_p, t) + mp.fsum(mp.exp(lp) - v for lp, v in zip(log_p, t, strict=True))


def kl_probabilities(p, t):
    return mp.fsum(v * mp.log(v / q) for q, v in zip(p, t, strict=True) if v)


def js(p, t):
    m = [(a + b) / 2 for a, b in zip(p, t, strict=True)]
    return (kl_probabilities(m, p) + kl_probabilities(m, t)) / 2


def js_logits(x, z):
    return js([mp.exp(v) for v in log_softmax(x)], [mp.exp(v) for v in log_softmax(z)])


def pairs(log_p=False, log_t=False):
    """Distributions far from each other, near, and nearer."""
    rng = np.random.default_rng(7)
    first, second = [], []
    for i, p in enumerate(probability_rows()):
        t = rng.dirichlet(np.ones(len(p))) if i % 3 == 0 else p * np.exp(rng.normal(0, 10.0 ** -(i % 6), len(p)))
        t = (t / t.sum()).astype(np.float32)
        first.append(np.log(p) if log_p else p)
        second.append(np.log(t) if log_t else t)
    return first, second


def logit_pairs():
    rng = np.random.default_rng(8)
    first = [row for row in cases.logit_rows(per_size=16) if np.isfinite(row).all() and np.abs(row).max() < 100]
    return first, [(row + rng.normal(0, 10.0 ** -(i % 4), len(row))).astype(np.float32) for i, row in enumerate(first)]


def _formula(p, t):
    """Whole arrays in float64, from the predicted probabilities and those of the target."""
    return jnp.sum(jax.scipy.special.xlogy(t, t) - jax.scipy.special.xlogy(t, p), -1)


def _js_formula(p, t):
    return (_formula((p + t) / 2, p) + _formula((p + t) / 2, t)) / 2


def _case(fn, form, oracle, formula, arrays, grid, **more):
    bad = cases.BAD_AXES
    return Case(fn=fn, form=form, arrays=arrays, oracle=oracle, formula=formula, bad_options=bad, grid=grid, **more)


def _terms(log_p, t):
    return [abs(v * lp) for lp, v in zip(log_p, t, strict=True)] + [abs(v * mp.log(v)) for v in t if v]


def _unit(p, t):
    return (mp.mpf(1),)


SUM, FOUR = Limit(scaled=6), Limit(strict=4)
OF_LOGS = {"log_predictions": LOG_DISTRIBUTIONS, "targets": MASSES}
OF_PROBABILITIES = {"predictions": DISTRIBUTIONS, "targets": DISTRIBUTIONS}
CASES = [
    _case(
        jaxloss.kl_divergence,
        jaxloss.KLDivergence,
        kl,
        lambda p, t: _formula(jnp.exp(p), t),
        OF_LOGS,
        lambda: pairs(log_p=True),
        value=SUM,
        gradient=Limit(strict=1),
        second=Limit(strict=1),
        terms=_terms,
        nonnegative=False,
    ),
    _case(
        jaxloss.kl_divergence_with_log_targets,
        jaxloss.KLDivergenceWithLogTargets,
        kl_log,
        lambda p, t: _formula(jnp.exp(p), jnp.exp(t)),
        {"log_predictions": LOG_DISTRIBUTIONS, "log_targets": LOG_DISTRIBUTIONS},
        lambda: pairs(True, True),
        value=SUM,
        gradient=Limit(strict=2),
        second=Limit(strict=1),
        terms=lambda lp, lt: _terms(lp, [mp.exp(v) for v in lt]),
        nonnegative=False,
    ),
    _case(
        jaxloss.generalized_kl_divergence,
        jaxloss.GeneralizedKLDivergence,
        generalized,
        lambda p, t: _formula(jnp.exp(p), t) + jnp.sum(jnp.exp(p) - t, -1),
        OF_LOGS,
        lambda: pairs(log_p=True),
        value=SUM,
        gradient=SUM,
        second=FOUR,
        terms=_terms,
        gradient_terms=lambda lp, t: [*(mp.exp(v) for v in lp), *t],
    ),
    _case(
        jaxloss.kl_divergence_from_probabilities,
        jaxloss.KLDivergenceFromProbabilities,
        kl_probabilities,
        _formula,
        OF_PROBABILITIES,
        pairs,
        value=FOUR,
        gradient=FOUR,
        second=FOUR,
        nonnegative=False,
    ),
    _case(
        jaxloss.js_divergence,
        jaxloss.JSDivergence,
        js,
        _js_formula,
        OF_PROBABILITIES,
        pairs,
        value=FOUR,
        gradient=FOUR,
        second=FOUR,
        steep=(0.0,),
    ),
    _case(
        jaxloss.js_divergence_from_logits,
        jaxloss.JSDivergenceFromLogits,
        js_logits,
        lambda x, z: _js_formula(jax.nn.softmax(x), jax.nn.softmax(z)),
        {"logits": LOGITS, "target_logits": LOGITS},
        logit_pairs,
        value=Limit(scaled=4),
        gradient=Limit(scaled=8),
        second=Limit(scaled=8),
        terms=_unit,
        gradient_terms=_unit,
        second_terms=_unit,
        noise=1.0,
    ),
]


@pytest.mark.parametrize("fn", [jaxloss.kl_divergence_from_probabilities, jaxloss.js_divergence])
def test_equal_distributions_with_absent_outcomes_have_no_divergence_and_no_nan(fn):
    p = np.float32([0.5, 0.5, 0])
    value, slopes = quick(jax.value_and_grad(fn, (0, 1)))(p, p)
    assert value == 0
    assert np.isfinite(slopes[0]).all()
    assert not np.isnan(slopes[1]).any()


def test_an_outcome_of_predicted_probability_zero_has_an_infinite_loss():
    certain, even = np.float32([1, 0]), np.float32([0.5, 0.5])
    log_certain = np.float32([0, -np.inf])
    assert quick(jaxloss.kl_divergence)(log_certain, even) == np.inf
    assert quick(jaxloss.kl_divergence)(log_certain, certain) == 0
    assert quick(jaxloss.kl_divergence_with_log_targets)(log_certain, log_certain) == 0
    assert quick(jaxloss.kl_divergence_from_probabilities)(certain, even) == np.inf


def test_the_slope_in_a_target_of_zero_is_the_log_of_the_smallest_normal_number():
    tiny = np.finfo(np.float32).tiny
    slope = quick(jax.grad(jaxloss.kl_divergence, 1))
    log_p = np.log(np.float32([0.5, 0.5]))
    np.testing.assert_allclose(slope(log_p, np.float32([1, 0]))[1], np.log(tiny) + 1 + np.log(2), rtol=1e-6)
    np.testing.assert_array_equal(slope(log_p, np.float32([1, 0])), slope(log_p, np.float32([1, tiny])))


def test_js_is_symmetric_and_at_most_log_two():
    loss = quick(jaxloss.js_divergence)
    np.testing.assert_allclose(loss(np.float32([1, 0]), np.float32([0, 1])), np.log(2), rtol=1e-7)
    a, b = cases.distribution(np.random.default_rng(0), (2, 9))
    assert loss(a, b) == loss(b, a)


def test_log_targets_of_minus_infinity_have_curvatures():
    loss = jaxloss.kl_divergence_with_log_targets
    log_p, log_t = np.log(np.float32([0.5, 0.5])), np.float32([0, -np.inf])
    np.testing.assert_allclose(quick(jax.hessian(loss, 1))(log_p, log_t), [[np.log(2) + 2, 0], [0, 0]], rtol=1e-6)


def test_js_from_logits_with_masked_outcomes():
    x, z = jnp.array([1.0, jnp.nan, 2.0]), jnp.array([0.5, jnp.nan, -1.0])
    where = jnp.array([True, False, True])
    loss = quick(jax.value_and_grad(jaxloss.js_divergence_from_logits))
    (got, slope), (expected, _) = loss(x, z, where=where), loss(x[::2], z[::2])
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert jnp.isfinite(slope).all()


@pytest.mark.parametrize(
    "fn", [jaxloss.kl_divergence, jaxloss.kl_divergence_with_log_targets, jaxloss.generalized_kl_divergence]
)
def test_a_sum_over_many_outcomes_is_that_of_its_parts(fn):
    """Few outcomes are summed in another way than many; some are absent, some impossible, some nearly so."""
    rng = np.random.default_rng(3)
    log_p, t = np.log(cases.distribution(rng, (6, 40))), cases.distribution(rng, (6, 40))
    t[:, ::5], log_p[:, ::10], log_p[:, 7] = 0, -np.inf, -1e4
    with np.errstate(divide="ignore"):
        t = np.log(t) if fn is jaxloss.kl_divergence_with_log_targets else t
    run = optimized(lambda log_p, t: (fn(log_p, t), jax.grad(lambda log_p: fn(log_p, t).sum())(log_p)))
    losses, slopes = run(log_p, t)
    parts, slopes_of_parts = run(log_p.reshape(6, 4, 10), t.reshape(6, 4, 10))
    np.testing.assert_allclose(losses, np.sum(parts, 1), rtol=1e-6)
    np.testing.assert_array_equal(slopes, np.reshape(slopes_of_parts, slopes.shape))
    assert np.isfinite(losses).all()
