"""The losses of `jaxloss.keras` as objects: of one's own, by name, and what is refused."""

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras as ours
from tests.cases import bits, probability
from tests.compiling import jit
from tests.dropins.collection import missing
from tests.dropins.own import MeanPower

real = pytest.mark.skipif(missing("keras"), reason="Keras is not installed")


@real
def test_the_base_class_has_keras_arguments_in_keras_order():
    import keras.losses as theirs

    assert list(inspect.signature(ours.Loss.__init__).parameters) == ["self", "name", "reduction", "dtype"]
    assert list(inspect.signature(theirs.Loss.__init__).parameters) == ["self", "name", "reduction", "dtype"]


@pytest.mark.parametrize("name", ["mean_squared_error", "huber", "log_cosh", "poisson", "binary_crossentropy"])
def test_vmap_over_single_numbers(name):
    rng, loss = np.random.default_rng(0), getattr(ours, name)
    t, p = bits(rng, 5), probability(rng, 5)
    elements, row = jit(lambda t, p: (jax.vmap(loss)(t, p), loss(t, p)))(t, p)
    np.testing.assert_allclose(elements.mean(), row, rtol=1e-6)


def test_a_loss_of_ones_own():
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


def test_losses_by_name():
    for name in ("mse", "MSE", "mean_squared_error"):
        assert ours.get(name) is ours.mean_squared_error
    assert ours.get("kullback_leibler_divergence") is ours.get("kld") is ours.kl_divergence
    assert ours.get("CategoricalCrossentropy") == ours.CategoricalCrossentropy()
    assert ours.get({"class_name": "Huber", "config": {"delta": 2.0}}) == ours.Huber(2.0)
    assert ours.get(ours.Poisson) == ours.Poisson()
    assert ours.get(None) is None
    assert ours.get(ours.ctc) is ours.ctc
    assert ours.deserialize(ours.serialize(ours.poisson)) is ours.poisson
    for wrong in ("nothing", 3):
        with pytest.raises(ValueError, match=r"get|deserialize"):
            ours.get(wrong)
    with pytest.raises(ValueError, match="serialize"):
        ours.serialize("mse")


@real
def test_what_keras_has_serialized_is_read():
    import keras.losses as theirs

    for loss in (theirs.CategoricalFocalCrossentropy(gamma=3.0, from_logits=True), theirs.KLDivergence()):
        found = ours.deserialize(theirs.serialize(loss))
        assert found.get_config() == loss.get_config()
    assert ours.deserialize(theirs.serialize(theirs.poisson)) is ours.poisson


@pytest.mark.parametrize(
    ("error", "words", "make"),
    [
        (ValueError, ["MeanSquaredError", "reduction", "'median'"], lambda: ours.MeanSquaredError(reduction="median")),
        (ValueError, ["Huber", "dtype", "int32"], lambda: ours.Huber(dtype="int32")),
        (ValueError, ["Reduction", "'mean'"], lambda: ours.Reduction.validate("mean")),
        (ValueError, ["categorical_crossentropy", "(2, 3)", "(2, 4)"], lambda: _call("categorical_crossentropy", 3, 4)),
        (ValueError, ["binary_crossentropy", "(2, 3)", "(2, 4)"], lambda: _call("binary_crossentropy", 3, 4)),
        (ValueError, ["mean_squared_error", "broadcast"], lambda: _call("mean_squared_error", 3, 4)),
        (ValueError, ["axis 2"], lambda: _call("categorical_crossentropy", 3, 3, axis=2)),
        (ValueError, ["alpha", "(3,)"], lambda: _call("categorical_focal_crossentropy", 3, 3, alpha=[1.0, 2.0])),
        (ValueError, ["label_smoothing"], lambda: _call("binary_crossentropy", 3, 3, label_smoothing=1.5)),
        (ValueError, ["ctc", "[batch, length]"], lambda: _call("ctc", 3, 3)),
        (ValueError, ["mask"], lambda: _masked(mask=np.ones((3, 2), bool))),
        (TypeError, ["mask", "boolean"], lambda: _masked(mask=np.ones((2, 3)))),
        (TypeError, ["y_pred", "complex64"], lambda: ours.mean_squared_error([1.0], jnp.ones(1, "complex64"))),
    ],
)
def test_bad_input_is_refused(error, words, make):
    with pytest.raises(error) as raised:
        make()
    for word in words:
        assert word in str(raised.value)


def _masked(mask):
    zeros = np.zeros((2, 3, 1), np.float32)
    return ours.MeanSquaredError()(zeros, zeros, mask=mask)


def _call(name, targets, predictions, **options):
    t, p = np.full((2, targets), 0.5, np.float32), np.full((2, predictions), 0.5, np.float32)
    return getattr(ours, name)(t, p, **options)


def test_a_loss_of_ones_own_may_take_a_tree_of_arrays():
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
