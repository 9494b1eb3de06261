import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import DISTRIBUTIONS, LABELS, Case, Limit
from tests.compiling import quick
from tests.losses.classification.test_probabilities import labelled


def generalized(p, t, q, ignore_index=None):
    return (1 - p[int(t)] ** q) / q


def formula(p, t, q, ignore_index=None):
    return (1 - jnp.take_along_axis(p, t[..., None], -1)[..., 0] ** q) / q


def _case(q, **options):
    return Case(
        fn=jaxloss.generalized_cross_entropy,
        form=jaxloss.GeneralizedCrossEntropy,
        arrays={"probabilities": DISTRIBUTIONS, "labels": LABELS},
        oracle=generalized,
        formula=formula,
        options={"q": q, **options},
        bad_options={**cases.BAD_AXES, **cases.BAD_IGNORE, "q": (0.0, -0.5, 1.5, "robust", np.ones(2, np.float32))},
        grid=labelled,
        value=Limit(strict=3),
        gradient=Limit(strict=2),
        second=Limit(strict=4),
    )


# Powers that float32 holds: of small probabilities the last digit of one is worth several of the loss.
CASES = [_case(0.75), _case(1.0), _case(float(np.float32(0.01)), ignore_index=-100)]


def test_a_probability_of_zero_has_a_bounded_loss_and_a_finite_slope():
    """Keras' slopes there are minus infinity and nan."""
    p = np.float32([[0, 1]])
    value, slope = jax.value_and_grad(lambda p: jaxloss.generalized_cross_entropy(p, np.int32([0]), q=0.5).sum())(p)
    assert value == 2
    assert np.isfinite(slope).all()
    assert slope[0, 0] < -1e18


@pytest.mark.parametrize(("p", "q", "curvature"), [(0.0, 0.7, np.inf), (1e-30, 0.7, 3e38), (1e-30, 0.5, 5e44)])
def test_the_hessian_near_a_probability_of_zero_is_finite_and_of_the_label_alone(p, q, curvature):
    loss = lambda x: jaxloss.generalized_cross_entropy(x[None], jnp.array([0]), q=q)[0]
    for hessian in (jax.hessian(loss), jax.jacrev(jax.grad(loss))):
        found = np.array(quick(hessian)(jnp.array([p, 1.0])), np.float64)
        np.testing.assert_allclose(found[0, 0], min(curvature, float(np.finfo(np.float32).max)), rtol=1e-5)
        assert np.count_nonzero(found) == 1


def test_a_small_power_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    p, t = cases.distribution(rng, (8, 5)), cases.labels(rng, 8)
    near = jaxloss.generalized_cross_entropy(p, t, q=1e-7)
    np.testing.assert_allclose(near, jaxloss.sparse_categorical_cross_entropy(p, t), rtol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_the_answers_are_keras():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(1)
    p, t = cases.distribution(rng, (8, 5)), cases.labels(rng, 8)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        theirs = keras.losses.categorical_generalized_cross_entropy(t, p, 0.4)
    np.testing.assert_allclose(quick(jaxloss.GeneralizedCrossEntropy(q=0.4, reduction="none"))(p, t), theirs, rtol=1e-5)
