"""Models of an installed Keras with the losses of `jaxloss.keras`: trained, saved, loaded, masked."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.dropins.collection import missing
from tests.dropins.own import MeanPower

pytestmark = [
    pytest.mark.skipif(missing("keras"), reason="Keras is not installed"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize("kind", ["class", "function", "the user's own"])
def test_a_model_of_keras_trains_with_our_losses(kind, tmp_path):
    """On the JAX backend, with sample weights, to the very curve of Keras' own loss."""
    import keras
    import keras.losses as theirs

    assert keras.backend.backend() == "jax"
    pairs = {
        "class": (ours.BinaryCrossentropy(from_logits=True), theirs.BinaryCrossentropy(from_logits=True)),
        "function": (ours.mean_squared_error, theirs.mean_squared_error),
        "the user's own": (MeanPower(2.0), theirs.MeanSquaredError()),
    }
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype(np.float32)
    y, weights = (x[:, :1] > 0).astype(np.float32), np.linspace(0, 2, 64)
    curves = []
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for loss in pairs[kind]:
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
            model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
            curves.append(model.fit(x, y, sample_weight=weights, epochs=3, batch_size=16, verbose=0).history["loss"])
            if loss is pairs["class"][0]:
                model.save(tmp_path / "model.keras")
                known = {"BinaryCrossentropy": ours.BinaryCrossentropy}
                assert keras.models.load_model(tmp_path / "model.keras", custom_objects=known).loss == loss
    assert curves[0][-1] < curves[0][0]
    np.testing.assert_allclose(*curves, rtol=1e-5)


def test_a_saved_model_finds_its_loss(tmp_path):
    import keras
    import keras.losses as theirs

    @keras.saving.register_keras_serializable("mine")
    class Registered(MeanPower):
        """A user's own loss."""

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    ready = [getattr(ours, name)() for name in ours.__all__ if name[0].isupper() and hasattr(getattr(ours, name), "fn")]
    for loss in (*ready, ours.Huber(0.5), ours.poisson, ours.mse, Registered(3.0)):
        model.compile(loss=loss)
        model.save(tmp_path / "model.keras")
        found = keras.models.load_model(tmp_path / "model.keras").loss
        assert found == loss
        assert type(found) is type(loss)
    assert ours.deserialize(theirs.serialize(ours.Huber(0.5))) == ours.Huber(0.5)
    assert ours.deserialize(theirs.serialize(ours.mse)) is ours.mse


def test_losses_are_keras_own_whichever_is_imported_first():
    code = """
import sys, jaxloss.keras as ours
early = ours.Huber()
assert "keras" not in sys.modules
import keras
late = ours.MeanSquaredError()
assert isinstance(early, keras.losses.Loss) and isinstance(late, keras.losses.Loss)
assert keras.saving.get_registered_object("jaxloss.keras>Huber") is ours.Huber
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env={**os.environ, "KERAS_BACKEND": "jax"})


@pytest.mark.parametrize("name", ["CTC", "SparseCategoricalCrossentropy", "the user's own, per sample"])
def test_a_model_with_masks_and_weights_trains(name):
    import keras

    class PerSample(ours.Loss):
        def call(self, y_true, y_pred):
            return jnp.mean(ours.sparse_categorical_crossentropy(y_true, y_pred, True), -1)

    loss = PerSample() if "own" in name else getattr(ours, name)(**({} if name == "CTC" else {"from_logits": True}))
    x = np.array([[1, 2, 3, 4, 0, 0], [3, 5, 6, 0, 0, 0], [0] * 6])
    y = np.array([[1, 2, 0], [2, 0, 0], [1, 2, 1]]) if name == "CTC" else np.minimum(x, 3)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(7, 8, mask_zero=True), keras.layers.Dense(4)]
    model = keras.Sequential([keras.layers.Input((6,)), *layers])
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss)
        first, *_, last = model.fit(x, y, epochs=8, verbose=0).history["loss"]
        weighted = model.evaluate(x, y, sample_weight=np.array([1.0, 0.0, 5.0]), verbose=0)
        alone = model.evaluate(x[:1], y[:1], verbose=0)
    assert last < first
    # The third sample is all masked, and the weight of the second is 0; the mean is over all that count.
    counted = 7 / 4 if name == "SparseCategoricalCrossentropy" else 2
    np.testing.assert_allclose(weighted, alone / counted, rtol=1e-5)
