from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import INF, LOG_ODDS, PROBABILITIES, SCALES, Case, Limit, choice, unit
from tests.compiling import quick

CONCENTRATIONS = replace(SCALES, hard=choice(lambda: [1e-3, 0.1, 1, 40, 1e5]), ends=(1e-6, 1e8))
SHARES = replace(PROBABILITIES, hard=choice(lambda: unit()[(unit() > 1e-15) & (unit() < 1)]))


def _shares(x):
    return 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))


def nll(x, t, c):
    p, q = _shares(x)
    a, b = p * c, q * c
    constant = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(c)
    return constant - (a - 1) * mp.log(t) - (b - 1) * mp.log1p(-t)


def grid():
    """Means and targets over (0, 1), targets near the mean, under every concentration."""
    sizes = [1e-6, 1e-3, 0.1, 1, 2, 10, 300, 1e4, 1e6, 1e8]
    logits = [-80, -15, -3, -0.4, 0, 1e-3, 0.7, 5, 16, 60]
    targets = [1e-12, 1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 2.0**-12, 1 - 2.0**-24]
    points = [(x, t, c) for x in logits for t in targets for c in sizes]
    for x in (-4, -1, 0.3, 3):
        p = 1 / (1 + np.exp(-x))
        points += [(x, p * (1 + d), c) for d in (0, 1e-4, -1e-2) for c in sizes]
    return np.array(points, np.float32).T


def terms(x, t, c):
    p, q = _shares(x)
    a, b = p * c, q * c
    return a * mp.log(t), b * mp.log1p(-t), mp.log(t), mp.log1p(-t), *map(mp.loggamma, (a, b, c))


def slope_terms(x, t, c):
    p, q = _shares(x)
    a, b, steep = p * c, q * c, c * p * q
    return {
        "logits": (steep * mp.digamma(a), steep * mp.digamma(b), steep * mp.log(t), steep * mp.log1p(-t)),
        "targets": ((a - 1) / t, (b - 1) / (1 - t), a / t, 1 / t, b / (1 - t), 1 / (1 - t)),
        "concentration": (p * mp.digamma(a), q * mp.digamma(b), mp.digamma(c), p * mp.log(t), q * mp.log1p(-t)),
    }


def bends(x, t, c):
    p, q = _shares(x)
    a, b, steep = p * c, q * c, c * p * q
    to_target, in_both = steep / (t * (1 - t)), p / t + q / (1 - t)
    bend_a, bend_b, bend_c = (mp.polygamma(1, k) for k in (a, b, c))
    with_c = [v / c for v in slope_terms(x, t, c)["logits"]] + [steep * p * bend_a, steep * q * bend_b]
    return {
        "logits": (*slope_terms(x, t, c)["logits"], steep**2 * bend_a, steep**2 * bend_b, to_target, *with_c),
        "targets": (to_target, a / t**2, 1 / t**2, b / (1 - t) ** 2, 1 / (1 - t) ** 2, in_both),
        "concentration": (*with_c, in_both, p**2 * bend_a, q**2 * bend_b, bend_c),
    }


NAMES = "logits", "targets", "concentration"
CASES = [
    Case(
        fn=jaxloss.beta_nll,
        form=jaxloss.BetaNLL,
        held=2,  # mean and complement
        arrays={"logits": LOG_ODDS, "targets": SHARES, "concentration": CONCENTRATIONS},
        oracle=nll,
        grid=grid,
        value=Limit(scaled=6),
        gradient={name: Limit(scaled=6) for name in NAMES},
        second={name: Limit(scaled=8) for name in NAMES},
        terms=terms,
        gradient_terms=slope_terms,
        second_terms=bends,
        nonnegative=False,
    )
]


@pytest.mark.parametrize(("x", "c"), [(0.4, 0.5), (-1.0, 3.0), (2.0, 500.0)])
def test_it_is_a_density(x, c):
    """Above 1/2 a share has no digits of what it lacks of 1: the mirror image of the law is summed there."""
    u = np.linspace(-85, 0, 20001)
    t = (1 / (1 + np.exp(-u))).astype(np.float32)
    loss = quick(lambda x, t: jaxloss.beta_nll(jnp.full_like(t, x), t, concentration=c))
    density = sum(np.exp(-np.float64(loss(np.float32(sign * x), t))) for sign in (1, -1))
    np.testing.assert_allclose(np.trapezoid(density / (2 + np.exp(u) + np.exp(-u)), u), 1, rtol=1e-5)


def test_the_values_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, t, c = (v.astype(np.float32) for v in (rng.normal(0, 1, 64), rng.uniform(0.01, 0.99, 64), rng.gamma(2, 5, 64)))
    x64, t64, c64 = (v.astype(np.float64) for v in (x, t, c))
    truth = -stats.beta.logpdf(t64, c64 / (1 + np.exp(-x64)), c64 / (1 + np.exp(x64)))
    got = quick(jaxloss.beta_nll)(x, t, concentration=c)
    np.testing.assert_allclose(got, truth, rtol=1e-5, atol=3e-6)


def test_at_the_ends_it_is_what_the_density_is():
    loss = quick(lambda x, t, c: jaxloss.beta_nll(x, t, concentration=c))
    for x, t, c, truth in [
        (0.0, 0.0, 3.0, INF),
        (0.0, 1.0, 3.0, INF),
        (0.0, 0.0, 1.0, -INF),
        (0.0, 1.0, 1.0, -INF),
        (0.0, 0.0, 2.0, 0.0),
        (0.0, 1.0, 2.0, 0.0),
        (INF, 1.0, 2.0, -INF),
        (INF, 0.3, 2.0, INF),
        (-INF, 1.0, 0.5, INF),
        (-INF, 0.0, 0.5, -INF),
    ]:
        assert loss(*map(np.float32, (x, t, c))) == truth, (x, t, c)
    assert jnp.isnan(loss(np.float32(0), np.float32(1.5), np.float32(2)))
    assert jax.grad(lambda x: jaxloss.beta_nll(x, 1.5, concentration=2.0))(0.0) == 0
