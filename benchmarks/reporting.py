"""The tables of the reports."""


def table(head: list[str], lines: list[list[str]]) -> str:
    """A table in Markdown whose columns are aligned in its source too."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    line = lambda cells: "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + " |"  # noqa: E731
    return "\n".join([line(head), line(["-" * max(w, 1) for w in widths]), *map(line, lines)])
