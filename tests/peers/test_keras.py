"""The loss tests that Keras ships, with `jaxloss.keras` in the place of its module."""

import importlib

import pytest

import jaxloss.keras
from tests.peers.stand_ins import StandIn, available, classes_of, expect

pytestmark = pytest.mark.filterwarnings("ignore")
# What these tests ask of Keras, and why it is otherwise here.
_ANY_AXIS = "any axis of classes is taken here, which Keras refuses on JAX"
_REGIONS = "a label of 2 and a probability of 4 are outside the domain here"
_ERRORS = "alpha weighs false positives here, as documented and as in Keras since 3.16"
CANNOT = {
    "DiceTest.test_correctness": _REGIONS,
    "TverskyTest.test_correctness": _REGIONS,
    "TverskyTest.test_correctness_custom_coefficients": _REGIONS,
    "TverskyTest.test_binary_segmentation_custom_coefficients": _ERRORS,
    "TverskyTest.test_binary_segmentation_custom_coefficients_with_axis": _ERRORS,
    "CosineSimilarityTest.test_config": "a configuration holds every option here, axis too",
    "HuberLossTest.test_config": "a configuration holds every option here, delta too",
    "SparseCategoricalCrossentropyTest.test_binary_segmentation_different_axis": _ANY_AXIS,
    "SparseCategoricalCrossentropyTest.test_multi_class_segmentation_different_axis": _ANY_AXIS,
}


def _classes():
    theirs = importlib.import_module("keras.src.losses.losses")
    stand_in = StandIn(jaxloss.keras, theirs)
    base = StandIn(jaxloss.keras, importlib.import_module("keras.src.losses.loss"))
    found = classes_of("keras.src.losses.losses_test", {"keras.src.losses.losses": stand_in})
    found |= classes_of("keras.src.losses.loss_test", {"keras.src.losses": stand_in, "keras.src.losses.loss": base})
    return expect(found, CANNOT)


if available("keras"):
    globals().update(_classes())
