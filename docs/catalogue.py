"""Writes docs/coming_from.md: every loss of optax, Keras and PyTorch, its native counterpart, and what differs.

    python docs/catalogue.py

The tables come from catalogue.toml, and the lists of what differs everywhere in a library from the docstrings of
`jaxloss.keras` and `jaxloss.torch`.
"""

import inspect
import pathlib
import tomllib
from types import ModuleType

import jaxloss
import jaxloss.keras
import jaxloss.torch

HERE = pathlib.Path(__file__).parent
PAGE = HERE / "coming_from.md"
TABLES = tomllib.loads((HERE / "catalogue.toml").read_text())
PLACES: dict[str, tuple[ModuleType, ...]] = {
    "optax": (jaxloss,),
    "Keras": (jaxloss.keras,),
    "PyTorch": (jaxloss.torch, jaxloss.torch.functional),
}
"""The modules that have a library's names."""

HEAD = """# Coming from optax, Keras or PyTorch

Change the import line: names, order of arguments, defaults and reductions are theirs. Each table has the native loss
beneath a name, whose docstring has the formula and the domain, and what differs in value; what differs everywhere in a
library stands above its table. [Traps of a migration](traps.md) has what training code relies on without saying so.
`python docs/catalogue.py` writes this page.
"""
IMPORTS = {
    "optax": ["from optax import losses", "import jaxloss as losses"],
    "Keras": ["from keras import losses", "import jaxloss.keras as losses"],
    "PyTorch": [
        "from torch import nn",
        "import jaxloss.torch as nn",
        "from torch.nn import functional as F",
        "from jaxloss.torch import functional as F",
    ],
}
EXAMPLES = {
    "optax": """>>> import jax.numpy as jnp
>>> import jaxloss as losses
>>> print(losses.huber_loss(jnp.array([0.5, 3.0]), jnp.zeros(2)))
[0.125 2.5  ]
""",
    "Keras": """>>> import jaxloss.keras as losses
>>> print(losses.Hinge()([[0, 1], [1, 1]], jnp.array([[0.5, 0.5], [2.0, -1.0]])))
1.0
""",
    "PyTorch": """>>> import jaxloss.torch as nn
>>> from jaxloss.torch import functional as F
>>> print(nn.TripletMarginLoss()(jnp.zeros((1, 2)), jnp.array([[3.0, 4.0]]), jnp.array([[0.0, 5.5]])).round(4))
0.5
>>> print(F.soft_margin_loss(jnp.array([0.0]), jnp.array([1])).round(4))
0.6931
""",
}
OPTAX = """- Half precision is computed and returned in float32.
- Shapes do not broadcast.
- A value outside the domain makes its own element nan, with gradient 0.
- `where`, `label_smoothing`, `class_weights`, `ignore_index` and `z_loss` are options, and losses have class forms."""


def differences(library: str) -> str:
    """The list of what differs everywhere in a library."""
    if library == "optax":
        return OPTAX
    text = inspect.getdoc(PLACES[library][0]) or ""
    return text[text.index("\n- ") :].strip()


def imports(library: str) -> str:
    """How the import lines are changed."""
    lines = [f"`{line}`" for line in IMPORTS[library]]
    return "; ".join(f"{theirs} becomes {ours}" for theirs, ours in zip(lines[::2], lines[1::2], strict=True)) + "."


def code(names: list[str]) -> str:
    """Names as code."""
    return ", ".join(f"`{name}`" for name in names)


def missing(library: str, entry: dict[str, str]) -> list[str]:
    """The names of a loss that are not here yet."""
    return [n for n in entry["names"].split() if not any(hasattr(place, n) for place in PLACES[library])]


def row(library: str, entry: dict[str, str]) -> str:
    """The line of a loss."""
    here = [name for name in entry["native"].split() if hasattr(jaxloss, name)]
    absent = missing(library, entry)
    note = f"Not here yet: {code(absent)}." if absent else entry.get("differs", "")
    return f"| {code(entry['names'].split())} | {code(here)} | {note} |"


def section(library: str) -> str:
    """The part of the page for a library."""
    table = [f"| {library} | native | what differs |", "|---|---|---|", *(row(library, e) for e in TABLES[library])]
    example = f"```python\n{EXAMPLES[library]}\n```"
    return "\n\n".join([f"## {library}", imports(library), example, differences(library), "\n".join(table)])


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, "\n\n".join(map(section, TABLES))]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
