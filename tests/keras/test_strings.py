"""The strings that `keras.losses.get` knows, and models of Keras that are trained with what they stand for."""

import inspect

import jax
import numpy as np
import pytest

import jaxloss.keras as ours
from tests import cases
from tests.dropins.collection import missing

pytestmark = [
    pytest.mark.skipif(missing("keras"), reason="Keras is not installed"),
    pytest.mark.filterwarnings("ignore"),
]


def _strings():
    """What Keras finds by name; its wrapper is no loss without a function."""
    if missing("keras"):
        return []
    from keras.src.losses import ALL_OBJECTS_DICT

    return sorted(set(ALL_OBJECTS_DICT) - {"LossFunctionWrapper"})


def test_every_public_name_of_keras_losses_is_here():
    import keras.losses as theirs

    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert not public - set(ours.__all__)


@pytest.mark.parametrize("name", _strings())
def test_a_string_means_what_it_means_to_keras(name):
    import keras.losses as theirs

    found, expected = ours.get(name), theirs.get(name)
    named = lambda loss: loss.__name__ if inspect.isfunction(loss) else type(loss).__name__
    assert named(found) == named(expected)
    assert inspect.isfunction(found) == inspect.isfunction(expected)


BITS, ONE_HOT, INDICES, REGIONS, GROUPS = "bits", "one-hot", "indices", "regions", "groups"
DATA = {
    ours.binary_crossentropy: (BITS, "sigmoid"),
    ours.binary_focal_crossentropy: (BITS, "sigmoid"),
    ours.categorical_crossentropy: (ONE_HOT, "softmax"),
    ours.categorical_focal_crossentropy: (ONE_HOT, "softmax"),
    ours.circle: (GROUPS, None),
    ours.categorical_hinge: (ONE_HOT, None),
    ours.hinge: (BITS, None),
    ours.kl_divergence: (ONE_HOT, "softmax"),
    ours.poisson: ("counts", "softplus"),
    ours.dice: (REGIONS, "sigmoid"),
    ours.sparse_categorical_crossentropy: (INDICES, "softmax"),
    ours.squared_hinge: (BITS, None),
    ours.tversky: (REGIONS, "sigmoid"),
    ours.ctc: ("sequences", None),
}
"""The targets and the activation of the last layer that a loss is trained with; numbers where it says nothing."""


def _targets(kind, rng):
    indices = rng.integers(0, 3, 32)
    return {
        "numbers": rng.normal(2, 1, (32, 3)),
        "counts": rng.poisson(2.0, (32, 3)),
        "sequences": rng.integers(1, 3, (32, 2)),
        BITS: rng.integers(0, 2, (32, 3)),
        REGIONS: rng.integers(0, 2, (32, 3)),
        ONE_HOT: np.eye(3)[indices],
        INDICES: indices,
        GROUPS: indices,
    }[kind]


def _curve(loss, kind, activation):
    import keras

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 4)).astype(np.float32), _targets(kind, rng)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((4,)), keras.layers.Dense(15 if kind == "sequences" else 3, activation)]
    last = {"sequences": keras.layers.Reshape((5, 3)), GROUPS: keras.layers.UnitNormalization()}.get(kind)
    model = keras.Sequential([*layers, *([last] if last else [])])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=loss)
    weights = None if kind == REGIONS else np.linspace(0.5, 2, 32)  # which a loss of the whole batch has not
    return model.fit(x, y, sample_weight=weights, epochs=3, batch_size=16, verbose=0).history["loss"]


TRAINED = [name for name in _strings() if name != "Loss"]
# Without --every, the strings of classes.
TRAINED = TRAINED if cases.EVERY else [name for name in TRAINED if name[0].isupper() and not name.isupper()]


@pytest.mark.parametrize("name", TRAINED)
def test_a_model_trains_with_a_string_to_the_curve_of_keras(name):
    """`compile(loss="hinge")`, and `compile(loss=jaxloss.keras.get("hinge"))`."""
    loss = ours.get(name)
    kind, activation = DATA.get(getattr(loss, "fn", loss), ("numbers", None))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        mine, theirs = _curve(loss, kind, activation), _curve(name, kind, activation)
    np.testing.assert_allclose(mine, theirs, rtol=2e-4)
    assert len(set(mine)) == 3
