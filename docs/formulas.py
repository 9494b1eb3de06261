"""A hook of the site: formulas in LaTeX become MathML, which browsers draw by themselves, without scripts or fonts."""

import html
import logging
import re

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.S)
log = logging.getLogger("mkdocs.hooks.formulas")


def drawn(found: re.Match) -> str:
    """The MathML of one formula; a warning, which ends a strict build, for a command that is left over."""
    latex = html.unescape(found[2]).strip()[2:-2]
    mathml = convert(latex, display="block" if found[1] == "div" else "inline")
    if "\\" in re.sub(r"<[^>]+>", "", mathml):
        log.warning("a formula is not drawn: %s", latex)
    # A function stands apart from what it is of.
    return re.sub(
        r"<mi>(log|exp|max|min|cos|sin|tanh)</mi>", r"<mspace width='0.15em'/>\g<0><mspace width='0.15em'/>", mathml
    )


def on_page_content(text, page, config, files):
    """Of every page, those of docstrings included."""
    return FORMULA.sub(drawn, text)
