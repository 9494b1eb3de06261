"""The examples of a page in Markdown: blocks with prompts are doctests, and blocks without are programs.

The standard library is all that it needs, so that it also runs where nothing but jaxloss is installed. The blocks of a
page share their names, as its reader types them. In a program, `print(...)  # text` says what the line prints.
"""

import contextlib
import doctest
import importlib.util
import io
import pathlib
import re

LANGUAGE = re.compile(r"^```(?:python|pycon)\n(.*?)^```$", re.M | re.S)
IMPORTED = re.compile(r"^(?:>>> |\.\.\. )? *(?:import|from) (\w+)", re.M)
PRINTED = re.compile(r"^print\(.*\)  # (.*)$", re.M)


def blocks(page: pathlib.Path) -> list[str]:
    """The blocks of a page that are Python."""
    return LANGUAGE.findall(page.read_text(encoding="utf-8"))


def absent(block: str) -> list[str]:
    """The packages that a block imports and that are not installed."""
    return sorted({name for name in IMPORTED.findall(block) if importlib.util.find_spec(name) is None})


def run(page: pathlib.Path, block: str, names: dict) -> int:
    """Runs a block in the names of its page; returns how many lines it was held to."""
    if ">>> " in block:
        test = doctest.DocTestParser().get_doctest(block, {}, page.name, str(page), 0)
        test.globs = names  # a copy would be cleared
        result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, clear_globs=False)
        assert not result.failed, f"{page.name}: {result.failed} examples print something else"
        return result.attempted
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, str(page), "exec"), names)
    expected = PRINTED.findall(block)
    assert printed.getvalue().splitlines() == expected, f"{page.name} says {expected}, printed: {printed.getvalue()}"
    return len(expected)


def run_page(page: pathlib.Path) -> tuple[int, list[str]]:
    """Runs the blocks of a page; returns the number of lines held to what they print, and the packages missing.

    From the first block that needs a package that is absent on, those that share a name with it would fail too, so each
    block is tried in the names of those that ran.
    """
    names: dict = {"__name__": "__main__"}
    held, missing = 0, []
    for block in blocks(page):
        if lacking := absent(block):
            missing += lacking
        else:
            held += run(page, block, names)
    return held, missing
