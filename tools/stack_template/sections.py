"""Replaces the sections of template.yaml that are written by `make template`: the text between two marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_BEGIN: Final = "# >>> written by make template: "
_END: Final = "# <<<"
_SECTION: Final = re.compile(
    rf"^(?P<begin> *{_BEGIN}(?P<name>[a-z -]+)\n)(?P<text>.*?)(?P<end>^ *{_END}\n)", re.MULTILINE | re.DOTALL
)


def written(template: str, sections: Mapping[str, str]) -> str:
    """Return the template with the text of each section as it should be.

    Raises:
        ValueError: the template lacks a section, has one twice, or has one that is unknown.

    """
    found = [match["name"] for match in _SECTION.finditer(template)]
    if sorted(found) != sorted(sections):
        raise ValueError(
            f"template.yaml has the sections {sorted(found)}, and should have {sorted(sections)} once each"
        )
    return _SECTION.sub(lambda match: match["begin"] + sections[match["name"]] + match["end"], template)
