"""Equinox: a binary classifier of rare events, by the focal loss, with its options as leaves of the loss."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import jaxloss

FEATURES, EXAMPLES = 6, 2048


@eqx.filter_jit
def train_step(model, state, optimizer, loss, inputs, labels):
    def mean(model):
        return loss(jax.vmap(model)(inputs), labels)

    value, gradients = eqx.filter_value_and_grad(mean)(model)
    updates, state = optimizer.update(gradients, state, eqx.filter(model, eqx.is_array))
    return eqx.apply_updates(model, updates), state, value


def main():
    inputs = jax.random.normal(jax.random.key(0), (EXAMPLES, FEATURES))
    labels = (inputs[:, 0] + inputs[:, 1] * inputs[:, 2] > 2).astype(jnp.float32)

    # A loss is a pytree. Its numbers may change from step to step without a new compilation if they are arrays.
    loss = jaxloss.SigmoidFocalLoss(gamma=jnp.asarray(2.0), alpha=0.75)
    model = eqx.nn.MLP(FEATURES, "scalar", width_size=32, depth=2, key=jax.random.key(1))
    optimizer = optax.adam(3e-3)
    state, history = optimizer.init(eqx.filter(model, eqx.is_array)), []
    for _ in range(200):
        model, state, value = train_step(model, state, optimizer, loss, inputs, labels)
        history.append(float(value))
    print(f"loss {history[0]:.4f} -> {history[-1]:.4f}")

    found = jax.vmap(model)(inputs) > 0
    print(f"events {labels.mean():.3f} of all, recalled {found[labels == 1].mean():.3f}")


if __name__ == "__main__":
    main()
