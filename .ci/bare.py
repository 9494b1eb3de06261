"""Asks an installed wheel, with nothing but its dependencies beside it, for what a user gets from it.

    .venv-bare/bin/python -I .ci/bare.py

`-I` keeps the checkout off the path.
"""

import importlib.metadata
import importlib.util
import pathlib
import re
import runpy
import sys

import jaxloss
import jaxloss.keras
import jaxloss.torch

ROOT = pathlib.Path(__file__).parent.parent


def requirements(name: str) -> set[str]:
    """A distribution and all that it requires."""
    found = {name}
    for line in importlib.metadata.requires(name) or ():
        needed = re.split(r"[^\w.-]", line)[0].lower().replace("_", "-")
        if "extra ==" not in line and needed in INSTALLED:
            found |= requirements(needed)
    return found


INSTALLED = {d.metadata["Name"].lower().replace("_", "-"): d for d in importlib.metadata.distributions()}


def main() -> None:
    assert pathlib.Path(jaxloss.__file__).is_relative_to(sys.prefix), f"{jaxloss.__file__} is not the installed one"
    beside = set(INSTALLED) - requirements("jaxloss") - {"pip", "setuptools"}
    assert not beside, f"not bare: {beside} are installed"
    assert importlib.metadata.version("jaxloss") == jaxloss.__version__
    files = {str(file) for file in INSTALLED["jaxloss"].files or ()}
    assert "jaxloss/py.typed" in files
    assert any(file.endswith("licenses/LICENSE") for file in files)
    strange = [file for file in files if not file.startswith(("jaxloss/", "jaxloss-"))]
    assert not strange, f"the wheel brings {strange}"
    for module in (jaxloss, jaxloss.keras, jaxloss.torch):
        assert all(hasattr(module, name) for name in module.__all__), module.__name__
    pages = runpy.run_path(str(ROOT / "tests" / "pages.py"))
    held, missing = pages["run_page"](ROOT / "docs" / "index.md")
    assert held > 1, "no example of docs/index.md ran"
    assert not missing, f"docs/index.md needs {missing}"
    print(f"jaxloss {jaxloss.__version__} alone: {held} lines of docs/index.md print what they say")


if __name__ == "__main__":
    main()
