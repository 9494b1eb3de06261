"""Flax NNX: labels for the tokens of padded sentences, with a mask, weights and label smoothing."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

import jaxloss

VOCABULARY, LABELS, BATCH, LENGTH = 20, 4, 32, 12
loss = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(label_smoothing=0.05)


class Tagger(nnx.Module):
    """Scores the labels of a token by the token and its neighbour."""

    def __init__(self, rngs):
        self.embed = nnx.Embed(VOCABULARY, 16, rngs=rngs)
        self.hidden = nnx.Linear(32, 32, rngs=rngs)
        self.head = nnx.Linear(32, LABELS, rngs=rngs)

    def __call__(self, tokens):
        token = self.embed(tokens)
        pairs = jnp.concatenate([token, jnp.roll(token, 1, axis=1)], axis=-1)
        return self.head(nnx.relu(self.hidden(pairs)))


@nnx.jit
def train_step(model, optimizer, tokens, labels, where, weights):
    def mean(model):
        return loss(model(tokens), labels, where=where, weights=weights)

    value, gradients = nnx.value_and_grad(mean)(model)
    optimizer.update(model, gradients)
    return value


def main():
    tokens = jax.random.randint(jax.random.key(0), (BATCH, LENGTH), 0, VOCABULARY)
    labels = (tokens + jnp.roll(tokens, 1, axis=1)) % LABELS
    lengths = jax.random.randint(jax.random.key(1), (BATCH, 1), 3, LENGTH + 1)
    where = jnp.arange(LENGTH) < lengths  # padding counts for nothing, whatever it holds
    labels = jnp.where(where, labels, -1)
    weights = jnp.where(lengths[:, 0] > 6, 1.0, 2.0)  # one for each sentence

    model = Tagger(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    history = [float(train_step(model, optimizer, tokens, labels, where, weights)) for _ in range(100)]
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}")


if __name__ == "__main__":
    main()
