"""Read and write a rules document, YAML 1.2 or JSON, with every value as text but `true`, `false` and `null`.

The core schema of YAML 1.2 would make an amount an inexact number and the tier id `12e45678` infinity. The
rules' model knows the type of each setting and reads it from text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_NULL: Final = ("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"))
_BOOL: Final = ("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"))
_PLAIN_SCALARS: Final = {"": [_NULL], "~": [_NULL], "n": [_NULL], "t": [_BOOL], "f": [_BOOL]}
"""By first character: the tags of the unquoted scalars that are not text."""


_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""What JSON leaves in a text and YAML refuses there, or takes for the end of a line."""


def dump(document: Mapping[str, Any]) -> str:
    """Return a document as JSON, which is YAML too: `load` reads the very texts that it had."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def load(text: str) -> object:
    """Return the document's content; None for an empty one.

    Raises:
        ValueError: it is neither YAML nor JSON, or has a key twice; the text names the line.

    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.resolver import VersionedResolver

    class TextResolver(VersionedResolver):
        @property
        def versioned_resolver(self) -> Any:
            return _PLAIN_SCALARS

    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = TextResolver
    try:
        content: object = yaml.load(text)
    except YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{line}{problem or 'this is neither YAML nor JSON'}") from None
    return content
