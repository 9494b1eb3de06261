"""Their tests are run as their authors run them: under JAX's ordinary rules of promotion."""

import jax
import pytest


@pytest.fixture(autouse=True)
def ordinary_promotion():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
