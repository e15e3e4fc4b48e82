"""Writes the tables of docs/webhooks.md from the kinds of fields and the models of the events; the text between is by hand."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from inveterate._ids import CustomerId
from inveterate.webhooks import TOPICS, model_for
from inveterate.webhooks.base import Metadata
from inveterate.webhooks.cleaning import KINDS, Kind
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

PAGE: Final = Path(__file__).parents[1] / "docs" / "webhooks.md"


def main(argv: list[str]) -> int:
    """Write the tables, or check them; return the exit code."""
    text = PAGE.read_text()
    current = text
    for name, lines in (("kinds", kinds()), ("fields", fields())):
        begin, end = f"<!-- {name}: scripts/reference -->\n", "<!-- end -->"
        before, _, rest = current.partition(begin)
        _, _, after = rest.partition(end)
        current = before + begin + "\n".join(lines) + "\n" + end + after
    if "--check" not in argv:
        PAGE.write_text(current)
        return 0
    if current != text:
        sys.stderr.write("docs/webhooks.md is not current: run scripts/reference\n")
        return 1
    return 0


def kinds() -> Iterator[str]:
    """Yield the table of kinds."""
    yield "| kind | values | longest |\n|---|---|---|"
    for kind in KINDS:
        yield f"| {kind.name} | {kind.values} | {kind.longest or ''} |"


def fields() -> Iterator[str]:
    """Yield the fields of the envelope, those of every payload, and those of each topic."""
    yield "| topic | field | kind |\n|---|---|---|"
    rows = [("every topic", path, kind) for path, kind in read_fields(Metadata, "metadata")]
    for topic in TOPICS:
        payload = model_for(topic).model_fields["payload"].annotation
        rows += [(topic, path, kind) for path, kind in read_fields(payload, "payload")]
    everywhere = {
        (path, kind) for _, path, kind in rows if all((topic, path, kind) in rows for topic in TOPICS)
    }
    yield from sorted({f"| every topic | `{path}` | {kind} |" for path, kind in everywhere})
    for topic, path, kind in rows:
        if (path, kind) not in everywhere:
            yield f"| {'`' + topic + '`' if topic in TOPICS else topic} | `{path}` | {kind} |"


def read_fields(model: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the kind of each field that a model reads, by its names on the wire."""
    for name, field in model.model_fields.items():
        place = f"{path}.{wire_name(name, field)}"
        if (inner := model_in(field.annotation)) is not None:
            yield from read_fields(inner, f"{place}[]" if "tuple" in str(field.annotation) else place)
        elif kind := next((each for each in field.metadata if isinstance(each, Kind)), None):
            yield place, kind.name
        elif CustomerId in typing.get_args(field.annotation):
            yield place, "customer id"
        else:
            yield place, "not cleaned"


def wire_name(name: str, field: FieldInfo) -> str:
    """Return the field's first name on the wire."""
    if isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return str(field.alias or name)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as `Detail | None` and `tuple[Item, ...] | None`."""
    if inspect.isclass(annotation):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for part in typing.get_args(annotation) if (found := model_in(part))), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
