from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases, ulp
from tests.cases import REALS, Case, Domain, Limit
from tests.compiling import optimized, quick

BAD_EPSILON = {"epsilon": (-1e-3, "small", np.ones(2, np.float32))}
# A feature of 0 changes nothing, as a class of probability 0; an infinite one has no direction.
VECTORS = replace(
    REALS.over("...c"),
    hard=cases.choice(lambda: [-1e12, -3, -1e-3, 0, 1e-9, 0.5, 2, 1e6]),
    ends=(0.0, 1e-30, -1e15),
    alone=(),
    outside=(np.inf, -np.inf),
    impossible=0.0,
)


def _length(x):
    return mp.sqrt(mp.fsum(v * v for v in x))


def similarity(x, y, epsilon=0):
    lengths = max(_length(x), epsilon) * max(_length(y), epsilon)
    return mp.fsum(a * b for a, b in zip(x, y, strict=True)) / lengths if lengths else mp.mpf(0)


def distance(x, y, epsilon=0):
    return 1 - similarity(x, y, epsilon)


def formula(x, y, epsilon=None):
    """Half the squared distance of the directions, and what epsilon takes from their lengths."""
    lengths = [jnp.sqrt(jnp.sum(v * v, -1, keepdims=True)) for v in (x, y)]
    u, v = x / lengths[0], y / lengths[1]
    share = jnp.minimum(lengths[0] / epsilon, 1) * jnp.minimum(lengths[1] / epsilon, 1) if epsilon is not None else 1
    half = jnp.sum((u - v) ** 2, -1, keepdims=True) / 2
    return jnp.squeeze(share * half + (1 - share), -1)


def pairs():
    """Vectors of every length, at every angle: nearly parallel, orthogonal and opposite ones too."""
    rng, first, second = np.random.default_rng(5), [], []
    for n in (2, 3, 10):
        for angle in (0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.03, 0.4, 1, np.pi / 2, 2, 3, np.pi - 1e-4, np.pi):
            for size, other in ((1, 1), (1e-12, 3), (0.7, 1e8), (1e12, 1e15), (1e-15, 1e-15)):
                x, side = rng.normal(size=(2, n))
                side -= x * (side @ x) / (x @ x)
                y = np.cos(angle) * x / np.linalg.norm(x) + np.sin(angle) * side / np.linalg.norm(side)
                y = y if angle else x  # the same to the last bit, up to a power of two
                x, y = np.float32(size * x), np.float32(other * y)
                first.append(x)
                second.append(y if angle else x * np.float32(4))
    return first, second


def _resolved(x, y, epsilon=0):
    """The slope at an angle of one unit in the last place: between float32 vectors there is a smaller one by chance."""
    eps = mp.mpf(2) ** -23
    lengths = [max(_length(v), epsilon) for v in (x, y)]
    return {"predictions": (eps / lengths[0],), "targets": (eps / lengths[1],)}


def _bends(x, y, epsilon=0):
    """What the curvature along a direction of ones is summed of."""
    of_x, of_y = (max(_length(v), epsilon) for v in (x, y))
    both = 1 / (of_x * of_y)
    return {"predictions": (1 / of_x**2, both), "targets": (1 / of_y**2, both)}


CASES = [
    Case(
        fn=jaxloss.cosine_distance,
        form=jaxloss.CosineDistance,
        arrays={"predictions": VECTORS, "targets": VECTORS},
        oracle=distance,
        formula=formula,
        options=options,
        bad_options={**cases.BAD_AXES, **BAD_EPSILON},
        grid=pairs,
        least_classes=2,
        value=Limit(scaled=4),
        gradient={"predictions": Limit(scaled=6), "targets": Limit(scaled=6)},
        second={"predictions": Limit(scaled=8), "targets": Limit(scaled=8)},
        # An angle of one unit in the last place, which is what the rounding of equal directions comes to.
        terms=lambda x, y, epsilon=0: (mp.mpf(2) ** -47,),
        gradient_terms=_resolved,
        second_terms=_bends,
    )
    for options in ({}, {"epsilon": 2.5})
]


def embedding(x, y, label, margin=0):
    s = similarity(x, y)
    return 1 - s if label == 1 else max(s - margin, mp.mpf(0))


def embedding_formula(x, y, label, margin=0):
    d = formula(x, y)
    return jnp.where(label == 1, d, jnp.maximum(1 - d - margin, 0))


def labelled_pairs():
    x, y = pairs()
    return x, y, [(1, -1)[i % 2] for i in range(len(x))]


ALIKE = Domain(
    lambda rng, shape, sizes: rng.choice(np.int32([1, -1]), shape), ends=(1, -1), outside=(0, 7), differentiable=False
)
CASES += [
    Case(
        fn=jaxloss.cosine_embedding_loss,
        form=jaxloss.CosineEmbeddingLoss,
        arrays={"predictions": VECTORS, "targets": VECTORS, "labels": ALIKE},
        oracle=embedding,
        formula=embedding_formula,
        options={"margin": margin},
        bad_options={**cases.BAD_AXES, "margin": (-1.5, 2.0, "wide", np.ones(2, np.float32))},
        grid=labelled_pairs,
        least_classes=2,
        value=Limit(scaled=4),
        gradient={"predictions": Limit(scaled=6), "targets": Limit(scaled=6)},
        second={"predictions": Limit(scaled=8), "targets": Limit(scaled=8)},
        # Of pairs that are not alike, the margin and the similarity cancel.
        terms=lambda x, y, label, margin=0: (mp.mpf(2) ** -47, 0 if label == 1 else similarity(x, y)),
        gradient_terms=lambda x, y, label, margin=0: _resolved(x, y),
        second_terms=lambda x, y, label, margin=0: _bends(x, y),
    )
    for margin in (-0.25, 0.4)
]


def test_the_similarity_is_what_the_distance_lacks_of_one():
    """Its own function: value and slopes on the grid of the distance, with and without an epsilon."""
    mp.mp.dps = ulp.DIGITS
    one = lambda x, y, epsilon: jaxloss.cosine_similarity(x, y, epsilon=epsilon)
    run = optimized(lambda *given: (one(*given), jax.grad(one, (0, 1))(*given)))
    opposite = optimized(jax.grad(lambda x, y, e: jaxloss.cosine_distance(x, y, epsilon=e), (0, 1)))
    for i, (x, y) in enumerate(zip(*pairs(), strict=True)):
        epsilon = (0, 2.5)[i % 2]
        value, slopes = jax.tree.map(np.asarray, run(x, y, np.float32(epsilon)))
        exact = [[ulp.exact(v) for v in side] for side in (x, y)]
        lengths = [max(_length(v), epsilon) for v in exact]
        terms = [abs(a * b) / (lengths[0] * lengths[1]) for a, b in zip(*exact, strict=True)]
        truth = similarity(*exact, epsilon)
        assert ulp.ulps(value, truth, max(*terms, abs(truth))) <= 4, (x, y, epsilon)
        for slope, other in zip(slopes, opposite(x, y, np.float32(epsilon)), strict=True):
            np.testing.assert_array_equal(slope, -np.asarray(other))


def test_zero_vectors_have_finite_slopes():
    """Without an epsilon there is none; with one the slope is the other direction over it."""
    x, y = jnp.zeros((1, 3)), jnp.array([[0.0, 3.0, 4.0]])
    run = quick(
        lambda x, y, e: jax.value_and_grad(lambda *v: jaxloss.cosine_distance(*v, epsilon=e).sum(), (0, 1))(x, y)
    )
    for epsilon, slope in ((0.0, [0, 0, 0]), (0.5, [0, -1.2, -1.6])):
        value, slopes = run(x, y, epsilon)
        assert value == 1
        np.testing.assert_allclose(slopes[0][0], slope, rtol=1e-6)
        assert not slopes[1].any()
        assert run(x, x, epsilon)[0] == 1


def test_lengths_neither_overflow_nor_underflow():
    x, y = np.float32([[3e38, 3e38, 0], [1e-37, 0, 0]]), np.float32([[1e-37, 0, 0], [3e38, 3e38, 0]])
    run = quick(lambda x, y: jax.value_and_grad(lambda x: jaxloss.cosine_similarity(x, y).sum())(x))
    value, slope = run(x, y)
    np.testing.assert_allclose(value, 2 * np.sqrt(0.5), rtol=1e-6)
    assert np.isfinite(slope).all()


def test_the_distance_of_equal_directions_is_zero_to_rounding_and_of_near_ones_is_not():
    x = cases.normal(np.random.default_rng(0), (64, 10))
    loss = quick(jaxloss.cosine_distance)
    assert np.all(loss(x, 4 * x) <= 2.0**-47)
    near = x.copy()
    near[:, 0] *= 1 + 1e-5
    assert np.all(loss(x, near) > 0)  # 1 - cos is 0 there, or noise


def test_the_mean_is_over_the_rows_that_have_a_feature_left():
    x, y = cases.normal(np.random.default_rng(1), (2, 4, 3))
    where = np.ones((4, 3), bool)
    where[1], where[2, 0] = False, False
    losses = jaxloss.cosine_distance(x, y, where=where)
    np.testing.assert_allclose(losses[2], jaxloss.cosine_distance(x[2, 1:], y[2, 1:]), rtol=1e-6)
    np.testing.assert_allclose(jaxloss.CosineDistance()(x, y, where=where), losses.sum() / 3, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"epsilon": 0.3}])
def test_of_features_on_any_axes(options):
    x, y = cases.normal(np.random.default_rng(2), (2, 3, 4, 5))
    flat = jaxloss.cosine_distance(x.reshape(3, 20), y.reshape(3, 20), **options)
    np.testing.assert_allclose(jaxloss.cosine_distance(x, y, axis=(1, 2), **options), flat, rtol=1e-5)


def test_where_the_similarity_is_the_margin_there_is_no_slope():
    x, y = np.float32([[3, 4]]), np.float32([[3, 4]])
    loss = lambda x: jaxloss.cosine_embedding_loss(x, y, labels=np.int32([-1]), margin=1.0).sum()
    value, slope = jax.value_and_grad(loss)(x)
    assert value == 0
    assert not slope.any()


def test_the_answers_are_torchs():
    """Its lengths have 1e-12 added to their squares, which is nothing here."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    x, y = cases.normal(rng, (2, 32, 7))
    labels = rng.choice(np.int32([1, -1]), 32)
    for margin in (-0.3, 0.0, 0.25):
        given = torch.tensor(x, requires_grad=True)
        theirs = torch.nn.functional.cosine_embedding_loss(
            given, torch.tensor(y), torch.tensor(labels), margin=margin, reduction="none"
        )
        theirs.sum().backward()
        loss = lambda x, margin=margin: jaxloss.cosine_embedding_loss(x, y, labels=labels, margin=margin)
        np.testing.assert_allclose(loss(x), theirs.detach().numpy(), rtol=1e-5, atol=1e-6)
        slope = jax.grad(lambda x: loss(x).sum())(x)
        np.testing.assert_allclose(slope, given.grad.numpy(), rtol=1e-5, atol=1e-6)
