"""Plain JAX and optax: gradients accumulated over micro-batches, which add up to those of the whole batch."""

import jax
import jax.numpy as jnp
import optax

import jaxloss

FEATURES, CLASSES, MICRO_BATCHES, SIZE = 8, 5, 4, 64
loss = jaxloss.SoftmaxCrossEntropyWithIntegerLabels()
optimizer = optax.adam(3e-2)


def total(parameters, batch):
    """The sum of the losses, and how many there are: micro-batches differ in their padding."""
    inputs, labels, where = batch
    return loss.total(inputs @ parameters["kernel"] + parameters["bias"], labels, where=where)


def accumulated(parameters, batches):
    """The mean over all micro-batches and its gradient, in the memory of one of them."""

    def one_more(sums, batch):
        (numerator, denominator), gradients = jax.value_and_grad(total, has_aux=True)(parameters, batch)
        return jax.tree.map(jnp.add, sums, (numerator, denominator, gradients)), None

    zeros = (jnp.zeros(()), jnp.zeros(()), jax.tree.map(jnp.zeros_like, parameters))
    (numerator, denominator, gradients), _ = jax.lax.scan(one_more, zeros, batches)
    return numerator / denominator, jax.tree.map(lambda g: g / denominator, gradients)


@jax.jit
def train_step(parameters, state, batches):
    value, gradients = accumulated(parameters, batches)
    updates, state = optimizer.update(gradients, state, parameters)
    return optax.apply_updates(parameters, updates), state, value


def main():
    inputs = jax.random.normal(jax.random.key(0), (MICRO_BATCHES, SIZE, FEATURES))
    labels = jnp.argmax(inputs[..., :CLASSES], axis=-1)
    where = jnp.arange(SIZE) < jnp.array([[64], [10], [64], [33]])
    parameters = {"kernel": jnp.zeros((FEATURES, CLASSES)), "bias": jnp.zeros(CLASSES)}

    whole = loss(inputs @ parameters["kernel"] + parameters["bias"], labels, where=where)
    state, history = optimizer.init(parameters), []
    for _ in range(200):
        parameters, state, value = train_step(parameters, state, (inputs, labels, where))
        history.append(float(value))
    print(f"first loss, accumulated: {history[0]:.6f}, of the whole batch: {whole:.6f}")
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}")


if __name__ == "__main__":
    main()
