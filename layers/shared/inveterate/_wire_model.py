"""Tolerant reading of what the platform sends: an odd value is left out and named, and never fails the rest.

The documentation is thin. Every field may be missing or null, unknown fields are kept, and a field that
cannot be read is left out and named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

ModelT = TypeVar("ModelT", bound=BaseModel)

_MAX_REPAIRS: Final = 20

MOST_BAD_ELEMENTS: Final = 20
"""A list with more elements that cannot be read is left out as a whole: each costs a copy of the list."""


class WireModel(BaseModel):
    """An object of the wire: camelCase there, unknown fields kept, values never in error texts."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
    )

    def has(self, field: str) -> bool:
        """Return whether `field` was present, be it null: absence is not a value."""
        return field in self.model_fields_set


def to_wire(model: BaseModel) -> dict[str, Any]:
    """Return the fields of `model` that were set, by their names on the wire."""
    return model.model_dump(by_alias=True, exclude_unset=True)


class UnreadableRecordError(ValueError):
    """The data lacks a field that the record cannot be without. `paths` are the fields at fault."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        super().__init__(", ".join(self.paths))


def read_tolerantly(model: type[ModelT], data: Any) -> tuple[ModelT, tuple[str, ...]]:
    """Read `data` without the fields that cannot be read; return it with their dotted paths.

    Raises:
        UnreadableRecordError: when a required field is missing or unreadable.

    """
    drift: list[str] = []
    for _ in range(_MAX_REPAIRS):
        try:
            return model.model_validate(data), tuple(dict.fromkeys(drift))
        except ValidationError as error:
            at_fault = _places(
                [problem["loc"] for problem in error.errors(include_input=False, include_url=False)]
            )
            drift += [".".join(map(str, path)) for path in at_fault]
            for path in at_fault:
                data = _without(data, path)
    raise UnreadableRecordError(dict.fromkeys(drift))


def _places(at_fault: list[tuple[int | str, ...]]) -> list[tuple[int | str, ...]]:
    """Return the places to leave out: a list instead of its elements, where too many of them are at fault."""
    elements: dict[tuple[int | str, ...], set[int | str]] = {}
    for path in at_fault:
        if (list_path := _list_in(path)) is not None:
            elements.setdefault(list_path, set()).add(path[len(list_path)])
    whole = {path for path, found in elements.items() if len(found) > MOST_BAD_ELEMENTS}
    return list(
        dict.fromkeys(
            found if (found := _list_in(path)) is not None and found in whole else path for path in at_fault
        )
    )


def _list_in(path: tuple[int | str, ...]) -> tuple[int | str, ...] | None:
    """Return the path of the outermost list that a path leads into; None where there is none."""
    return next((path[:index] for index, step in enumerate(path) if isinstance(step, int)), None)


def _without(data: Any, path: tuple[int | str, ...]) -> Any:
    """Return `data` less the value at `path`; only the containers along the path are copied."""
    if not path:
        return data
    step, rest = path[0], path[1:]
    if isinstance(data, dict) and step in data:
        if rest:
            return {**data, step: _without(data[step], rest)}
        return {key: value for key, value in data.items() if key != step}
    if isinstance(data, list | tuple) and isinstance(step, int) and step < len(data):
        # An empty object keeps the indexes of the other elements.
        return [*data[:step], _without(data[step], rest) if rest else {}, *data[step + 1 :]]
    return data
