"""Flax linen: a regression of counts with exposures, by the exact Poisson likelihood."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

import jaxloss

FEATURES, EXAMPLES = 5, 1024
loss = jaxloss.PoissonNLL(full="exact")


class LogRate(nn.Module):
    """The logarithm of the rate of each example."""

    @nn.compact
    def __call__(self, x):
        hidden = nn.tanh(nn.Dense(16)(x))
        return nn.Dense(1)(hidden)[:, 0]  # losses do not broadcast (examples, 1) against (examples,)


def main():
    inputs = jax.random.normal(jax.random.key(0), (EXAMPLES, FEATURES))
    exposure = jax.random.uniform(jax.random.key(1), (EXAMPLES,), minval=0.5, maxval=3.0)
    rate = exposure * jnp.exp(inputs[:, 0] - 0.5 * inputs[:, 1] * inputs[:, 2])
    counts = jax.random.poisson(jax.random.key(2), rate)

    model, optimizer = LogRate(), optax.adam(1e-2)
    parameters = model.init(jax.random.key(3), inputs)

    def mean(parameters):
        return loss(model.apply(parameters, inputs) + jnp.log(exposure), counts)

    @jax.jit
    def train_step(parameters, state):
        value, gradients = jax.value_and_grad(mean)(parameters)
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    state, history = optimizer.init(parameters), []
    for _ in range(200):
        parameters, state, value = train_step(parameters, state)
        history.append(float(value))
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}")
    print(f"loss of the rates that drew the counts: {loss(jnp.log(rate), counts):.3f}")


if __name__ == "__main__":
    main()
