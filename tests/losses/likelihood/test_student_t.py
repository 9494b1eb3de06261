from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import INF, NEAR, SCALES, Case, Limit, choice
from tests.compiling import quick

# Without extremes: of degrees of freedom that are hardly any, the error over their root is beyond the floats.
FREEDOM = replace(SCALES, hard=choice(lambda: [0.1, 1, 2.5, 30, 1e3, 1e5]), ends=(1e-10, 1e10, INF), extremes=())
NUS = [1e-6, 1e-3, 0.1, 1, 2, 5, 30, 1e3, 1e6, 1e8, 1e12]
ERRORS = [0, 1e-6, 1e-3, 0.1, 0.7, 1, 1.0001, 1.5, 4, 40, 1e3, 1e6]


def nll(x, t, nu, s):
    z = (x - t) / s
    gaussian = mp.log(s) + mp.log(2 * mp.pi) / 2
    if mp.isinf(nu):
        return gaussian + z * z / 2
    step = mp.loggamma(nu / 2) - mp.loggamma((nu + 1) / 2) + mp.log(nu / 2) / 2
    return gaussian + step + (nu + 1) / 2 * mp.log1p(z * z / nu)


def grid():
    """Errors of every size and sign, and such that are near the scale times the root of the degrees of freedom."""
    points = [(sign * e * s, 0, nu, s) for sign in (-1, 1) for e in ERRORS for nu in NUS for s in (1e-3, 1, 40)]
    points += [(e * np.sqrt(nu), 0, nu, 1) for e in (0.9, 1, 1.1, 5, 1e3) for nu in NUS]
    return np.array(points, np.float32).T


def _parts(x, t, nu, s):
    z = (x - t) / s
    q = z * z / nu
    return z, q, 1 / (1 + q)


def _fall(nu):
    return (mp.digamma((nu + 1) / 2) - mp.digamma(nu / 2) - 1 / nu) / 2


def terms(x, t, nu, s):
    return mp.log(s), 1, (nu + 1) / 2 * mp.log1p(_parts(x, t, nu, s)[1])


def slope_terms(x, t, nu, s):
    _, q, p = _parts(x, t, nu, s)
    # The logarithm and q p are of one size where q is large; where it is small their difference is not formed.
    logarithms = mp.log1p(q) / 2 if q > 1 else (mp.log1p(q) - q * p) / 2
    return {
        "degrees_of_freedom": (_fall(nu), logarithms, q * p / nu / 2),
        "scale": (1 / s, (nu + 1) * q * p / s),
    }


def bends(x, t, nu, s):
    z, q, p = _parts(x, t, nu, s)
    more = 1 + 1 / nu
    with_nu, with_scale, scale_nu = (
        z * (z * z + 1) * p**2 / nu**2 / s,
        more * z * p**2 / s**2,
        (1 + z * z) * p * q * p / nu / s,
    )
    bend = (mp.polygamma(1, nu / 2) - mp.polygamma(1, (nu + 1) / 2) - 2 / nu**2) / 4
    return {
        **dict.fromkeys(("predictions", "targets"), (more * p / s**2, with_nu, with_scale)),
        "degrees_of_freedom": (with_nu, bend, q * p / nu * (q * p), q * p / nu**2, scale_nu),
        "scale": (with_scale, scale_nu, z * z * p / s**2, p / s**2),
    }


NAMES = "predictions", "targets", "degrees_of_freedom", "scale"
CASES = [
    Case(
        fn=jaxloss.student_t_nll,
        form=jaxloss.StudentTNLL,
        held=2,  # two quotients: the error in scales, and its square over the degrees of freedom
        arrays={"predictions": NEAR, "targets": NEAR, "degrees_of_freedom": FREEDOM, "scale": SCALES},
        oracle=nll,
        grid=grid,
        value=Limit(scaled=6),
        gradient={name: Limit(strict=6) if name in NAMES[:2] else Limit(scaled=6) for name in NAMES},
        second={name: Limit(scaled=8) for name in NAMES},
        terms=terms,
        gradient_terms=slope_terms,
        second_terms=bends,
        nonnegative=False,
    )
]


@pytest.mark.parametrize("nu", [1.0, 4.5, 1e5, np.inf])
def test_it_is_a_density(nu):
    u = np.linspace(-14, 14, 20001)
    t = np.sinh(u).astype(np.float32)
    losses = quick(lambda t: jaxloss.student_t_nll(jnp.full_like(t, 0.3), t, degrees_of_freedom=nu, scale=0.5))(t)
    np.testing.assert_allclose(np.sum(np.exp(-np.float64(losses)) * np.cosh(u)) * (u[1] - u[0]), 1, rtol=1e-5)


def test_the_values_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, t, nu, s = (rng.normal(0, 2, 64), rng.normal(0, 2, 64), rng.gamma(1, 9, 64), rng.gamma(2, 1, 64))
    x, t, nu, s = (v.astype(np.float32) for v in (x, t, nu, s))
    truth = -stats.t.logpdf(*(v.astype(np.float64) for v in (t, nu, x, s)))
    got = jaxloss.student_t_nll(x, t, degrees_of_freedom=nu, scale=s)
    np.testing.assert_allclose(got, truth, rtol=1e-5, atol=2e-6)


def test_of_infinite_degrees_of_freedom_it_is_gaussian_to_the_last_digits():
    x, s = np.float32([0, 0.5, -3, 40]), np.float32([1, 0.2, 2, 9])
    step = lambda loss: quick(jax.value_and_grad(lambda x, s: loss(x, s).sum(), (0, 1)))(x, s)
    gaussian = step(lambda x, s: jaxloss.gaussian_nll(x, jnp.zeros_like(x), variance=s * s, full=True))
    for nu in (np.inf, 1e30):
        got = step(lambda x, s, nu=nu: jaxloss.student_t_nll(x, jnp.zeros_like(x), degrees_of_freedom=nu, scale=s))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, gaussian)


def test_the_slope_in_the_degrees_of_freedom_falls_as_their_square():
    """The textbook's terms are z^2 / 2 nu each, of which a ten-thousandth is left at 1e4."""
    mp.mp.dps = 50
    slope = quick(jax.grad(lambda nu: jaxloss.student_t_nll(2.0, 0.0, degrees_of_freedom=nu, scale=1.0)))
    for nu in (1e2, 1e4, 1e8):
        truth = mp.diff(lambda v: nll(mp.mpf(2), 0, v, 1), mp.mpf(nu))
        np.testing.assert_allclose(slope(np.float32(nu)), float(truth), rtol=2e-6)
