"""The lines that a docstring has for arguments, read and written."""

import inspect
import re
from functools import cache

_ENTRY = re.compile(r"^    (\*{0,2}\w+): ", re.M)


@cache  # of the bases of a form, whose lines every form asks for
def own_lines(doc: str | None) -> dict[str, str]:
    """The lines of a docstring's `Args:`, by argument, each as one string."""
    _, section, _ = _parted(inspect.cleandoc(doc or ""))
    starts = list(_ENTRY.finditer(section))
    ends = [*(m.start() for m in starts[1:]), len(section)]
    return {m[1]: section[m.end() : end].rstrip() for m, end in zip(starts, ends, strict=False)}


def with_arguments(doc: str, lines: dict[str, str]) -> str:
    """The docstring with these lines for its `Args:`."""
    before, _, after = _parted(inspect.cleandoc(doc))
    entries = "\n".join(f"    {name}: {line}" for name, line in lines.items())
    return "\n\n".join(part for part in (before, f"Args:\n{entries}" if lines else "", after) if part)


def _parted(doc: str) -> tuple[str, str, str]:
    """The text before the section `Args:`, its entries, and the text after it."""
    before, found, rest = doc.partition("\nArgs:\n")
    if found:
        section, _, after = rest.partition("\n\n")
        return before.rstrip(), section, after
    before, found, after = doc.partition("\nReturns:\n")
    return before.rstrip(), "", f"Returns:\n{after}" if found else ""


__all__ = ["own_lines", "with_arguments"]
