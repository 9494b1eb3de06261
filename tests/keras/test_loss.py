"""The base class of Keras' losses: a user's own loss, dtypes, equality, what is refused."""

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.dropins.collection import missing
from tests.dropins.own import MeanPower
from tests.refusing import refused

real = pytest.mark.skipif(missing("keras"), reason="Keras is not installed")


@real
def test_the_base_class_has_keras_arguments_in_keras_order():
    import keras.losses as theirs

    assert list(inspect.signature(ours.Loss.__init__).parameters) == ["self", "name", "reduction", "dtype"]
    assert list(inspect.signature(theirs.Loss.__init__).parameters) == ["self", "name", "reduction", "dtype"]


def test_half_precision_in_half_precision_out():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, (4, 5)).astype(jnp.bfloat16)
    for loss, dtype in (
        (ours.binary_crossentropy, jnp.bfloat16),
        (ours.BinaryCrossentropy(), jnp.float32),
        (ours.BinaryCrossentropy(dtype="float16"), jnp.float16),
    ):
        assert jax.eval_shape(loss, np.ones((4, 5), np.float32), p).dtype == dtype


def test_a_users_own_loss():
    t, p = np.zeros((2, 3), np.float32), np.full((2, 3), 2.0, np.float32)
    loss = MeanPower()
    assert (loss.name, loss.reduction, loss.dtype) == ("mean_power", "sum_over_batch_size", "float32")
    assert float(loss(t, p, sample_weight=[1.0, 0.5])) == 12.0
    assert loss == MeanPower(4.0) != MeanPower(3.0)
    assert hash(loss) == hash(MeanPower(4.0))
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert MeanPower.from_config(loss.get_config()) == loss
    assert ours.deserialize(ours.serialize(loss), custom_objects={"MeanPower": MeanPower}) == loss
    with pytest.raises(NotImplementedError, match="define call"):
        ours.Loss()(t, p)
    with pytest.raises(ValueError, match="no loss of name 'MeanPower'"):
        ours.deserialize(ours.serialize(loss))


def test_a_users_own_loss_may_take_a_tree_of_arrays():
    class OfTwo(ours.Loss):
        def call(self, y_true, y_pred):
            return jnp.abs(y_true[0] - y_pred["a"]) + jnp.abs(y_true[1] - y_pred["b"])

    one, two = np.ones(3), np.full(3, 2.0)
    assert float(OfTwo()([one, one], {"a": two, "b": two})) == 2.0
    assert float(MeanPower(2.0)([[1.0, 2.0]], [[3.0, 2.0]])) == 2.0


def test_a_field_that_cannot_be_hashed_is_named():
    class Own(ours.Loss):
        def __init__(self, field, **kwargs):
            super().__init__(**kwargs)
            self.field = field

    for field in ({"b": [1, {"c": 2}], "a": np.ones(2)}, [{"a": 1}], ({"a": (1, 2)},)):
        assert hash(Own(field)) == hash(Own(field))
        assert Own(field) == Own(field)
    with pytest.raises(TypeError, match=r"Own: field cannot be hashed.*\{1, 2\}.*numbers, strings"):
        hash(Own({1, 2}))


@pytest.mark.parametrize(
    ("error", "words", "make"),
    [
        (ValueError, ["MeanSquaredError", "reduction", "'median'"], lambda: ours.MeanSquaredError(reduction="median")),
        (ValueError, ["Huber", "dtype", "int32"], lambda: ours.Huber(dtype="int32")),
        (ValueError, ["Reduction", "'mean'"], lambda: ours.Reduction.validate("mean")),
        (ValueError, ["mask"], lambda: _masked(mask=np.ones((3, 2), bool))),
        (TypeError, ["mask", "boolean"], lambda: _masked(mask=np.ones((2, 3)))),
    ],
)
def test_fields_and_masks_that_cannot_be_are_refused(error, words, make):
    refused(make, *words, error=error)


def _masked(mask):
    zeros = np.zeros((2, 3, 1), np.float32)
    return ours.MeanSquaredError()(zeros, zeros, mask=mask)
