"""Training, as users write it: flax models, optax, one compiled step that carries the loss in every way it can."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxloss

STEPS, BATCH, FEATURES, CLASSES = 20, 32, 4, 3
INPUTS = np.random.default_rng(0).normal(size=(BATCH, FEATURES)).astype(np.float32)
TRUTH = INPUTS @ np.random.default_rng(1).normal(size=(FEATURES, CLASSES)).astype(np.float32)
WEIGHTS = np.random.default_rng(2).uniform(0.5, 2, BATCH).astype(np.float32)
# A fifth of the batch is padding, and holds what padding may hold.
WHERE = np.arange(BATCH) % 5 != 0
PADDED = np.where(WHERE[:, None], INPUTS, np.float32(0))

LOSSES = {
    "counts": (jaxloss.PoissonNLL(full="exact"), np.random.default_rng(3).poisson(np.exp(0.5 * TRUTH))),
    "classes": (jaxloss.SoftmaxCrossEntropyWithIntegerLabels(label_smoothing=0.1), TRUTH.argmax(-1).astype(np.int32)),
    "bits": (jaxloss.SigmoidFocalLoss(alpha=0.25), (TRUTH > 0).astype(np.float32)),
    "a sum": (0.7 * jaxloss.HuberLoss(delta=0.5) + 0.3 * jaxloss.LogCosh(), TRUTH),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(CLASSES)(nn.tanh(nn.Dense(16)(x)))


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.hidden, self.head = nnx.Linear(FEATURES, 16, rngs=rngs), nnx.Linear(16, CLASSES, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.tanh(self.hidden(x)))


def _targets(targets):
    """A label that is no class and a target that is no number, where the mask leaves out."""
    if np.issubdtype(targets.dtype, np.integer):
        return np.where(WHERE.reshape(-1, *[1] * (targets.ndim - 1)), targets, -1).astype(np.int32)
    return np.where(WHERE[:, None], targets, np.nan).astype(np.float32)


def _falls(history):
    assert np.all(np.isfinite(history))
    assert history[-1] < history[0] - 0.1 * abs(history[0]), history


@every_loss
def test_nnx_learns_the_same_with_the_loss_as_a_closure_a_static_argument_and_a_pytree(name):
    loss, targets = LOSSES[name]
    data = PADDED, _targets(targets)
    traces = []

    def update(loss, model, optimizer, x, y):
        traces.append(loss)
        value, gradients = nnx.value_and_grad(lambda m: loss(m(x), y, weights=WEIGHTS, where=WHERE))(model)
        optimizer.update(model, gradients)
        return value

    steps = {
        "closure": nnx.jit(partial(update, loss)),
        "static argument": partial(nnx.jit(update, static_argnums=0), loss),
        "pytree": partial(nnx.jit(update), loss),
    }
    histories = {}
    for way, step in steps.items():
        model = Nnx(nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, optax.sgd(0.1, momentum=0.9), wrt=nnx.Param)
        histories[way] = [float(step(model, optimizer, *data)) for _ in range(STEPS)]
    assert len(traces) == len(steps), "one trace for each way"
    _falls(histories["closure"])
    for way, history in histories.items():
        np.testing.assert_allclose(history, histories["closure"], rtol=1e-4, err_msg=way)


@every_loss
def test_linen_learns(name):
    loss, targets = LOSSES[name]
    y = _targets(targets)
    model, optimizer = Linen(), optax.sgd(0.1, momentum=0.9)
    parameters = model.init(jax.random.key(0), PADDED)

    @jax.jit
    def step(carry, _):
        parameters, state = carry
        objective = lambda q: loss(model.apply(q, PADDED), y, weights=WEIGHTS, where=WHERE)
        value, gradients = jax.value_and_grad(objective)(parameters)
        updates, state = optimizer.update(gradients, state, parameters)
        return (optax.apply_updates(parameters, updates), state), value

    _, history = jax.lax.scan(step, (parameters, optimizer.init(parameters)), None, length=STEPS)
    _falls(np.asarray(history))


def test_a_coefficient_of_a_sum_is_learned():
    """Uncertainty weighting (Kendall et al., 2018): the factors of a sum are leaves, and are trained with the rest."""
    _, targets = LOSSES["a sum"]
    residuals = jnp.asarray(targets)

    @jax.jit
    def step(logs):
        def objective(logs):
            terms = (jaxloss.SquaredError(), jaxloss.LogCosh())
            return jaxloss.LossSum(terms=terms, coefficients=tuple(jnp.exp(-logs)))(residuals) + logs.sum()

        return logs - 0.1 * jax.grad(objective)(logs)

    logs = jnp.zeros(2)
    for _ in range(300):
        logs = step(logs)
    # Where the slope vanishes, the factor is the inverse of the term.
    expected = [jaxloss.SquaredError()(residuals), jaxloss.LogCosh()(residuals)]
    np.testing.assert_allclose(jnp.exp(logs), expected, rtol=1e-3)
