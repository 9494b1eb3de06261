import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import NEAR, SCALES, Case, Limit
from tests.compiling import quick


def nll(x, t, b):
    return mp.log(2 * b) + abs(x - t) / b


def grid():
    sizes = [1e-6, 1e-3, 0.1, 0.5, 1, 1.5, 40, 1e3, 1e6]
    points = [(s * e, 0, b) for s in (-1, 1) for e in [*sizes, 1e-12, 1e12] for b in sizes]
    points += [(s * b * (1 + d), 0, b) for s in (-1, 1) for b in sizes for d in (0, 1e-4, 0.1)]
    return np.array(points, np.float32).T


SCALE = Limit(scaled=4)
CASES = [
    Case(
        fn=jaxloss.laplace_nll,
        form=jaxloss.LaplaceNLL,
        arrays={"predictions": NEAR, "targets": NEAR, "scale": SCALES},
        oracle=nll,
        grid=grid,
        value=SCALE,
        gradient={"predictions": Limit(strict=1), "targets": Limit(strict=1), "scale": SCALE},
        second={"predictions": Limit(strict=2), "targets": Limit(strict=2), "scale": SCALE},
        terms=lambda x, t, b: (mp.log(2 * b), mp.log(2), abs(x - t) / b),
        gradient_terms=lambda x, t, b: {"scale": (1 / b, abs(x - t) / b**2)},
        second_terms=lambda x, t, b: {"scale": (1 / b**2, abs(x - t) / b**3)},
        nonnegative=False,
    )
]


def test_it_is_a_density():
    t = np.linspace(-40, 40, 40001).astype(np.float32)
    losses = quick(lambda t: jaxloss.laplace_nll(jnp.full_like(t, 0.25), t, scale=1.75))(t)
    np.testing.assert_allclose(np.sum(np.exp(-np.float64(losses))) * 0.002, 1, rtol=1e-5)


def test_the_values_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, t, b = (v.astype(np.float32) for v in (rng.normal(0, 2, 64), rng.normal(0, 2, 64), rng.gamma(2, 1, 64)))
    truth = -stats.laplace.logpdf(*(v.astype(np.float64) for v in (t, x, b)))
    np.testing.assert_allclose(jaxloss.laplace_nll(x, t, scale=b), truth, rtol=1e-5, atol=1e-6)


def test_without_an_error_there_is_no_slope_in_the_median():
    assert jax.grad(lambda x: jaxloss.laplace_nll(x, 1.0, scale=3.0))(1.0) == 0
