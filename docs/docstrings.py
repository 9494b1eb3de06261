"""An extension of the site's reader of docstrings: examples are sections, and a plot stands below the formula."""

import pathlib
import re
import sys

import griffe

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import plots


class Docstrings(griffe.Extension):
    """Changes what the site shows of a docstring, not the docstring."""

    def on_object(self, *, obj, **kwargs) -> None:
        """Of every function and class."""
        if obj.docstring is None:
            return
        text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)
        if obj.is_function and obj.name in plots.PLOTS:
            alternative = f"value and slope of {obj.name}"
            text = re.sub(r"\n\n(?=Args:)", f"\n\n![{alternative}](../plots/{obj.name}.svg)\n\n", text, count=1)
        obj.docstring.value = text
        if obj.is_function and (rows := re.fullmatch(r"Rows\[(.*)\]", str(obj.returns))):
            obj.returns = rows[1]  # what a user gets, by `over_rows`
