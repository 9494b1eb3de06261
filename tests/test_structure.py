"""The structure of the library: one direction of imports, documented arguments, examples that run."""

import ast
import doctest
import importlib
import inspect
import pathlib
import pkgutil
import re
import subprocess
import sys
import typing

import jax
import pytest

import jaxloss
import jaxloss.keras
import jaxloss.torch
from jaxloss._docstrings import own_lines
from jaxloss._signatures import REDUCTION
from tests import cases, pages
from tests.wordings import OVER_CLASSES, REDUCING, SHARED, STRICT

ROOT = pathlib.Path(jaxloss.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(ROOT)], "jaxloss."))
PUBLIC = {name: getattr(jaxloss, name) for name in jaxloss.__all__}
FUNCTIONS = {name: f for name, f in PUBLIC.items() if inspect.isfunction(f)}
FOREIGN = {f"torch.{name}": getattr(jaxloss.torch.functional, name) for name in jaxloss.torch.functional.__all__}
FOREIGN |= {
    f"keras.{name}": getattr(jaxloss.keras, name)
    for name in jaxloss.keras.__all__
    if inspect.isfunction(getattr(jaxloss.keras, name)) and name not in jaxloss.keras.serialization.__all__
}
LOSS_FILES = [
    m for m in MODULES if m.startswith(("jaxloss.losses.", "jaxloss.fused.")) and not m.split(".")[-1].startswith("_")
]
LOSS_FILES = [m for m in LOSS_FILES if hasattr(importlib.import_module(m), "__all__")]
LOSSES = {name for m in LOSS_FILES if m.startswith("jaxloss.losses.") for name in importlib.import_module(m).__all__}
# Imports run one way: a module may import from its own layer or from one to the left.
ORDER = "_importing numerics _types _written _docstrings _keys _answers _names _domain _program _vocabulary"
ORDER += " _option_kinds _arrays _options _masks _elements _rows _signatures _reduce _value _class_form _loss"
ORDER += " losses fused keras torch"
LAYERS = ORDER.split()


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert own in {*LAYERS, "__init__"}, f"{path.name} has no place in ORDER"
    for name in _imports(path):
        package, *rest = name.split(".")
        if package == "jaxloss" and rest and own in LAYERS and rest[0] in LAYERS:
            assert LAYERS.index(rest[0]) <= LAYERS.index(own), f"{path.name} imports {name}"
        if package not in {"jaxloss", *sys.stdlib_module_names}:
            allowed = {"jax"} if own == "numerics" else {"jax", "numpy", "jaxtyping"}
            assert package in allowed, f"{path.name} imports {name}"


def test_the_garbage_collector_is_left_as_it_was():
    code = "import gc, jax; {}; before = gc.isenabled(); import jaxloss; assert gc.isenabled() == before"
    for setting in ("gc.enable()", "gc.disable()"):
        subprocess.run([sys.executable, "-c", code.format(setting)], check=True)


def test_importing_brings_in_nothing_but_its_dependencies():
    code = "import jax, sys; before = set(sys.modules); import jaxloss; print(*(set(sys.modules) - before))"
    new = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"optax", "flax", "chex", "scipy", "torch", "keras", "matplotlib", "pandas", "beartype", "typeguard"}
    assert not heavy & {name.split(".")[0] for name in new}
    assert not {"jaxloss.keras", "jaxloss.torch"} & set(new)


def test_every_public_name_is_in_the_all_of_its_file_and_stands_once():
    """Type checkers see a star import through the `__all__` of the file that it is of."""
    own = {"checked", "Loss", "LossSum", "reduce", "total"}
    listed = [name for file in LOSS_FILES for name in importlib.import_module(file).__all__]
    assert sorted(jaxloss.__all__) == sorted([*own, *listed])
    text = (ROOT / "__init__.py").read_text()
    twice = [name for name in listed if len(re.findall(rf"\b{name}\b", text)) != 1]
    assert not twice, f"jaxloss/__init__.py: {twice} should stand once"


@pytest.mark.parametrize("name", FUNCTIONS | FOREIGN)
def test_every_argument_has_a_line_and_every_function_its_sections(name):
    function = (FUNCTIONS | FOREIGN)[name]
    doc = inspect.getdoc(function)
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"^ +{argument}: \S", doc, re.M), f"{name}: {argument} has no line in the docstring"
    sections = ["Args:", "Returns:", "Example:"] + ([] if name == "checked" else ["Raises:"])
    if name in LOSSES:
        sections.append("Source:")
    if name in LOSSES or name in FOREIGN:
        assert "$" in doc, f"{name}: no formula"
    for section in sections:
        assert f"\n{section}" in doc, f"{name}: no {section}"
    assert ">>> " in doc


FORMS = {name: form for name, form in PUBLIC.items() if isinstance(form, type) and hasattr(form, "fn")}


# What returns losses: a function with a class form, native or not. Other functions may mean something else by a name.
WORDED = {form.fn.__name__: form.fn for form in FORMS.values()} | FOREIGN | {"Loss": jaxloss.Loss}
WORDED |= {name: f for name, f in FUNCTIONS.items() if name.endswith("linear_softmax_cross_entropy")}


@pytest.mark.parametrize("name", WORDED)
def test_shared_arguments_have_one_wording(name):
    """A line that says something else is a shared argument with two meanings, or two texts that will drift apart."""
    for argument, line in own_lines(WORDED[name].__doc__).items():
        allowed = [table[argument] for table in (SHARED, OVER_CLASSES, REDUCING) if argument in table]
        text = " ".join(line.split())
        if argument in STRICT:
            assert text in allowed, f"{name}: {argument} has another line than tests/wordings.py: {text}"


@pytest.mark.parametrize("form", FORMS)
def test_the_page_of_a_form_has_a_line_for_each_field(form):
    lines = own_lines(FORMS[form].__doc__)
    function = {k: v for k, v in own_lines(FORMS[form].fn.__doc__).items() if k not in REDUCTION}
    for field in inspect.signature(FORMS[form]).parameters:
        assert lines.get(field), f"{form}: {field} has no line in help({form}): give it one in the function's docstring"
        assert lines[field] == function.get(field, SHARED.get(field)), f"{form}: {field}"
    assert re.match(r"[A-Z][^\n]+ class form of `\w+`\.\n\n[A-Z]", FORMS[form].__doc__)


@pytest.mark.parametrize("name", sorted(LOSSES & FUNCTIONS.keys()))
def test_an_editor_shows_the_formula_as_plain_text_before_any_latex(name):
    """Where the pointer rests on a loss, an editor shows its docstring as it is written."""
    summary, plain, *_ = inspect.getdoc(FUNCTIONS[name]).split("\n\n")
    assert "$" not in summary, f"{name}: LaTeX in the summary"
    assert re.fullmatch(r"`[^`$]+`[^$]*", plain), f"{name}: begin the second paragraph with `the formula`"


DROPINS = {
    f"{m.__name__}.{n}": f for m in (jaxloss.keras, jaxloss.torch) for n, f in vars(m).items() if hasattr(f, "fn")
}


@pytest.mark.parametrize("form", DROPINS)
def test_the_page_of_a_dropin_form_has_a_line_for_each_field(form):
    lines = own_lines(DROPINS[form].__doc__)
    missing = [field for field in inspect.signature(DROPINS[form]).parameters if not lines.get(field)]
    assert not missing, f"{form}: {missing} have no line in help: give them one in the function's docstring"
    assert "see above" not in DROPINS[form].__doc__


@pytest.mark.parametrize(
    "module", [jaxloss, jaxloss.keras, jaxloss.torch, jaxloss.torch.functional], ids=lambda m: m.__name__
)
def test_an_editor_is_offered_the_public_names_alone(module):
    assert dir(module) == sorted(module.__all__)


SIGNED = {name: value for name, value in PUBLIC.items() if callable(value)} | FOREIGN
SIGNED |= {f"torch.{name}": getattr(jaxloss.torch, name) for name in jaxloss.torch.__all__ if name != "functional"}
SIGNED |= {f"keras.{name}": getattr(jaxloss.keras, name) for name in jaxloss.keras.__all__}


@pytest.mark.parametrize("name", SIGNED)
def test_signatures_print_as_they_are_written(name):
    """An annotation that is a string prints as it is written: `Scalar`, not a union of eight types."""
    methods = inspect.getmembers(SIGNED[name], inspect.isfunction) if inspect.isclass(SIGNED[name]) else []
    for function in SIGNED[name], *(method for key, method in methods if key == "__call__" or not key.startswith("_")):
        signature = str(inspect.signature(function))
        unreadable = re.findall(r"Union|jaxtyping|numpy|Rows|ForwardRef|<\w+ |~\w+", signature)
        assert not unreadable, f"{name}: {signature}: are annotations strings, and have the defaults a name to print?"
    assert typing.get_type_hints(SIGNED[name]) or not inspect.signature(SIGNED[name]).parameters


@pytest.mark.parametrize("name", [name for name, f in FUNCTIONS.items() if "return_aux" in own_lines(f.__doc__)])
def test_what_a_checker_of_types_reads_is_the_function(name):
    """An option that is forgotten there would be an error to the checker alone."""
    arguments = lambda f: [p for p in inspect.signature(f).parameters.values() if p.name != "return_aux"]
    overloads = typing.get_overloads(FUNCTIONS[name])
    assert [f.__annotations__["return_aux"] for f in overloads] == ["Literal[False]", "Literal[True]"]
    assert all(arguments(f) == arguments(FUNCTIONS[name]) for f in overloads)


@pytest.mark.parametrize("name", sorted(LOSSES & FUNCTIONS.keys()))
def test_annotations_can_be_checked_at_run_time(name):
    beartype, jaxtyping = pytest.importorskip("beartype"), pytest.importorskip("jaxtyping")
    checked = jaxtyping.jaxtyped(typechecker=beartype.beartype)(PUBLIC[name])
    needed = [p for p in inspect.signature(PUBLIC[name]).parameters.values() if p.default is p.empty]
    with pytest.raises(jaxtyping.TypeCheckError):
        checked(**{p.name: "no array" for p in needed})


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_print_what_they_say(module):
    names = {"jax": jax, "jnp": jax.numpy}
    result = doctest.testmod(
        importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE, extraglobs=names
    )
    assert result.failed == 0


def test_the_page_of_losses_has_every_public_name():
    text = (ROOT.parent / "docs" / "losses.md").read_text()
    table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    missing = [name for name in jaxloss.__all__ if f"`{name}`" not in table]
    assert not missing, f"docs/losses.md: the table lacks {missing}"


def test_the_page_of_numerics_names_what_there_is():
    text = (ROOT.parent / "docs" / "numerics.md").read_text()
    named = re.findall(r"`(\w+)\(", text)
    assert named
    assert set(named) <= set(jaxloss.numerics.__all__)


DOCS = sorted((ROOT.parent / "docs").glob("*.md")) if cases.EVERY else [ROOT.parent / "docs" / "index.md"]
PAGES = [page for page in (ROOT.parent / "README.md", *DOCS) if pages.blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_print_what_they_say(page):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as its readers have it
        held, missing = pages.run_page(page)
    assert held > (5 if page.parent.name == "docs" else 0)
    assert not missing


TESTS = pathlib.Path(__file__).parent


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda p: str(p.relative_to(TESTS)))
def test_no_generator_of_random_numbers_is_shared_by_tests(path):
    """What a test draws from one depends on which tests ran before it, and so on how many workers there are."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            made = ast.unparse(node.value.func).split(".")[-1]
            assert made not in {"default_rng", "Generator", "RandomState", "Random"}, (
                f"{path.name}, line {node.lineno}: draw in a function, from a generator of its own"
            )


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_one_idea_a_file(path):
    """But what lists the names of others, one a line."""
    lines = len(path.read_text().splitlines())
    assert lines <= 250 or path.name == "__init__.py", f"{path.name} has {lines} lines: it holds more than one idea"


@pytest.mark.parametrize("package", ["keras", "torch"])
def test_every_file_of_a_drop_in_has_its_test_file(package):
    """But a list of names. The files of a package are swept by `tests/dropins` too."""
    files = {path.stem.lstrip("_") for path in (ROOT / package).glob("*.py")} - {"init__", "functional", "classes"}
    missing = sorted(f for f in files if not (TESTS / package / f"test_{f}.py").exists())
    assert not missing, f"tests/{package} has no test file for {missing}"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_have_names_and_fit_on_a_screen(path):
    """At most 40 lines below the docstring, 60 in `fused/`, where the rules of two loops stand side by side."""
    limit = 60 if path.parent.name == "fused" else 40
    for function in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)):
        assert function.name != "_", f"{path.name}:{function.lineno}: give the rule a name"
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert lines <= limit, f"{path.name}: {function.name} has {lines} lines: part it"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_what_is_private_to_a_file_is_imported_by_no_other(path):
    """A name with an underscore is of its file alone; a module with one is of the package."""
    private = [name for name in _imports(path) if re.search(r"\._[^_.][^.]*$", name) and name not in MODULES]
    assert not private, f"{path.name}: {private}: without the underscore, or not imported"


def test_no_module_of_numerics_is_hidden_by_a_function_of_its_name():
    """`jaxloss.numerics.cauchy` can be the file or a function that the package exports, not both."""
    hidden = [name for name in jaxloss.numerics.__all__ if f"jaxloss.numerics.{name}" in MODULES]
    assert not hidden, f"rename the file or the function: {hidden}"


def test_the_oldest_jax_that_is_promised_is_not_newer_than_the_one_at_hand():
    pyproject = (ROOT.parent / "pyproject.toml").read_text()
    oldest = re.search(r'"jax>=([\d.]+)"', pyproject).group(1)
    assert tuple(map(int, oldest.split("."))) <= tuple(map(int, jax.__version__.split(".")[:2]))
