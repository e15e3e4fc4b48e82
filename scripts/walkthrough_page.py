"""The page of the walkthrough: its text without what differs from run to run, and its shape, which every run has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_MASKS: Final[Sequence[tuple[str, str]]] = (
    # Width for width, so that tables stay aligned.
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "YYYY-MM-DDThh:mm:ss.mmmZ"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD hh:mm"),
    (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{1,2} [A-Z][a-z]{2} \d{4}(?:, \d\d:\d\d \w+)?", "(date)"),
    (r"\b[0-9a-f]{12}(?=…)", "0123456789ab"),
    (r"\b\d+ (?:s|min) ago", "1 min ago"),
    (r"\bopen for \d[^,]*", "open for 1 d 20 h"),
    (r"\b\d+(?:\.\d)? (?:bytes|kB|MB)\b", "1 kB"),
    (r"\bruns [\d,]+ functions", "runs 1,000 functions"),
    (r"\b(relay-acme-[A-Za-z]+)-[0-9A-Za-z]{13}\b", r"\1-0123456789ABC"),
    (r"https?://[a-z0-9]+\.execute-api[^/\s]*", "https://abcde12345.execute-api.us-east-1.amazonaws.com"),
)
"""Pattern and what stands for it."""

_PROGRESS: Final = re.compile(
    r"^(?:\w+ing\b[^\n:]*|members): [\d,]+(?: of [\d,]+)?(?: \([^\n]*\))?\n", re.MULTILINE
)
"""A line of progress, which a terminal draws as a bar and takes away."""


@dataclass
class Page:
    """A transcript in Markdown. `names` are texts of this run by what stands for them."""

    title: str
    head: str
    names: Mapping[str, str]
    _parts: list[str] = field(default_factory=list)

    def section(self, title: str) -> None:
        """Begin a section."""
        self._parts.append(f"## {title}\n")

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"{self.plain(text)}\n")

    def command(self, line: str, shown: str, exit_code: int) -> None:
        """Add a command with what it showed, and its exit code where that is not 0."""
        code = f"(exit code {exit_code})\n" if exit_code else ""
        self._parts.append(f"```\n{self.plain(f'$ {line}')}\n{self.plain(shown)}{code}```\n")

    def plain(self, text: str) -> str:
        """Return a text without what differs from run to run."""
        for name, value in self.names.items():
            text = text.replace(value, name)
        text = _PROGRESS.sub("", text)
        for pattern, stands in _MASKS:
            text = re.sub(pattern, stands, text)
        return "\n".join(line.rstrip() for line in text.splitlines()) + ("\n" if text.endswith("\n") else "")

    def text(self) -> str:
        """Return the page."""
        return "\n".join([f"# {self.title}\n", f"{self.head}\n", *self._parts])


def shape(page: str) -> list[str]:
    """Return a page's lines without numbers and without the widths of its columns: two runs have the same."""
    lines = (re.sub(r" {2,}", "  ", re.sub(r"^[- ]*-[- ]*$", "---", line)) for line in page.splitlines())
    return [re.sub(r"\d+(?:[.,]\d+)*", "0", line).rstrip() for line in lines]
