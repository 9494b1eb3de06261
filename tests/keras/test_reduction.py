"""The names of Keras' reductions."""

import pytest

from jaxloss.keras import Huber
from jaxloss.keras._reduction import REDUCTIONS, Reduction


def test_each_name_is_a_reduction_of_every_loss():
    assert set(Reduction.all()) < set(REDUCTIONS)
    for name in Reduction.all():
        Reduction.validate(name)
    for name in REDUCTIONS:
        losses = Huber(reduction=name)([[0.0], [0.0]], [[1.0], [3.0]])
        assert losses.tolist() == {"none": [0.5, 2.5], "sum": 3.0}.get(REDUCTIONS[name], 1.5)


def test_any_other_name_is_refused():
    with pytest.raises(ValueError, match=r"key.*average"):
        Reduction.validate("average")
