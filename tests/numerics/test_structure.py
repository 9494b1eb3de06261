"""The files of numerics: each has its test file, and what they name is used, has one name and is one thing."""

import ast
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


def test_no_two_files_have_functions_whose_names_differ_only_by_an_underscore():
    """A private function may have the name of another file's private one: neither is read beside the other."""
    found = {}
    for file in sorted((ROOT / "numerics").glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name.lstrip("_"), []).append((file.name, node.name))
    confusing = [
        places
        for places in found.values()
        if len({file for file, _ in places}) > 1 and not all(name.startswith("_") for _, name in places)
    ]
    assert not confusing, f"one name should have one meaning: rename one of each of {confusing}"


def _decorators(node):
    return [ast.unparse(decorator) for decorator in node.decorator_list]


def _names(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _outside_of_forms(file):
    """The functions of a file with a call of `by_platform` that are neither a form nor called by forms alone."""
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    forms = {f.name for f in functions if any(d.startswith(("form(", "numerics.form(")) for d in _decorators(f))}

    def of_a_form(f):
        rules = {f"rule({f.name})", f"{f.name}.defjvp"}
        callers = [g for g in functions if g is not f and f.name in _names(g) and not rules & {*_decorators(g)}]
        return f.name in forms or (callers and all(g.name in forms for g in callers))

    asks = lambda f: any(ast.unparse(n.func).endswith("by_platform") for n in ast.walk(f) if isinstance(n, ast.Call))
    return [f.name for f in functions if asks(f) and not of_a_form(f)]


def test_only_forms_ask_for_the_platform():
    """Elsewhere nothing would hold the branches together, and no switch would replace them by the plain expression."""
    found = {file.name: names for file in sorted(ROOT.rglob("*.py")) if (names := _outside_of_forms(file))}
    assert not found, f"by_platform is called outside of a form: {found}"
