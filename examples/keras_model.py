"""Keras 3 on JAX: a loss of `jaxloss.keras` in `compile`, with sample weights, in place of Keras' own."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

import jaxloss.keras as losses  # after keras, so that Model.compile knows the losses as its own

FEATURES, CLASSES, EXAMPLES = 8, 4, 512


def main():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(EXAMPLES, FEATURES)).astype("float32")
    labels = inputs[:, :CLASSES].argmax(axis=-1)
    weights = np.where(labels == 0, 2.0, 1.0).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(CLASSES),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1),
        metrics=["accuracy"],
    )
    fitted = model.fit(inputs, labels, sample_weight=weights, batch_size=128, epochs=15, verbose=0)
    history = fitted.history["loss"]
    print(f"accuracy {fitted.history['accuracy'][-1]:.3f}")
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}")


if __name__ == "__main__":
    main()
