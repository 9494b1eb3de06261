"""Keras' losses by name and by configuration."""

import pytest

import jaxloss.keras as ours
from tests.dropins.collection import missing

real = pytest.mark.skipif(missing("keras"), reason="Keras is not installed")


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
def test_losses_that_keras_has_serialized_are_read():
    import keras.losses as theirs

    for loss in (theirs.CategoricalFocalCrossentropy(gamma=3.0, from_logits=True), theirs.KLDivergence()):
        found = ours.deserialize(theirs.serialize(loss))
        assert found.get_config() == loss.get_config()
    assert ours.deserialize(theirs.serialize(theirs.poisson)) is ours.poisson
