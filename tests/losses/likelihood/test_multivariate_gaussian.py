import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import INF, Case, Domain, Limit, choice, normal
from tests.compiling import quick

VECTORS = Domain(
    normal, "...d", hard=choice(lambda: [-40, -1, -1e-3, 0, 0.5, 3]), ends=(0.0, 1e-30, -1e15), outside=(INF, -INF)
)


def factors(rng, shape, sizes):
    """Lower triangles, with numbers above the diagonal, which are ignored."""
    identity = np.eye(shape[-1])
    found = rng.normal(0, 0.4, shape) * (1 - identity) + np.exp(rng.normal(0, 0.5, shape)) * identity
    return found.astype(np.float32)


FACTORS = Domain(factors, "...dd")


def _solved(x, t, factor):
    found = []
    for i, (a, b) in enumerate(zip(x, t, strict=True)):
        found.append((a - b - mp.fsum(factor[i][j] * found[j] for j in range(i))) / factor[i][i])
    return found


def _back(z, factor):
    """The transposed factor's solution."""
    n, found = len(z), {}
    for i in reversed(range(n)):
        found[i] = (z[i] - mp.fsum(factor[j][i] * found[j] for j in range(i + 1, n))) / factor[i][i]
    return [found[i] for i in range(n)]


def nll(x, t, factor):
    z = _solved(x, t, factor)
    logs = mp.fsum(mp.log(factor[i][i]) for i in range(len(x)))
    return mp.fsum(v * v for v in z) / 2 + logs + len(x) * mp.log(2 * mp.pi) / 2


def grid():
    """Vectors of one to six numbers, under factors of every size."""
    rng, found = np.random.default_rng(9), []
    for n in (1, 2, 3, 6):
        for size in (1e-6, 1e-2, 1, 30, 1e6):
            for error in (0, 1e-3, 1, 40):
                factor = size * factors(rng, (n, n), {})
                x = size * error * rng.normal(size=n)
                found.append((x.astype(np.float32), np.zeros(n, np.float32), factor.astype(np.float32)))
    return tuple(zip(*found, strict=True))


def terms(x, t, factor):
    z = _solved(x, t, factor)
    return [v * v for v in z] + [mp.log(factor[i][i]) for i in range(len(x))]


def _sizes(x, t, factor):
    """Magnitudes with which the terms of both solutions are summed: no difference is taken."""
    size = [[abs(v) * (1 if i == j else -1) for j, v in enumerate(row)] for i, row in enumerate(factor)]
    z = _solved([abs(a - b) for a, b in zip(x, t, strict=True)], [0] * len(x), size)
    return z, _back(z, size), [1 / row[i] for i, row in enumerate(size)]


def slope_terms(x, t, factor):
    z, y, inverse = _sizes(x, t, factor)
    return {
        **dict.fromkeys(("predictions", "targets"), y),
        "scale_tril": [a * b for a in y for b in z] + inverse,
    }


def bends(x, t, factor):
    z, y, _ = _sizes(x, t, factor)
    ones = [mp.mpf(2)] * len(x)
    size = [[abs(v) * (1 if i == j else -1) for j, v in enumerate(row)] for i, row in enumerate(factor)]
    moved = [a + sum(z) for a in _solved([o + 2 * sum(z) for o in ones], [0] * len(x), size)]
    pushed = _back([a + 2 * sum(y) for a in moved], size)
    least = min(row[i] for i, row in enumerate(size))
    return {
        **dict.fromkeys(("predictions", "targets"), pushed),
        "scale_tril": [a * b for a in pushed for b in z] + [a * b for a in y for b in moved] + [2 / least**2],
    }


NAMES = "predictions", "targets", "scale_tril"
CASES = [
    Case(
        fn=jaxloss.multivariate_gaussian_nll,
        form=jaxloss.MultivariateGaussianNLL,
        arrays={"predictions": VECTORS, "targets": VECTORS, "scale_tril": FACTORS},
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


def _vectors(rng):
    return normal(rng, (8, 3)), normal(rng, (8, 3))


def test_the_values_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, t = _vectors(rng)
    factor = np.tril(factors(rng, (8, 3, 3), {}))
    covariance = np.float64(factor) @ np.float64(factor).transpose(0, 2, 1)
    truth = [-stats.multivariate_normal.logpdf(b, a, c) for a, b, c in zip(x, t, covariance, strict=True)]
    np.testing.assert_allclose(jaxloss.multivariate_gaussian_nll(x, t, scale_tril=factor), truth, rtol=1e-5)


def test_of_a_diagonal_factor_it_is_the_sum_of_the_elements():
    x, t = _vectors(np.random.default_rng(1))
    scale = np.float32([0.5, 1, 3])
    got = jaxloss.multivariate_gaussian_nll(x, t, scale_tril=np.diag(scale))
    along = np.broadcast_to(scale**2, x.shape)
    np.testing.assert_allclose(got, jaxloss.gaussian_nll(x, t, variance=along, full=True).sum(-1), rtol=1e-6)


def test_one_factor_may_serve_many_vectors():
    rng = np.random.default_rng(2)
    x, t = (v.reshape(2, 4, 3) for v in _vectors(rng))
    factor = factors(rng, (2, 1, 3, 3), {})
    each = np.broadcast_to(factor, (2, 4, 3, 3))
    loss = lambda factor, x=x, t=t: jaxloss.multivariate_gaussian_nll(x, t, scale_tril=factor)
    np.testing.assert_allclose(loss(factor), loss(each), rtol=1e-6)
    np.testing.assert_allclose(
        loss(factor[0, 0]), loss(each[:1, :, :, :] * np.ones((2, 1, 1, 1), np.float32)), rtol=1e-6
    )
    with pytest.raises(ValueError, match="do not fit"):
        loss(each[:, :3])


def test_a_diagonal_that_is_not_positive_has_loss_nan_and_no_slope():
    x, factor = jnp.ones((2, 2)), jnp.stack([jnp.eye(2), jnp.diag(jnp.array([1.0, -1.0]))])
    loss = lambda x, factor: jaxloss.multivariate_gaussian_nll(x, jnp.zeros((2, 2)), scale_tril=factor)
    losses, slopes = loss(x, factor), quick(jax.grad(lambda *a: loss(*a).sum(), (0, 1)))(x, factor)
    np.testing.assert_array_equal(jnp.isnan(losses), [False, True])
    for slope in slopes:
        assert np.isfinite(slope).all()
        assert not slope[1].any()


def test_it_is_a_density():
    u = np.linspace(-9, 9, 301).astype(np.float32)
    t = np.stack(np.meshgrid(u, u, indexing="ij"), -1)
    loss = quick(
        lambda t: jaxloss.multivariate_gaussian_nll(jnp.zeros_like(t), t, scale_tril=jnp.array([[1.5, 0], [1, 0.7]]))
    )
    np.testing.assert_allclose(np.exp(-np.float64(loss(t))).sum() * 0.06**2, 1, rtol=1e-5)
