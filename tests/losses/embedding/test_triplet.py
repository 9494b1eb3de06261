from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import Case, Limit
from tests.compiling import quick
from tests.losses.embedding.test_cosine import VECTORS

# Without extremes: whether two distances of such size differ by less than a margin, their rounding decides.
POINTS = replace(
    VECTORS,
    ends=(0.0, 1e-30, -1e12),
    hard=cases.choice(lambda: [-1e3, -3, -0.01, 0, 1e-5, 0.5, 2, 40]),
    extremes=(),
)
EPS = mp.mpf("1e-6")


def _distance(x, y, degree, eps):
    return (mp.fsum(abs(a - b) ** degree for a, b in zip(x, y, strict=True)) + eps) ** (1 / mp.mpf(degree))


def triplet(a, p, n, norm_degree=2, margin=1, eps=EPS, swap=False):
    far = _distance(a, n, norm_degree, eps)
    far = min(far, _distance(p, n, norm_degree, eps)) if swap else far
    return max(_distance(a, p, norm_degree, eps) - far + margin, mp.mpf(0))


def distances(x, y, norm_degree=2, eps=1e-6):
    return (jnp.sum(jnp.abs(x - y) ** norm_degree, -1) + eps) ** (1 / norm_degree)


def formula(a, p, n, norm_degree=2, margin=1.0, eps=1e-6, swap=False):
    far = distances(a, n, norm_degree, eps)
    far = jnp.minimum(far, distances(p, n, norm_degree, eps)) if swap else far
    return jnp.maximum(distances(a, p, norm_degree, eps) - far + margin, 0)


def slope_terms(a, p, n, margin=1.0, swap=False, **options):
    """The slopes of both distances, which agree in one feature."""
    slope = lambda x, y: jnp.abs(jax.grad(lambda x: distances(x, y, **options).sum())(x))
    terms = [slope(a, p), slope(a, n), *([slope(p, n)] if swap else [])]
    return dict.fromkeys(("anchors", "positives", "negatives"), sum(terms))


def triplets():
    """Distances of every size, nearly equal ones too, with features that agree."""
    rng, found = np.random.default_rng(3), []
    for n in (1, 2, 3, 10):
        for size in (1e-10, 1e-3, 0.1, 1, 30, 1e6, 1e15):
            for _ in range(3):
                a, p, far = np.float32(size * rng.normal(size=(3, n)))
                if n > 2:
                    p[0] = a[0]
                found.append((a, p, far))
    return tuple(zip(*found, strict=True))


def _terms(a, p, n, norm_degree=2, eps=EPS, **_):
    return _distance(a, p, norm_degree, eps), _distance(a, n, norm_degree, eps)


def _of_anchors(a, p, n, norm_degree=2, eps=EPS, power=1, **_):
    """A slope of 1 in either distance, which cancel; in the curvature over the distance."""
    distances = [_distance(a, x, norm_degree, eps) for x in (p, n)]
    return {k: tuple(d ** (1 - power) for d in distances) for k in ("anchors", "positives", "negatives")}


def _case(**options):
    return Case(
        fn=jaxloss.triplet_margin_loss,
        form=jaxloss.TripletMarginLoss,
        arrays={"anchors": POINTS, "positives": POINTS, "negatives": POINTS},
        oracle=triplet,
        formula=formula,
        slope_terms=slope_terms,
        options=options,
        bad_options={
            **cases.BAD_AXES,
            "norm_degree": (0.0, -2, "euclidean", np.ones(2, np.float32)),
            "margin": (-1.0, "wide", np.ones(2, np.float32)),
            "eps": (-1e-6, "small", np.ones(2, np.float32)),
            "swap": (1, "yes", None),
        },
        grid=triplets,
        value=Limit(scaled=4),
        gradient={k: Limit(scaled=8) for k in ("anchors", "positives", "negatives")},
        second={k: Limit(scaled=16) for k in ("anchors", "positives", "negatives")},
        terms=_terms,
        gradient_terms=_of_anchors,
        second_terms=lambda *sample, **options: _of_anchors(*sample, power=2, **options),
        noise=1.0,
    )


CASES = [_case(margin=3.0), _case(norm_degree=3.0, margin=2.5, eps=0.01, swap=True)]


def test_of_infinite_degree_the_largest_difference_counts():
    a, p, n = np.float32([[1.0, 5, -2]]), np.zeros((1, 3), np.float32), np.float32([[1, 6, 0]])
    loss = lambda a: jaxloss.triplet_margin_loss(a, p, n, norm_degree=np.inf, eps=0.0, margin=0.0).sum()
    value, slope = quick(jax.value_and_grad(loss))(a)
    assert value == 5 - 2
    np.testing.assert_array_equal(slope, [[0, 1, 1]])  # -d(a, n) is of the last feature, -2 - 0
    assert np.isfinite(quick(jax.hessian(loss))(a)).all()


def test_the_swap_takes_the_nearer_of_two_negatives():
    a, p, n = np.float32([[0.0, 0.0]]), np.float32([[2.0, 0.0]]), np.float32([[3.0, 0.0]])
    np.testing.assert_allclose(jaxloss.triplet_margin_loss(a, p, n, margin=1.5, eps=0.0), [0.5])
    np.testing.assert_allclose(jaxloss.triplet_margin_loss(a, p, n, margin=1.5, eps=0.0, swap=True), [2.5])


def test_equal_vectors_have_finite_slopes():
    x = np.ones((1, 3), np.float32)
    for eps in (0.0, 1e-6):
        loss = lambda a, eps=eps: jaxloss.triplet_margin_loss(a, x, x, eps=eps).sum()
        value, slope = jax.value_and_grad(loss)(x)
        assert value == 1
        assert not slope.any()
        assert np.isfinite(jax.hessian(loss)(x)).all()


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e25])
def test_no_square_overflows_or_underflows(size):
    a, p, n = np.float32(size * np.float32([[[0, 0]], [[3, 4]], [[0, 2]]]))
    np.testing.assert_allclose(jaxloss.triplet_margin_loss(a, p, n, margin=0.0, eps=0.0), [3 * size], rtol=1e-6)


def test_the_distances_of_the_largest_vectors_are_not_lost():
    a, p, n = (jnp.full(4, v, jnp.float32) for v in (1e38, 0, 1e38))
    np.testing.assert_allclose(jaxloss.triplet_margin_loss(a, p, n), 2e38, rtol=1e-6)
