import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import INF, Case, Domain, Limit, choice, positive
from tests.compiling import quick

ANGLES = Domain(
    lambda rng, shape, sizes: rng.uniform(-4, 4, shape).astype(np.float32),
    hard=choice(lambda: [-300, -3, -1e-3, 0, 1e-4, 1.5, 3.1415927, 40]),
    ends=(0.0, 1e-30, -3.1415927, 1e4, -1e15),
    outside=(INF, -INF),
)
CONCENTRATIONS = Domain(
    positive, hard=choice(lambda: [0, 1e-3, 0.1, 1, 40, 1e3]), ends=(0.0, 1e-30, 1e8), outside=(-1.0, INF)
)


def nll(x, t, k):
    return mp.log(2 * mp.pi * mp.besseli(0, k)) - k * mp.cos(x - t)


def grid():
    """Every difference of angles under concentrations up to 1e8, and typical ones under each."""
    sizes = [0, 1e-6, 1e-3, 0.1, 0.5, 1, 2, 3, 5, 8, 11, 30, 300, 1e4, 1e6, 1e8]
    gaps = [0, 1e-6, 1e-4, 1e-2, 0.3, 0.785, 1, 1.5707964, 2, 3, 3.1415927, 3.2, 4.712389, 6.2831855, 7, 50, 6000]
    points = [(s * gap, t, k) for gap in gaps for s in (-1, 1) for t in (0, 0.4) for k in sizes]
    points += [(t + s / np.sqrt(k), t, k) for s in (-2, 0.5) for t in (-3, 0.7, 90) for k in sizes if k]
    return np.array(points, np.float32).T


def _mean(k):
    return 1 - mp.besseli(1, k) / mp.besseli(0, k)


def terms(x, t, k):
    return mp.log(2 * mp.pi), mp.log(mp.besseli(0, k)) - k, k * (1 - mp.cos(x - t))


LIMIT = {name: Limit(scaled=6) for name in ("predictions", "targets", "concentration")}
CASES = [
    Case(
        fn=jaxloss.von_mises_nll,
        form=jaxloss.VonMisesNLL,
        arrays={"predictions": ANGLES, "targets": ANGLES, "concentration": CONCENTRATIONS},
        oracle=nll,
        grid=grid,
        value=Limit(scaled=4),
        gradient={name: Limit(strict=5) for name in ("predictions", "targets")} | {"concentration": Limit(scaled=5)},
        second={name: Limit(scaled=8) for name in LIMIT},
        terms=terms,
        gradient_terms=lambda x, t, k: {"concentration": (1 - mp.cos(x - t), _mean(k))},
        second_terms=lambda x, t, k: {
            **dict.fromkeys(("predictions", "targets"), (k * mp.cos(x - t), mp.sin(x - t))),
            "concentration": (mp.sin(x - t),),
        },
        nonnegative=False,
    )
]


@pytest.mark.parametrize("k", [0.0, 0.4, 9.0, 3e3])
def test_it_is_a_density_on_the_circle(k):
    t = np.linspace(-np.pi, np.pi, 20000, endpoint=False)
    losses = quick(lambda t: jaxloss.von_mises_nll(jnp.full_like(t, 2.0), t, concentration=k))(t.astype(np.float32))
    np.testing.assert_allclose(np.mean(np.exp(-np.float64(losses))) * 2 * np.pi, 1, rtol=1e-5)


def test_the_values_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, t, k = (v.astype(np.float32) for v in (rng.uniform(-3, 3, 64), rng.uniform(-3, 3, 64), rng.gamma(1, 30, 64)))
    truth = -stats.vonmises.logpdf(*(v.astype(np.float64) for v in (t, k, x)))
    np.testing.assert_allclose(jaxloss.von_mises_nll(x, t, concentration=k), truth, rtol=1e-5, atol=1e-6)


def test_a_whole_turn_changes_nothing():
    """The target is a float32 near three turns; what is left of the rounded turns is in the truth too."""
    turns = np.float32(6 * np.pi)
    loss = quick(lambda x, t: jaxloss.von_mises_nll(x, t, concentration=50.0))
    plain = loss(np.float32(0.25), np.float32(float(turns) - 6 * np.pi))
    np.testing.assert_allclose(loss(np.float32(0.25), turns), plain, rtol=2e-6)


def test_of_a_large_concentration_it_is_gaussian():
    k, e = np.float32(1e8), np.float32([0, 3e-5, -1e-4, 2.5e-4])
    run = quick(jax.value_and_grad(lambda e, k: jaxloss.von_mises_nll(e, jnp.zeros_like(e), concentration=k).sum(), 0))
    losses = quick(lambda e: jaxloss.von_mises_nll(e, jnp.zeros_like(e), concentration=k))(e)
    truth = 0.5 * (np.log(2 * np.pi) - np.log(np.float64(k)) + np.float64(k) * np.float64(e) ** 2)
    np.testing.assert_allclose(losses, truth, rtol=1e-6)
    np.testing.assert_allclose(run(e, k)[1], k * e, rtol=1e-6)
