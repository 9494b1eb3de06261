"""docs/coming_from.md is what docs/catalogue.py writes, and its tables have every loss of the installed libraries."""

import importlib.util
import inspect
import pathlib

import optax
import pytest

import jaxloss
from tests.dropins.collection import missing

FILE = pathlib.Path(jaxloss.__file__).parents[1] / "docs" / "catalogue.py"
_spec = importlib.util.spec_from_file_location("catalogue", FILE)
catalogue = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(catalogue)


def _listed(library):
    return [name for entry in catalogue.TABLES[library] for name in entry["names"].split()]


def test_the_page_is_what_the_script_writes():
    assert catalogue.PAGE.read_text() == catalogue.page(), "run `python docs/catalogue.py`"


def test_no_name_stands_twice_and_every_native_loss_is_here_or_its_row_says_that_it_is_missing():
    for library, entries in catalogue.TABLES.items():
        names = _listed(library)
        assert len(names) == len(set(names)), library
        for entry in entries:
            absent = [name for name in entry["native"].split() if not hasattr(jaxloss, name)]
            assert not absent or catalogue.missing(library, entry), f"{library}: {absent}"


def test_every_loss_of_optax_is_listed():
    theirs = [name for name, f in vars(optax.losses).items() if inspect.isfunction(f)]
    assert not set(theirs) - {*_listed("optax")}


@pytest.mark.skipif(missing("keras"), reason="Keras is not installed")
def test_every_loss_and_every_string_of_keras_is_listed():
    import keras
    from keras.src.losses import ALL_OBJECTS_DICT

    theirs = {name for name, f in vars(keras.losses).items() if inspect.isfunction(f) or inspect.isclass(f)}
    theirs |= ALL_OBJECTS_DICT.keys() - {"LossFunctionWrapper"}  # the base class of those that wrap a function
    assert not theirs - {*_listed("Keras")}


@pytest.mark.skipif(missing("torch"), reason="torch is not installed")
def test_every_loss_of_torch_is_listed():
    from torch import nn

    theirs = {name for name in dir(nn) if name.endswith("Loss")}
    functions = {name: f for name, f in vars(nn.functional).items() if inspect.isfunction(f) and name[0] != "_"}
    theirs |= {name for name, f in functions.items() if "reduction" in inspect.signature(f).parameters}
    assert not theirs - {*_listed("PyTorch")}
