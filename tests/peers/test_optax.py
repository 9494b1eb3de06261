"""The loss tests that optax ships, with `jaxloss` in the place of its modules."""

import optax
import pytest

import jaxloss
from tests.peers.stand_ins import StandIn, classes_of, expect

pytestmark = pytest.mark.filterwarnings("ignore")

CANNOT = {
    "DiceLossTest.test_improved_shape_handling": "losses do not broadcast: a class axis of length 1 is given to both",
    "DiceLossTest.test_probability_validation": "what a value shows is no error, and cannot be one under jit; "
    "probabilities of classes that overlap need not sum to 1",
}
FILES = ["classification", "regression", "smoothing", "fenchel_young", "ranking", "segmentation", "self_supervised"]


def _classes():
    found = {}
    stand_ins = {f"optax.losses._{file}": StandIn(jaxloss, getattr(optax.losses, f"_{file}")) for file in FILES}
    for file in FILES:
        found |= classes_of(f"optax.losses._{file}_test", stand_ins)
    return expect(found, CANNOT)


globals().update(_classes())
