"""Writes docs/errors.md: every message with which the tests see a call refused, under what is wrong with the call.

python docs/errors.py
"""

import os
import pathlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest

PAGE = ROOT / "docs" / "errors.md"
TESTS = {
    "Losses": ("tests/sweeps/test_errors.py",),
    "First mistakes": ("tests/test_answers.py",),
    "Options and class forms": ("tests/test_values.py", "tests/test_elements.py"),
    "Reductions": ("tests/test_reduce.py",),
    "Drop-ins": ("tests/dropins/test_errors.py", "tests/dropins/test_rows.py"),
}
TEXT = """# Errors

A call that cannot be right is refused while it is traced. A message names what was called, the argument, what it got,
the rule, and what to do. Below is one example of each message that the tests of the library provoke, by what is wrong.
`python docs/errors.py` writes this page.

What only a value can show, such as a label out of range, is no error: that element's loss is nan, with a gradient of 0.
`jaxloss.checked(loss)` makes errors of these too.
"""


class Recorder:
    """A plugin of pytest that keeps the message of every error that a test expects."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], dict[str, str]] = {}
        self._test = "", ""

    def pytest_runtest_setup(self, item: Any) -> None:
        """Pytest's hook: the next messages are those of this test."""
        self._test = item.location[0], item.originalname

    def keep(self, message: str) -> None:
        """The first message of each pattern in each test, by the alphabet: the order of some tests varies."""
        own, kind = self.found.setdefault(self._test, {}), pattern(message)
        own[kind] = min(message, own.get(kind, message))

    @contextmanager
    def raises(self, *args: Any, **options: Any) -> Iterator[Any]:
        """`pytest.raises`, recorded."""
        with self._raises(*args, **options) as info:
            yield info
        self.keep(str(info.value))

    _raises = staticmethod(pytest.raises)


def pattern(message: str) -> str:
    """What messages of one kind have in common: not the names, the numbers, or the values that were given."""
    message = re.sub(r"^[\w.]+(: |\(\))", "", message)
    message = re.sub(r"\([^()]*\)|\[[^\[\]]*\]|'[^']*'|\d+(\.\d+)?(e-?\d+)?|0x\w+", "*", message)
    message = re.sub(r"\w+[*]*(?= must)|\b\w*_\w+|\b[A-Z]\w*[A-Z]\w*|(?<=and )\w+ [*]|^\w+ [*]", "*", message)
    return re.sub(r"\b(b?float|u?int|complex)\*|\*+", "*", message)[:60]


def title(test: str) -> str:
    """The name of a test as a sentence."""
    words = test.removeprefix("test_").replace("_", " ")
    return words[0].upper() + words[1:]


def page(recorder: Recorder) -> str:
    """The messages, by test."""
    lines = [TEXT]
    for section, files in TESTS.items():
        lines += [f"## {section}", ""]
        for (file, test), messages in recorder.found.items():
            own = sorted(m for m in messages.values() if re.match(r"[\w.]+: |jaxloss", m))
            if file in files and own:
                shown = [re.sub(r"\s*\n\s*", " ", message) for message in own]
                lines += [f"### {title(test)}", "", "```text", *shown, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def recorded() -> str:
    """The page as the tests of today give it."""
    recorder = Recorder()
    pytest.raises = recorder.raises  # type: ignore[assignment]
    files = [file for group in TESTS.values() for file in group]
    with redirect_stdout(sys.stderr):
        code = pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider", "--rootdir", str(ROOT), *files], [recorder])
    if code:
        raise SystemExit(f"the tests do not pass: {code}")
    return page(recorder)


if __name__ == "__main__":
    os.chdir(ROOT)
    PAGE.write_text(recorded(), encoding="utf-8")
