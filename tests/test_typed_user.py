"""The file that pyright checks as a user's own uses every class form, and runs."""

import inspect
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.experimental import checkify

import jaxloss
from tests import typed_user

FUNCTIONS = "of_elements", "of_rows", "of_more", "of_a_step", "of_second_results"


def test_it_uses_every_class_form():
    text = pathlib.Path(typed_user.__file__).read_text()
    forms = {name for name in jaxloss.__all__ if inspect.isclass(getattr(jaxloss, name))}
    forms = {name for name in forms if issubclass(getattr(jaxloss, name), jaxloss.Loss)} - {"LossSum"}
    assert not forms - set(re.findall(r"jaxloss\.(\w+)", text))


def test_it_runs():
    def all_of_it():
        return [getattr(typed_user, name)() for name in FUNCTIONS]

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        error, values = jax.jit(checkify.checkify(all_of_it))()
    assert error.get() is None
    for value in jax.tree.leaves(values):
        assert np.isfinite(value).all()


UNDER_THE_HOOK = f"""
import jaxtyping
with jaxtyping.install_import_hook("jaxloss", "beartype.beartype"):
    import jaxloss, jaxloss.keras, jaxloss.torch
import jax
from tests import typed_user
jax.eval_shape(lambda: [getattr(typed_user, name)() for name in {FUNCTIONS}])
try:
    jaxloss.keras.Huber()([0.0], [1.0]), jaxloss.torch.MSELoss()("no array", 1.0)
except jaxtyping.TypeCheckError:
    print("checked")
"""


def test_all_of_the_library_can_be_checked_at_run_time():
    """By the import hook of jaxtyping, which decorates each function and method, private ones too."""
    pytest.importorskip("beartype")
    run = subprocess.run([sys.executable, "-c", UNDER_THE_HOOK], capture_output=True, text=True)
    assert run.stdout == "checked\n", run.stderr[-2000:]
