"""What the metadata of a release takes from the repository that builds it: the URLs, and a README with whole links.

The address of the repository is written nowhere in the sources: `GITHUB_SERVER_URL` and `GITHUB_REPOSITORY`, which
GitHub's runners set, give it. A build elsewhere has no URLs, and the README as it is.
"""

import os
import pathlib
import re

from hatchling.metadata.plugin.interface import MetadataHookInterface


def whole_links(text: str, repository: str, tag: str) -> str:
    """The README for a page outside of the repository: its relative links lead to the files of the tag."""
    text = re.sub(r"\]\((?!\w+:|#)", f"]({repository}/blob/{tag}/", text)
    return re.sub(r'(src|srcset)="(?!\w+:)', rf'\1="{repository}/raw/{tag}/', text)


class Release(MetadataHookInterface):
    """Fills in the fields that pyproject.toml lists as dynamic."""

    def update(self, metadata: dict) -> None:
        """Sets `readme`, and `urls` where the repository is known, by the table of this hook in pyproject.toml."""
        text = pathlib.Path(self.root, "README.md").read_text(encoding="utf-8")
        if name := os.environ.get("GITHUB_REPOSITORY"):
            repository = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
            tables = self.config["urls"].items()
            metadata["urls"] = {label: url.format(repository=repository) for label, url in tables}
            text = whole_links(text, repository, f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
