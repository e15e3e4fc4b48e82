"""YAML and JSON as people mean them: `on` is a word, `21:00` a time, a tier's id never a number.

The usual reader of YAML takes `on` for true, `21:00` for 1260 and `12e45678` for infinity. Here everything is
text but true, false and null; whoever knows what a setting is makes of it what it should be.
"""

from __future__ import annotations

import re
from typing import Any


def load(text: str) -> object:
    """Return what a document holds.

    Raises:
        ValueError: it is neither YAML nor JSON, or says something twice; the text says where.

    """
    import yaml

    class Plain(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to be told

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - its signature is PyYAML's
            del deep
            made: dict[Any, Any] = {}
            for key, value in node.value:
                if key.value in made:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} stands here twice", key.start_mark
                    )
                made[key.value] = self.construct_object(value, deep=True)
            return made

    Plain.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|)$"), ["~", "n", ""])
    Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)$"), ["t", "f"])
    try:
        made: object = yaml.load(text, Loader=Plain)  # noqa: S506 - it is a safe loader, and makes even less of a text # nosec B506
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{problem or 'this is neither YAML nor JSON'}") from None
    return made
