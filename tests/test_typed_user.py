"""The file that pyright checks as a user's own uses every class form, and runs."""

import inspect
import pathlib
import re

import jax
import numpy as np
from jax.experimental import checkify

import jaxloss
from tests import typed_user


def test_it_uses_every_class_form():
    text = pathlib.Path(typed_user.__file__).read_text()
    forms = {name for name in jaxloss.__all__ if inspect.isclass(getattr(jaxloss, name))}
    forms = {name for name in forms if issubclass(getattr(jaxloss, name), jaxloss.Loss)} - {"LossSum"}
    assert not forms - set(re.findall(r"jaxloss\.(\w+)", text))


def test_it_runs():
    def all_of_it():
        functions = "of_elements", "of_rows", "of_more", "of_a_step", "of_second_results"
        return [getattr(typed_user, name)() for name in functions]

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        error, values = jax.jit(checkify.checkify(all_of_it))()
    assert error.get() is None
    for value in jax.tree.leaves(values):
        assert np.isfinite(value).all()
