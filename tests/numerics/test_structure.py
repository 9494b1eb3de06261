"""Every file of numerics has its test file, and every name that it exports is used."""

import pathlib
import re

import jaxloss
from jaxloss import numerics

ROOT = pathlib.Path(jaxloss.__file__).parent
HERE = pathlib.Path(__file__).parent


def test_every_file_has_its_test_file():
    files = [f.stem for f in (ROOT / "numerics").glob("*.py") if f.stem != "__init__"]
    missing = [f for f in files if not (HERE / f"test_{f.lstrip('_')}.py").exists()]
    assert not missing, f"tests/numerics has no test file for {missing}"


def test_a_name_that_is_exported_is_used_by_a_loss_or_a_drop_in():
    users = [f.read_text() for f in ROOT.rglob("*.py") if f.parent.name != "numerics"]
    imported = [
        name
        for text in users
        for line in re.findall(r"from jaxloss\.numerics import (.*)", text)
        for name in re.findall(r"\w+", line)
    ]
    unused = [n for n in numerics.__all__ if n not in imported and not any(f"numerics.{n}" in text for text in users)]
    assert not unused, f"jaxloss/numerics/__init__.py exports {unused}, which nothing uses"
