"""The drop-ins round to a half once, at the end."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss.keras
from jaxloss.torch import functional as F
from tests.compiling import jit


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_probabilities_are_rounded_once(name, dtype):
    """Probabilities of a half are divided by their sum, clipped and taken the logarithm of in float32."""
    p = jnp.asarray([[0.7, 0.2, 0.15], [1.0, 0.0, 0.0], [0.999, 0.3, 0.001]], dtype)
    t = np.array([0, 1, 0]) if name.startswith("sparse") else np.eye(3, dtype=np.float32)[[0, 1, 0]]
    loss = partial(getattr(jaxloss.keras, name), t)
    half = jit(loss)(p)
    assert half.dtype == dtype
    np.testing.assert_array_equal(half, jit(loss)(p.astype(jnp.float32)).astype(dtype))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_number_is_not_rounded_to_a_half(dtype):
    """Computed in float32 and rounded once: a variance of 1e5 is no infinity in float16."""
    x, y = jnp.asarray([[0.5, -2.0]], dtype), jnp.asarray([[0.25, 1.0]], dtype)
    wide = x.astype(jnp.float32), y.astype(jnp.float32)
    calls = [(F.gaussian_nll_loss, {"var": var}) for var in (0.7, 1e5, np.float32(0.7), jnp.float32(1e5))]
    calls += [(F.huber_loss, {"delta": 1e5}), (F.smooth_l1_loss, {"beta": 0.7})]
    for loss, options in calls:
        half = jit(partial(loss, **options, reduction="none"))(x, y)
        expected = jit(partial(loss, **options, reduction="none"))(*wide)
        assert half.dtype == dtype
        assert np.isfinite(np.float32(half)).all()
        np.testing.assert_array_equal(half, expected.astype(dtype))


# ---------------------------------------------------------------------------------------------- what differs on purpose
