"""The class forms of PyTorch's losses: configurations, numbers that are learned."""

import jax
import numpy as np
import pytest

import jaxloss
import jaxloss.torch as ours
from tests.cases import normal
from tests.compiling import jit


def test_a_configuration_names_its_library():
    with pytest.raises(ValueError, match="import its module"):
        ours.Loss.from_config(jaxloss.HuberLoss().get_config())
    with pytest.raises(ValueError, match="MSELoss"):
        ours.MSELoss.from_config(ours.L1Loss().get_config())


def test_numbers_of_a_form_are_swept_and_learned():
    x, y = normal(np.random.default_rng(0), (2, 5))
    swept = jit(jax.vmap(lambda loss: loss(x, y)))(ours.HuberLoss(delta=np.float32([0.5, 1.0])))
    np.testing.assert_allclose(swept, [jit(ours.HuberLoss(delta=d))(x, y) for d in (0.5, 1.0)], rtol=1e-6)
    loss = ours.CrossEntropyLoss(np.ones(5, np.float32), label_smoothing=0.1)
    slopes = jit(jax.grad(lambda loss: loss(x[None], np.array([1]))))(loss)
    assert np.isfinite(slopes.weight).all()
    assert np.isfinite(slopes.label_smoothing)
