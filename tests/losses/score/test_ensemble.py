from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import REALS, Case, Limit
from tests.compiling import quick

# There is no member that changes nothing.
MEMBERS = replace(REALS.over("...c"), impossible=None)
VECTORS = replace(REALS, ends=(0.0, 1e-30, -1e15), alone=(), outside=(np.inf, -np.inf))
SIZES = {"m": 3}
BAD = {"fair": (1, "yes", None)}


def _pairs(count, fair):
    return count * (max(count - 1, 1) if fair else count)


def crps(x, t, fair=False):
    n = len(x)
    apart = mp.fsum(abs(a - b) for a in x for b in x)
    return mp.fsum(abs(a - t) for a in x) / n - apart / (2 * _pairs(n, fair))


def formula(x, t, fair=False):
    """With the ranks of the members as constants, which gives ties the same slope."""
    n = x.shape[-1]
    s = jnp.sort(jax.lax.stop_gradient(x), -1)
    rank = lambda side: jax.vmap(lambda s, x: jnp.searchsorted(s, x, side=side))(s, jax.lax.stop_gradient(x))
    balance = rank("left") + rank("right") - n  # how many are below less how many are above
    return jnp.mean(jnp.abs(x - t[..., None]), -1) - jnp.sum(balance * x, -1) / _pairs(n, fair)


def _length(x):
    return mp.sqrt(mp.fsum(v * v for v in x))


def _distance(x, y):
    return _length([a - b for a, b in zip(x, y, strict=True)])


def energy(x, t, fair=False):
    n = len(x)
    apart = mp.fsum(_distance(a, b) for a in x for b in x)
    return mp.fsum(_distance(a, t) for a in x) / n - apart / (2 * _pairs(n, fair))


def ensembles():
    """Members of every spread, around the target and to one side of it, of one to ten."""
    rng, found = np.random.default_rng(0), []
    for n in (1, 2, 3, 10):
        for spread in (1e-6, 1e-3, 1, 300, 1e6):
            for offset in (0, 0.3, 20):
                t, x = np.float32(rng.normal()), np.zeros(n, np.float32)
                while len({t, *x}) <= n:  # at ties there is no curvature
                    x = np.float32(t + spread * (offset + rng.normal(size=n)))
                found.append((x, t))
    return tuple(zip(*found, strict=True))


def vectors():
    rng, found = np.random.default_rng(1), []
    for n in (1, 2, 3, 6):
        for width in (1, 2, 5):
            for spread in (1e-10, 1e-3, 1, 1e8):
                t = np.float32(spread * rng.normal(size=width))
                found.append((np.float32(spread * rng.normal(size=(n, width))), t))
    return tuple(zip(*found, strict=True))


def _terms(x, t, fair=False):
    n = len(x)
    apart = mp.fsum(_distance(a, b) for a in x for b in x)
    return mp.fsum(_distance(a, t) for a in x) / n, apart / (2 * _pairs(n, fair))


def _bends(x, t, fair=False):
    """Over distances, by which unit vectors turn."""
    n, pairs = len(x), _pairs(len(x), fair)
    to_target = [1 / _distance(a, t) / n for a in x]
    between = [1 / _distance(a, b) / pairs for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    return {"ensemble": (*to_target, *between), "targets": (sum(to_target),)}


M3, S4 = Limit(strict=3), Limit(scaled=4)
CASES = [
    Case(
        fn=jaxloss.crps_ensemble,
        form=jaxloss.CRPSEnsemble,
        arrays={"ensemble": MEMBERS, "targets": REALS},
        oracle=crps,
        formula=formula,
        options=options,
        bad_options={**cases.BAD_AXES, **BAD},
        grid=ensembles,
        value=Limit(strict=4),
        gradient={"ensemble": M3, "targets": M3},
        second={"ensemble": Limit(strict=0), "targets": Limit(strict=0)},
    )
    for options in ({}, {"fair": True})
]
CASES += [
    Case(
        fn=jaxloss.energy_score,
        form=jaxloss.EnergyScore,
        arrays={"ensemble": VECTORS.over("...md"), "targets": VECTORS.over("...d")},
        oracle=energy,
        options=options,
        bad_options=BAD,
        grid=vectors,
        sizes=SIZES,
        value=S4,
        gradient={"ensemble": Limit(scaled=6), "targets": Limit(scaled=6)},
        second={"ensemble": Limit(scaled=8), "targets": Limit(scaled=8)},
        terms=_terms,
        gradient_terms=lambda x, t, fair=False: {"ensemble": (mp.mpf(1) / len(x),), "targets": (1,)},
        second_terms=_bends,
        noise=1.0,
        extreme_terms=1.0,
    )
    for options in ({}, {"fair": True})
]


@pytest.mark.parametrize("fair", [False, True])
def test_ties_have_one_slope_and_their_sum_is_that_in_the_target(fair):
    x, t = np.float32([[1, 2, 2, 2, 5]]), np.float32([3])
    loss = lambda x, t: jaxloss.crps_ensemble(x, t, fair=fair).sum()
    in_members, in_target = quick(jax.grad(loss, (0, 1)))(x, t)
    m = 4 if fair else 5
    expected = [(-m + 4) / (5 * m), *[(-m - (1 - 1)) / (5 * m)] * 3, (m - 4) / (5 * m)]
    np.testing.assert_allclose(in_members[0], expected, rtol=1e-6)
    np.testing.assert_allclose(in_target, [(4 - 1) / 5], rtol=1e-6)
    np.testing.assert_allclose(in_members.sum(), -in_target.sum(), rtol=1e-6)
    assert not np.any(quick(jax.hessian(lambda x: loss(x, t)))(x))


def test_members_at_the_target_have_the_mean_slope_of_both_sides():
    x, t = np.float32([[3, 3, 7]]), np.float32([3])
    slope = quick(jax.grad(lambda x: jaxloss.crps_ensemble(x, t).sum()))(x)
    np.testing.assert_allclose(slope[0], [1 / 9, 1 / 9, 1 / 9], rtol=1e-6)


def test_a_single_member_has_the_absolute_error():
    x, t = np.float32([[4.5]]), np.float32([2])
    for fair in (False, True):
        assert jaxloss.crps_ensemble(x, t, fair=fair) == 2.5
        assert jaxloss.energy_score(x[..., None], t[..., None], fair=fair) == 2.5


def test_members_that_are_left_out_are_none():
    rng = np.random.default_rng(2)
    x, t = cases.normal(rng, (6, 7)), cases.normal(rng, 6)
    where = np.ones((6, 7), bool)
    where[:, [1, 4]] = False
    where[2] = False
    for fair in (False, True):
        losses = jaxloss.crps_ensemble(np.where(where, x, np.nan), t, fair=fair, where=where)
        expected = jaxloss.crps_ensemble(x[:, [0, 2, 3, 5, 6]], t, fair=fair)
        np.testing.assert_allclose(losses, np.where(np.arange(6) == 2, 0, expected), rtol=1e-6)
    mean = jaxloss.CRPSEnsemble()(x, t, where=where)
    np.testing.assert_allclose(mean, jaxloss.crps_ensemble(x, t, where=where).sum() / 5, rtol=1e-6)


def test_the_fair_score_is_that_of_the_law_in_the_mean():
    """Over all draws of two members of a law of three numbers."""
    law, t = np.float32([-1, 0.5, 3]), np.float32(0.25)
    draws = np.float32([[a, b] for a in law for b in law])
    of_draws, of_law = (quick(partial(jaxloss.crps_ensemble, fair=fair)) for fair in (True, False))
    np.testing.assert_allclose(of_draws(draws, np.full(9, t)).mean(), of_law(law, t), rtol=1e-6)
    vectors = np.float32([[0, 1], [2, -1], [3, 3]])
    draws = np.float32([[a, b] for a in vectors for b in vectors])
    of_draws, of_law = (quick(partial(jaxloss.energy_score, fair=fair)) for fair in (True, False))
    mean = of_draws(draws, np.tile(vectors[:1], (9, 1))).mean()
    np.testing.assert_allclose(mean, of_law(vectors, vectors[0]), rtol=1e-6)


def test_in_one_dimension_the_energy_score_is_the_crps():
    rng = np.random.default_rng(3)
    for members in (1, 2, 5, 8):
        x, t = cases.normal(rng, (16, members)), cases.normal(rng, 16)
        for fair in (False, True):
            both = lambda x, t, fair=fair: (
                jaxloss.energy_score(x[..., None], t[..., None], fair=fair),
                jaxloss.crps_ensemble(x, t, fair=fair),
            )
            np.testing.assert_allclose(*quick(both)(x, t), rtol=1e-4, atol=1e-6)


def test_members_that_coincide_have_finite_slopes():
    x, t = np.ones((1, 3, 2), np.float32), np.ones((1, 2), np.float32)
    loss = lambda x, t: jaxloss.energy_score(x, t).sum()
    value, slopes = quick(jax.value_and_grad(loss, (0, 1)))(x, t)
    assert value == 0
    assert not any(np.any(slope) for slope in slopes)
    assert np.isfinite(quick(jax.hessian(loss))(x, t)).all()


def test_no_array_of_all_pairs_is_held():
    members, width = 400, 3
    x, t = jax.ShapeDtypeStruct((members, width), jnp.float32), jax.ShapeDtypeStruct((width,), jnp.float32)
    step = jax.jit(jax.value_and_grad(jaxloss.energy_score))
    held = step.lower(x, t).compile().memory_analysis().temp_size_in_bytes
    assert held < members * members * width * 4 / 10
    many = jax.ShapeDtypeStruct((2**16,), jnp.float32)
    step = jax.jit(jax.value_and_grad(jaxloss.crps_ensemble))
    assert step.lower(many, jnp.float32(0)).compile().memory_analysis().temp_size_in_bytes < 16 * 2**18


def test_the_true_law_has_the_least_mean_score():
    rng = np.random.default_rng(4)
    law = rng.normal(size=4001).astype(np.float32)
    t = np.sort(rng.normal(size=512).astype(np.float32))
    mean = quick(lambda shift, scale: jnp.mean(jax.vmap(lambda t: jaxloss.crps_ensemble(shift + scale * law, t))(t)))
    least = mean(0.0, 1.0)
    for shift, scale in ((0.5, 1.0), (-0.5, 1.0), (0.0, 0.6), (0.0, 1.5)):
        assert mean(shift, scale) > least


def test_the_answers_are_scoringrules():
    rules = pytest.importorskip("scoringrules")
    x, t = cases.normal(np.random.default_rng(5), (8, 6)), cases.normal(np.random.default_rng(6), 8)
    for fair, estimator in ((False, "nrg"), (True, "fair")):
        expected = rules.crps_ensemble(np.float64(t), np.float64(x), estimator=estimator)
        np.testing.assert_allclose(jaxloss.crps_ensemble(x, t, fair=fair), expected, rtol=1e-5)
    x, t = cases.normal(np.random.default_rng(7), (8, 6, 3)), cases.normal(np.random.default_rng(8), (8, 3))
    for fair, estimator in ((False, "nrg"), (True, "fair")):
        expected = rules.es_ensemble(np.float64(t), np.float64(x), estimator=estimator)
        np.testing.assert_allclose(jaxloss.energy_score(x, t, fair=fair), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 4, 0), (3,)])
def test_an_ensemble_has_members_and_variables(shape):
    with pytest.raises(ValueError, match="at least one of each"):
        jaxloss.energy_score(jnp.zeros(shape), jnp.zeros((2, 3)))
