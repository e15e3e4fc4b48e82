"""Reading what the platform sends although its documentation is thin: keep what is odd, never fail for it.

Every field may be missing or null, unknown fields are kept, and a field that cannot be read is left
out and named, so that one odd value never costs the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

ModelT = TypeVar("ModelT", bound=BaseModel)

_MOST_REPAIRS: Final = 20


class Part(BaseModel):
    """A part of what was sent: camelCase on the wire, unknown fields kept, values never in error texts."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
    )

    def has(self, field: str) -> bool:
        """Tell whether anything was said of `field`, be it null: absence says nothing."""
        return field in self.model_fields_set


def wire(part: BaseModel) -> dict[str, Any]:
    """Return what was said in `part`, by its names on the wire: fields that were never set stay unsaid."""
    return part.model_dump(by_alias=True, exclude_unset=True)


class UnrepairableError(ValueError):
    """It lacks what it cannot be without. `paths` are the fields at fault."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        super().__init__(", ".join(self.paths))


def repaired(model: type[ModelT], data: Any) -> tuple[ModelT, tuple[str, ...]]:
    """Read `data`, leaving out what cannot be read; return it with the dotted paths of what was left out.

    Raises:
        UnrepairableError: when a field that is needed is missing or unreadable.

    """
    drift: list[str] = []
    for _ in range(_MOST_REPAIRS):
        try:
            return model.model_validate(data), tuple(dict.fromkeys(drift))
        except ValidationError as error:
            at_fault = [problem["loc"] for problem in error.errors(include_input=False, include_url=False)]
            drift += [".".join(map(str, path)) for path in at_fault]
            for path in at_fault:
                data = _without(data, path)
    raise UnrepairableError(dict.fromkeys(drift))


def _without(data: Any, path: tuple[int | str, ...]) -> Any:
    """Return `data` less the value at `path`; only what lies on the path is copied, however deep the rest is."""
    if not path:
        return data
    step, rest = path[0], path[1:]
    if isinstance(data, dict) and step in data:
        if rest:
            return {**data, step: _without(data[step], rest)}
        return {key: value for key, value in data.items() if key != step}
    if isinstance(data, list | tuple) and isinstance(step, int) and step < len(data):
        # An empty object keeps the places of the other elements.
        return [*data[:step], _without(data[step], rest) if rest else {}, *data[step + 1 :]]
    return data
