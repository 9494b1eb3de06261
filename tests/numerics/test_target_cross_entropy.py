"""The cross-entropy from a distribution over the classes: the textbook's derivatives with all digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics.target_cross_entropy import target_nll
from tests.compiling import optimized


@pytest.mark.parametrize("classes", [5, 300])
def test_gradients_in_logits_and_targets_are_the_textbooks(classes):
    rng = np.random.default_rng(0)
    x, t = rng.normal(0, 3, (4, classes)).astype(np.float32), rng.dirichlet(np.ones(classes), 4).astype(np.float32)
    t[1], t[2] = np.eye(classes)[0], 0.3 * t[2]
    x[1, 0], x[3, 2], t[3, 2] = 40, -np.inf, 0
    where = np.array([[True], [True], [True], [True]])
    losses = lambda x, t: target_nll(x, t, where, (1,))
    value, slopes = optimized(
        lambda x, t: (losses(x, t), jax.grad(lambda x, t: jnp.sum(losses(x, t)[0]), (0, 1))(x, t))
    )(x, t)
    top = x.max(-1, keepdims=True)
    e = np.exp(np.float64(x) - top)
    others = np.where(e < 1, e, 0).sum(-1, keepdims=True)
    p = e / (1 + others)
    logs = np.where(e < 1, np.float64(x) - top, 0) - np.log1p(others)
    gaps = np.where((t == 0) & (x == -np.inf), 0, logs)
    np.testing.assert_allclose(value[0][:, 0], -(t * gaps).sum(-1), rtol=2e-6)
    mass = np.float64(t).sum(-1, keepdims=True)
    slope = np.where(p > 0.5, (mass - t) - mass * others / (1 + others), mass * p - t)
    np.testing.assert_allclose(slopes[0], slope, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(slopes[0][1], slope[1], rtol=2e-6)
    np.testing.assert_allclose(slopes[1], -gaps, rtol=2e-6)
