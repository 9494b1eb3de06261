"""PyTorch's likelihoods and divergence: variances, impossible outcomes, the mean that misleads."""

import warnings
from functools import partial

import jax
import numpy as np
import pytest

from jaxloss.torch import functional as F
from tests.cases import normal, positive
from tests.compiling import jit
from tests.torch.refusing import X, Y, bad_input_is_refused


def test_a_log_probability_of_minus_infinity_without_mass_costs_nothing():
    x, none = np.float32([[0, -np.inf]]), np.float32([[1, 0]])
    summed = partial(F.kl_div, reduction="sum")
    for loss, target in ((summed, none), (partial(summed, log_target=True), x)):
        value, slope = jit(jax.value_and_grad(lambda x, loss=loss, target=target: loss(x, target)))(x)
        assert value == 0
        assert np.isfinite(slope).all()


SHARED = [(), (1, 1, 1), (3, 1, 1), (1, 4, 1), (1, 1, 2), (3, 4, 1), (3, 1, 2), (3, 4), (3, 4, 2)]


@pytest.mark.parametrize("shape", SHARED)
def test_a_variance_may_be_the_same_along_any_axes(shape):
    rng = np.random.default_rng(0)
    x, y, variance = normal(rng, (3, 4, 2)), normal(rng, (3, 4, 2)), np.asarray(positive(rng, shape), np.float32)
    along = variance[..., None] if shape == (3, 4) else variance
    run = jit(jax.value_and_grad(lambda v, x: F.gaussian_nll_loss(x, y, v, reduction="sum")))
    value, slope = run(variance, x)
    error = (x.astype(np.float64) - y) ** 2
    np.testing.assert_allclose(value, 0.5 * np.sum(np.log(along) + error / along), rtol=1e-5)
    terms = np.broadcast_to(0.5 * (1 / along - error / along.astype(np.float64) ** 2), x.shape)
    axes = tuple(i for i, n in enumerate(along.shape) if n != x.shape[i]) if along.ndim else None
    np.testing.assert_allclose(slope, terms.sum(axes).reshape(shape) if shape != (3, 4) else terms.sum(-1), rtol=1e-4)


def test_a_misleading_mean_is_warned_of():
    with pytest.warns(UserWarning, match="batchmean"):
        jax.eval_shape(F.kl_div, X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.eval_shape(partial(F.kl_div, reduction="batchmean"), X, Y)


ERRORS = [
    (F.kl_div, (X, Y[:2]), {"reduction": "sum"}, ValueError, ["do not broadcast"]),
    (F.gaussian_nll_loss, (X, Y, Y[:, 0, None, None]), {}, ValueError, ["var", "(3, 1, 1)"]),
    (F.gaussian_nll_loss, (X, Y, Y[:2, :1]), {}, ValueError, ["var", "(2, 1)"]),
    (F.gaussian_nll_loss, (X, Y, [[1.0], [1.0, 2.0]]), {}, TypeError, ["var", "list"]),
    (F.gaussian_nll_loss, (X, Y, -1.0), {}, ValueError, ["var", "-1"]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "arguments", "options", "error", "words"), ERRORS)
def test_bad_input_is_refused_while_tracing(loss, arguments, options, error, words):
    bad_input_is_refused(loss, arguments, options, error, words)
