import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import REALS, SCALES, Case, Limit
from tests.compiling import optimized, quick


def gaussian(x, t, s):
    z = (t - x) / s
    return s * (z * mp.erf(z / mp.sqrt(2)) + mp.sqrt(2 / mp.pi) * mp.exp(-z * z / 2) - 1 / mp.sqrt(mp.pi))


def logistic(x, t, s):
    z = (t - x) / s
    return s * (z + 2 * mp.log(1 + mp.exp(-z)) - 1)


def laplace(x, t, s):
    z = abs(t - x) / s
    return s * (z + mp.exp(-z) - mp.mpf(3) / 4)


def grid():
    """Distances of 0 to 1e6 scales, near 1 too, at scales of 1e-6 to 1e6."""
    sizes = [0, 1e-12, 1e-6, 1e-3, 0.05, 0.3, 0.7, 0.9, 0.999, 0.9999999, 1, 1.0000001, 1.001, 1.2, 1.5, 2, 3, 4, 5, 6]
    sizes += [7.7, 9, 11, 13, 17, 30, 80, 1e2, 1e3, 1e6]
    pairs = [(sign * z * s, s) for z in sizes for sign in (-1, 1) for s in (1e-6, 1e-3, 0.7, 1, 40, 1e6)]
    errors, scales = np.array(pairs, np.float32).T
    return errors, np.zeros_like(errors), scales


def _densities(x, t, s):
    """Twice the density of each law at the target."""
    z = abs(t - x) / s
    e = mp.exp(-z)
    return {gaussian: mp.sqrt(2 / mp.pi) * mp.exp(-z * z / 2), logistic: 2 * e / (1 + e) ** 2, laplace: e}


def _case(name, form, oracle, constant):
    def bends(x, t, s):
        z, d = abs(t - x) / s, _densities(x, t, s)[oracle]
        return {"predictions": (d / s, z * d / s), "targets": (d / s, z * d / s), "scale": (z * d / s, z * z * d / s)}

    return Case(
        fn=getattr(jaxloss, name),
        form=form,
        arrays={"predictions": REALS, "targets": REALS, "scale": SCALES},
        oracle=oracle,
        grid=grid,
        value=Limit(strict=3),
        gradient={"predictions": Limit(strict=4), "targets": Limit(strict=4), "scale": Limit(scaled=3)},
        second={"predictions": Limit(scaled=6), "targets": Limit(scaled=6), "scale": Limit(scaled=6)},
        gradient_terms=lambda x, t, s: {"scale": (constant,)},
        second_terms=bends,
        held=2 if oracle is laplace else 1,  # the exponential that value and slope share
    )


CASES = [
    _case("crps_gaussian", jaxloss.CRPSGaussian, gaussian, 1 / mp.sqrt(mp.pi)),
    _case("crps_logistic", jaxloss.CRPSLogistic, logistic, mp.mpf(1)),
    _case("crps_laplace", jaxloss.CRPSLaplace, laplace, mp.mpf(3) / 4),
]
SAMPLE = {
    "crps_gaussian": lambda stats: stats.norm(0.3, 1.7),
    "crps_logistic": lambda stats: stats.logistic(0.3, 1.7),
    "crps_laplace": lambda stats: stats.laplace(0.3, 1.7),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_curvature_in_the_location_is_the_density_far_out_too(case):
    """Alone: along a change of all arrays the curvatures in prediction and target cancel."""
    x, t, s = grid()
    loss = lambda x, t, s: case.fn(x, t, scale=s)
    bend = optimized(jax.vmap(jax.grad(jax.grad(loss))))(x, t, s)
    for i in range(len(x)):
        sample = [mp.mpf(float(v)) for v in (x[i], t[i], s[i])]
        truth = _densities(*sample)[case.oracle] / sample[-1]
        if truth > 1e-37:
            assert abs(mp.mpf(float(bend[i])) / truth - 1) < 6 * 2.0**-23, (x[i], s[i], bend[i], truth)
        else:
            assert bend[i] <= 1e-37


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_is_the_integral_of_the_squared_distance_of_the_distribution_functions(case):
    law = SAMPLE[case.fn.__name__](pytest.importorskip("scipy.stats"))
    grid = np.linspace(-60, 60, 240001)
    for t in (-4.0, 0.3, 2.5):
        integral = np.trapezoid((law.cdf(grid) - (grid >= t)) ** 2, grid)
        np.testing.assert_allclose(case.fn(jnp.float32(0.3), jnp.float32(t), scale=1.7), integral, rtol=1e-3)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_true_law_has_the_least_mean_score(case):
    law = SAMPLE[case.fn.__name__](pytest.importorskip("scipy.stats"))
    t = law.ppf((np.arange(4001) + 0.5) / 4001).astype(np.float32)
    score = lambda x, s: jnp.mean(case.fn(jnp.full_like(t, x), t, scale=s))
    mean = quick(score)
    least = mean(0.3, 1.7)
    for x, s in ((0.5, 1.7), (0.1, 1.7), (0.3, 1.5), (0.3, 1.9), (0.4, 1.8)):
        assert mean(x, s) > least
    np.testing.assert_allclose(quick(jax.grad(score, (0, 1)))(0.3, 1.7), 0, atol=1e-3)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_score_of_a_large_sample_tends_to_it(case):
    law = SAMPLE[case.fn.__name__](pytest.importorskip("scipy.stats"))
    members = law.ppf((np.arange(20001) + 0.5) / 20001).astype(np.float32)
    t = np.float32([-5, 0.3, 1, 4])
    of_sample = jaxloss.crps_ensemble(np.broadcast_to(members, (4, members.size)), t)
    np.testing.assert_allclose(of_sample, case.fn(jnp.full(4, 0.3), t, scale=1.7), rtol=1e-3)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_infinite_error_has_an_infinite_loss_and_finite_slopes(case):
    run = jax.value_and_grad(lambda x, s: case.fn(x, jnp.float32(0), scale=s), (0, 1))
    value, slopes = run(jnp.float32(np.inf), jnp.float32(2))
    assert value == np.inf
    assert slopes[0] == 1
    assert np.isfinite(slopes[1])


def test_the_answers_are_scoringrules():
    rules = pytest.importorskip("scoringrules")
    x, t, s = (np.float32(v) for v in ([0.0, 1, -2, 30], [0.5, -3, 4, 2], [1.0, 0.2, 5, 3]))
    for name, theirs in (("crps_gaussian", "normal"), ("crps_logistic", "logistic"), ("crps_laplace", "laplace")):
        expected = getattr(rules, f"crps_{theirs}")(np.float64(t), np.float64(x), np.float64(s))
        np.testing.assert_allclose(getattr(jaxloss, name)(x, t, scale=s), expected, rtol=1e-6)
