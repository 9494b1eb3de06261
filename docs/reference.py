"""A hook of the site: the pages of the interface by family, the plots, the gallery, and pages that live elsewhere."""

import functools
import pathlib
import re
import sys

from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

FOLDER = pathlib.Path(__file__).parent
ROOT = FOLDER.parent
sys.path.insert(0, str(FOLDER))
import plots  # noqa: E402

ELSEWHERE = {
    "benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
}


@functools.cache
def families() -> dict[str, list[str]]:
    """The public names by family, as jaxloss/__init__.py lists them: functions first."""
    source = (ROOT / "jaxloss" / "__init__.py").read_text(encoding="utf-8")
    listed = re.search(r"^__all__ = \[\n(.*?)^\]", source, re.M | re.S)[1]
    found: dict[str, list[str]] = {}
    for line in listed.splitlines():
        if comment := re.match(r" +# (.+)", line):
            names = found.setdefault(comment[1], [])
        else:
            names.append(re.search(r'"(\w+)"', line)[1])
    return {
        family: sorted(names, key=lambda name: (name[0].isupper(), name.lower())) for family, names in found.items()
    }


def page_name(family: str) -> str:
    """The file of a family's page."""
    return "reference/" + re.sub(r"\W+", "_", family.lower()).strip("_") + ".md"


def page_of(family: str, names: list[str]) -> str:
    """The page of a family: what mkdocstrings fills in."""
    blocks = [f"# {family}", "Each class form takes the options of its function, and a `reduction`.", ""]
    return "\n\n".join([*blocks, *(f"::: jaxloss.{name}" for name in names)]) + "\n"


def gallery(by_family: dict[str, list[str]]) -> str:
    """Thumbnails, each a link to its loss."""
    lines = [
        "# Gallery",
        "",
        "Value (solid) and slope (dashed) over a prediction, each measured when this site was built.",
    ]
    for family, names in by_family.items():
        shown = [name for name in names if name in plots.PLOTS]
        if shown:
            lines += ["", f"## {family}", "", '<div class="gallery" markdown>']
            target = page_name(family)
            for name in shown:
                lines += [f"[![{name}](plots/{name}.svg) `{name}`]({target}#jaxloss.{name})", ""]
            lines += ["</div>"]
    return "\n".join(lines) + "\n"


def elsewhere(path: str) -> str:
    """A page of the repository, whose links to files that the site has not are text."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\((?!\w+://|#)[^)]*\)", r"\1", text)


def on_config(config):
    """The pages of the interface, in the order of the families."""
    pages = [{family: page_name(family)} for family in families()]
    config.nav.insert(4, {"Reference": pages})
    return config


def on_page_content(text, page, config, files):
    """Public names in tables become links to where they are documented."""
    places = {name: page_name(family) for family, names in families().items() for name in names}

    def linked(found):
        name = found[1]
        if name not in places:
            return found[0]
        target = get_relative_url(files.get_file_from_path(places[name]).url, page.url)
        return f'<a href="{target}#jaxloss.{name}">{found[0].replace("_", "_<wbr>")}</a>'

    return re.sub(
        r"<table>.*?</table>", lambda table: re.sub(r"<code>(\w+)</code>", linked, table[0]), text, flags=re.S
    )


def on_files(files, config):
    """All that is generated."""
    by_family = families()
    made = {page_name(family): page_of(family, names) for family, names in by_family.items()}
    made["gallery.md"] = gallery(by_family)
    made |= {page: elsewhere(path) for page, path in ELSEWHERE.items()}
    made |= {f"plots/{name}.svg": plots.drawn(name) for name in plots.PLOTS}
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files
