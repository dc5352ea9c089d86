"""The README of the packaged project. Its images and links to files are relative, which only the repository can show:
where `[project.urls]` has `Source`, they become absolute addresses there; where it has none, images with their
captions are left out and links become plain text. That entry is the one place that knows an address."""

from __future__ import annotations

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

IMAGE = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]+\)\n+(?:\*[^*]+\*\n+)?")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def packaged(text: str, source: str | None) -> str:
    """The README as a page outside the repository shows it."""
    if source is None:
        return LINK.sub(r"\2", IMAGE.sub("", text))
    root = source.rstrip("/")
    return LINK.sub(lambda link: f"{link[1]}[{link[2]}]({root}/{'raw' if link[1] else 'blob'}/HEAD/{link[3]})", text)


class ReadmeHook(MetadataHookInterface):
    """Gives the project its `readme`."""

    def update(self, metadata: dict) -> None:
        """Set the text of the page."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        readme = packaged(text, metadata.get("urls", {}).get("Source"))
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
