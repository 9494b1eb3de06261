"""Refuses a release whose tag is not the version of the sources, or which CHANGELOG.md does not have.

python .ci/tag.py v0.1.0
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent


def faults(tag: str, source: str, changelog: str) -> list[str]:
    """What keeps a tag from being released, given the text of jaxloss/__init__.py and of CHANGELOG.md."""
    version = re.search(r'^__version__ = "(.+)"$', source, re.M).group(1)
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, jaxloss/__init__.py has the version {version}")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.M):
        found.append(f"CHANGELOG.md has no section '## [{version}] - YEAR-MONTH-DAY'")
    return found


if __name__ == "__main__":
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("jaxloss/__init__.py", "CHANGELOG.md")]
    sys.exit("\n".join(faults(sys.argv[1], *texts)) or None)
