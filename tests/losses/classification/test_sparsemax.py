from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import BITS, LABELS, LOGITS, REALS, SOFT_BITS, Case, Limit
from tests.compiling import quick


def binary(x, y):
    """The conjugate of Gini's entropy less y x, plus the entropy."""
    conjugate = 0 if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4
    return conjugate - y * x + y * y - y


def projection(x):
    """Sparsemax by a sort, and its threshold: algorithm 1 of the paper."""
    z = sorted((v for v in x if v != -mp.inf), reverse=True)
    size = max(k for k in range(1, len(z) + 1) if 1 + k * z[k - 1] > mp.fsum(z[:k]))
    tau = (mp.fsum(z[:size]) - 1) / size
    return [max(mp.mpf(0), v - tau) for v in x], tau


def multiclass(x, t, ignore_index=None):
    p, tau = projection(x)
    return mp.fsum(v * v - tau * tau for v, q in zip(x, p, strict=True) if q) / 2 + mp.mpf(1) / 2 - x[int(t)]


def formula(x, t, ignore_index=None):
    """The same in float64, from scores less their maximum."""
    x = x - jax.lax.stop_gradient(x.max(-1, keepdims=True))
    z = -jnp.sort(-x, -1)
    k = jnp.arange(1, x.shape[-1] + 1)
    inside = 1 + k * z > jnp.cumsum(z, -1)
    tau = (jnp.sum(jnp.where(inside, z, 0), -1) - 1) / inside.sum(-1)
    tau = tau[..., None]
    own = jnp.sum(jnp.where(jnp.arange(x.shape[-1]) == t[..., None], x, 0), -1)
    return jnp.sum(jnp.where(x > tau, x * x - tau * tau, 0), -1) / 2 + 0.5 - own


def missing(x, t, **_):
    """The unit of a loss is that of the probability that is not the label's, times scores of the size of 1."""
    return [1 - projection(x)[0][int(t)]]


def rows():
    """Supports of one class, of a few and of all."""
    rng = np.random.default_rng(7)
    found = [
        rng.normal(0, 10.0 ** rng.uniform(-3, 1), n) + rng.choice([0, 0, -777])
        for n in (1, 2, 3, 10)
        for _ in range(16)
    ]
    return [row.astype(np.float32) for row in found]


def labelled():
    rng = np.random.default_rng(8)
    return rows(), [int(np.argmax(row)) if i % 2 else int(rng.integers(len(row))) for i, row in enumerate(rows())]


# No score of these lies on a kink of the second derivative.
SCORES = replace(REALS, hard=cases.choice(lambda: cases.reals() + np.float32(0.37)))
BAD = {**cases.BAD_AXES, **cases.BAD_IGNORE}


def _binary(labels, grid, name="", **limits):
    return Case(
        fn=jaxloss.sparsemax_loss,
        form=jaxloss.SparsemaxLoss,
        arrays={"logits": SCORES, "labels": labels},
        oracle=binary,
        grid=grid,
        name=name,
        **{"value": Limit(strict=2), "gradient": Limit(strict=1), "second": Limit(strict=0), **limits},
    )


CASES = [
    _binary(BITS, lambda: cases.product(cases.reals() + np.float32(0.37), [0.0, 1.0])),
    _binary(
        SOFT_BITS,
        lambda: cases.product(cases.reals() + np.float32(0.37), [0.3, 0.999]),
        "sparsemax_loss soft",
        value=Limit(scaled=4),
        gradient=Limit(scaled=2),
        terms=lambda x, y: (x * y, y),
        gradient_terms=lambda x, y: (y, 1 - y),
    ),
    Case(
        fn=jaxloss.multiclass_sparsemax_loss,
        form=jaxloss.MulticlassSparsemaxLoss,
        arrays={"scores": LOGITS, "labels": LABELS},
        oracle=multiclass,
        formula=formula,
        options={"ignore_index": -100},
        bad_options=BAD,
        grid=labelled,
        value=Limit(scaled=4),
        gradient=Limit(scaled=2),
        second=Limit(scaled=8),
        terms=missing,
        gradient_terms=lambda *_, **__: [1],
    ),
]


def test_the_slope_is_the_projection_less_the_label():
    rng = np.random.default_rng(9)
    x, t = np.float32(rng.normal(size=(64, 8))), rng.integers(0, 8, 64)
    slope = quick(jax.grad(lambda x: jaxloss.multiclass_sparsemax_loss(x, t).sum()))(x)
    truth = [np.float64(projection([mp.mpf(float(v)) for v in row])[0]) for row in x]
    np.testing.assert_allclose(slope + np.eye(8, dtype=np.float32)[t], truth, atol=1e-6)


def test_the_second_derivative_is_that_of_the_projection():
    x = jnp.array([0.5, 0.25, -1.0, 0.375])
    hessian = jax.hessian(lambda x: jaxloss.multiclass_sparsemax_loss(x, jnp.int32(2)))(x)
    support = np.array([1, 1, 0, 1])
    np.testing.assert_allclose(hessian, np.diag(support) - np.outer(support, support) / 3, rtol=1e-6, atol=1e-7)


def test_a_margin_of_1_costs_nothing_and_less_than_it_a_little():
    x = jnp.array([[2.0, 1.0, -jnp.inf], [2.0, 1.0 + 2.0**-10, -jnp.inf]])
    losses = jaxloss.multiclass_sparsemax_loss(x, jnp.array([0, 0]))
    np.testing.assert_array_equal(losses, [0, 2.0**-22])  # half of a thousandth has moved: (2^-11)^2


def test_the_size_of_the_support_may_be_anything():
    """Scores that leave the support one by one, and a vocabulary of equal ones."""
    x = np.float32(-np.sqrt(np.arange(50257)) / 300)[None]
    losses = quick(jaxloss.multiclass_sparsemax_loss)(np.concatenate([x, 0 * x]), np.array([0, 0]))
    np.testing.assert_allclose(losses[1], 0.5 - 0.5 / 50257, rtol=1e-6)
    z = np.float64(x[0])  # which falls
    size = np.flatnonzero(1 + np.arange(1, 50258) * z > np.cumsum(z))[-1] + 1
    p = np.maximum(0, z - (z[:size].sum() - 1) / size)
    assert size > 50
    np.testing.assert_allclose(losses[0], ((1 - p[0]) ** 2 + (p[1:] ** 2).sum()) / 2, rtol=1e-5)


def test_infinite_logits_that_agree_cost_nothing():
    x, y = jnp.array([jnp.inf, -jnp.inf]), jnp.array([1.0, 0.0])
    losses, slope = jax.value_and_grad(lambda x: jaxloss.sparsemax_loss(x, y).sum())(x)
    assert losses == 0
    assert not slope.any()
    np.testing.assert_array_equal(jaxloss.sparsemax_loss(x, 1 - y), [jnp.inf, jnp.inf])
