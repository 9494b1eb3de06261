"""Their tests are run as their authors run them: under JAX's ordinary rules of promotion. `--every` collects them."""

import jax
import numpy as np
import pytest

from tests import cases

collect_ignore_glob = [] if cases.EVERY else ["test_*.py"]


@pytest.fixture(autouse=True)
def ordinary_promotion():
    # What theirs draw from, which should be the same in every run.
    np.random.seed(0)  # noqa: NPY002
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
