from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import optax
import pytest

import jaxloss
from tests import cases
from tests.cases import Case, Limit
from tests.compiling import jit
from tests.losses.embedding.test_cosine import VECTORS

POINTS = replace(VECTORS, ends=(0.0, 1e-30, -1e12), hard=cases.choice(lambda: [-1e3, -3, -0.01, 0, 1e-5, 0.5, 2, 40]))
EPS = mp.mpf("1e-6")


def _distance(x, y, degree, eps):
    return (mp.fsum(abs(a - b) ** degree for a, b in zip(x, y, strict=True)) + eps) ** (1 / mp.mpf(degree))


def triplet(a, p, n, norm_degree=2, margin=1, eps=EPS, swap=False):
    far = _distance(a, n, norm_degree, eps)
    far = min(far, _distance(p, n, norm_degree, eps)) if swap else far
    return max(_distance(a, p, norm_degree, eps) - far + margin, mp.mpf(0))


def formula(a, p, n, norm_degree=2, margin=1.0, eps=1e-6, swap=False):
    distance = lambda x, y: (jnp.sum(jnp.abs(x - y) ** norm_degree, -1) + eps) ** (1 / norm_degree)
    far = distance(a, n)
    far = jnp.minimum(far, distance(p, n)) if swap else far
    return jnp.maximum(distance(a, p) - far + margin, 0)


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


def test_a_distance_of_odd_degree_is_no_sum_of_signed_powers():
    """optax's is 0 for degree 1, and nan for degree 3."""
    a, p, n = np.float32([[[0, 0]], [[-1, 0]], [[0, 3]]])
    for degree in (1, 3):
        np.testing.assert_allclose(
            jaxloss.triplet_margin_loss(a, p, n, norm_degree=degree, margin=2.5), [0.5], rtol=1e-5
        )


def test_of_infinite_degree_the_largest_difference_counts():
    a, p, n = np.float32([[1.0, 5, -2]]), np.zeros((1, 3), np.float32), np.float32([[1, 6, 0]])
    loss = lambda a: jaxloss.triplet_margin_loss(a, p, n, norm_degree=np.inf, eps=0.0, margin=0.0).sum()
    value, slope = jax.value_and_grad(loss)(a)
    assert value == 5 - 2
    np.testing.assert_array_equal(slope, [[0, 1, 1]])  # -d(a, n) is of the last feature, -2 - 0
    assert np.isfinite(jax.hessian(loss)(a)).all()


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


@pytest.mark.parametrize("options", [{"norm_degree": 1.0}, {"norm_degree": 3.0, "swap": True}, {"margin": 0.25}])
def test_the_answers_are_torchs(options):
    """With eps of 0: torch adds its own to each difference, optax to the sum."""
    torch = pytest.importorskip("torch")
    given = cases.normal(np.random.default_rng(7), (3, 16, 6))
    theirs = [torch.tensor(x, requires_grad=True) for x in given]
    known = {"norm_degree": "p"}
    kwargs = {known.get(k, k): v for k, v in options.items()}
    losses = torch.nn.functional.triplet_margin_loss(*theirs, eps=0, reduction="none", **kwargs)
    losses.sum().backward()
    ours = lambda *given: jaxloss.triplet_margin_loss(*given, eps=0.0, **options)
    np.testing.assert_allclose(jit(ours)(*given), losses.detach().numpy(), rtol=1e-5, atol=1e-6)
    slopes = jit(jax.grad(lambda *given: ours(*given).sum(), (0, 1, 2)))(*given)
    for slope, their in zip(slopes, theirs, strict=True):
        np.testing.assert_allclose(slope, their.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_the_answers_are_optaxs_of_even_degree_and_any_axis():
    given = cases.normal(np.random.default_rng(8), (3, 5, 6, 4))
    for options in ({"axis": 1}, {"norm_degree": 4, "margin": 0.5, "eps": 0.1}):
        both = [
            jit(
                lambda *given, f=f: (
                    f(*given, **options),
                    jax.grad(lambda *g: f(*g, **options).sum(), (0, 1, 2))(*given),
                )
            )
            for f in (jaxloss.triplet_margin_loss, optax.losses.triplet_margin_loss)
        ]
        ours, theirs = (run(*given) for run in both)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), ours, theirs)
