"""A Salesforce org in memory: one object's fields, its records, and the rules that both are held to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

LARGEST_COLLECTION: Final = 200

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_QUERY: Final = re.compile(
    r"SELECT (?P<fields>[\w, ]+) FROM (?P<object>\w+) WHERE (?P<by>\w+) IN \((?P<values>.*)\)", re.DOTALL
)
_LITERAL: Final = re.compile(r"'((?:[^'\\\n\r]|\\[\\'\"nrtbf])*)'(?:,\s*|$)")
_UNESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_TEXTS: Final = {"Text", "Picklist", "Email"}


class RefusedError(Exception):
    """A request, or a single record, that Salesforce would not take."""

    def __init__(self, code: str, message: str, *fields: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.status = status

    def body(self) -> list[dict[str, Any]]:
        """Return the body of a refused request."""
        return [{"message": self.message, "errorCode": self.code, "fields": self.fields}]

    def result(self) -> dict[str, Any]:
        """Return the result of a refused record within a collection."""
        error = {"statusCode": self.code, "message": self.message, "fields": self.fields}
        return {"success": False, "created": False, "errors": [error]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A field's definition. `digits` stand before the point."""

    type: str
    length: int = 255
    digits: int = 16
    external_id: bool = False
    unique: bool = False
    required: bool = False


def _native(object_name: str) -> dict[str, Column]:
    if object_name not in {"Contact", "Account"}:
        return {"Id": Column(type="Text", length=18)}
    email = "Email" if object_name == "Contact" else "PersonEmail"
    return {
        "Id": Column(type="Text", length=18),
        "FirstName": Column(type="Text", length=40),
        "LastName": Column(type="Text", length=80, required=True),
        email: Column(type="Email", length=80),
    }


@dataclass(slots=True)
class Org:
    """All that is known of one object. `records` is by id; a field without a value is absent.

    `duplicate_rule` is the merchant's: a new record whose e-mail address another has is refused.
    """

    object_name: str = "Contact"
    duplicate_rule: bool = False
    columns: dict[str, Column] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(101))

    def __post_init__(self) -> None:
        """Begin with the object's own fields."""
        self.columns = {**_native(self.object_name), **self.columns}

    def create(self, fields: Mapping[str, Any]) -> str:
        """Add a record; return its id."""
        self._check_required(fields)
        id_ = f"003{next(self._ids):015d}"
        self._write(id_, {}, fields)
        return id_

    def change(self, id_: str, fields: Mapping[str, Any]) -> None:
        """Set fields of a record; null clears."""
        if id_ not in self.records:
            raise RefusedError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        self._write(id_, self.records[id_], fields)

    def upsert(self, by: str, fields: Mapping[str, Any], *, allow_duplicates: bool) -> tuple[str, bool]:
        """Create or change the record with this external id; return its id, and whether it is new."""
        value = fields.get(by)
        if not isinstance(value, str) or not value:
            raise RefusedError("MISSING_ARGUMENT", f"{by} not specified", by)
        found = self.matching(by, [value])
        if len(found) > 1:
            raise RefusedError("DUPLICATE_EXTERNAL_ID", f"{by}: more than one record found", by)
        if found:
            self.change(found[0], fields)
            return found[0], False
        self._check_required(fields)
        if self.duplicate_rule and not allow_duplicates and self._shares_an_address(fields):
            raise RefusedError("DUPLICATES_DETECTED", "Use one of these records?")
        return self.create(fields), True

    def matching(self, by: str, values: list[str]) -> list[str]:
        """Return the ids of records whose field has one of these values, whatever their case."""
        wanted = {value.lower() for value in values}
        return [id_ for id_, has in self.records.items() if str(has.get(by, "")).lower() in wanted - {""}]

    def check_known(self, fields: Mapping[str, Any]) -> None:
        """Refuse a request as a whole: for a field that is not there, or a value of the wrong JSON type."""
        for name, value in fields.items():
            column = self.columns.get(name)
            if column is None:
                raise RefusedError(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {self.object_name}", name
                )
            if value is not None and not _readable(column, value):
                raise RefusedError("JSON_PARSER_ERROR", f"Cannot deserialize the value of {name}")

    def select(self, soql: str) -> list[dict[str, Any]]:
        """Answer `SELECT … FROM … WHERE field IN ('…', …)`, the one form of question that is understood."""
        asked = _QUERY.fullmatch(soql)
        literals = _LITERAL.findall(asked["values"]) if asked else []
        if asked is None or "".join(hit[0] for hit in _LITERAL.finditer(asked["values"])) != asked["values"]:
            raise RefusedError("MALFORMED_QUERY", "unexpected token")
        fields = [name.strip() for name in asked["fields"].split(",")]
        if asked["object"] != self.object_name:
            raise RefusedError("INVALID_TYPE", f"sObject type '{asked['object']}' is not supported")
        self.check_known(dict.fromkeys([*fields, asked["by"]]))
        values = [re.sub(r"\\(.)", lambda hit: _UNESCAPED.get(hit[1], hit[1]), text) for text in literals]
        return [self._answer(id_, fields) for id_ in self.matching(asked["by"], values)]

    def described(self) -> list[dict[str, Any]]:
        """Return the object's fields as a description tells them."""
        return [
            {
                "name": name,
                "type": column.type.lower(),
                "length": column.length,
                "externalId": column.external_id,
                "unique": column.unique,
            }
            for name, column in self.columns.items()
        ]

    def _answer(self, id_: str, fields: list[str]) -> dict[str, Any]:
        told = {"Id": id_, **self.records[id_]}
        return {
            "attributes": {"type": self.object_name},
            **{name: _told(self.columns[name], told.get(name)) for name in fields},
        }

    def _write(self, id_: str, known: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self.check_known(fields)
        for name, value in fields.items():
            self._check(id_, name, self.columns[name], value)
        kept = {**known, **fields}
        self.records[id_] = {name: value for name, value in kept.items() if value not in {None, ""}}

    def _check(self, id_: str, name: str, column: Column, value: Any) -> None:
        if value is None and column.type == "Checkbox":
            raise RefusedError("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{name}: value not of required type", name)
        if column.type in _TEXTS and len(str(value or "").encode("utf-16-le")) > 2 * column.length:
            raise RefusedError("STRING_TOO_LONG", f"{name}: data value too large", name)
        if column.type == "Email" and value and not _EMAIL.fullmatch(value):
            raise RefusedError("INVALID_EMAIL_ADDRESS", f"{name}: invalid email address: {value}", name)
        if column.type == "Number" and value is not None and abs(value) >= 10**column.digits:
            raise RefusedError("NUMBER_OUTSIDE_VALID_RANGE", f"{name}: value outside of valid range", name)
        if column.unique and value and set(self.matching(name, [value])) - {id_}:
            raise RefusedError("DUPLICATE_VALUE", f"duplicate value found: {name} duplicates value on record")

    def _check_required(self, fields: Mapping[str, Any]) -> None:
        lacking = [name for name, column in self.columns.items() if column.required and not fields.get(name)]
        if lacking:
            raise RefusedError(
                "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(lacking)}]", *lacking
            )

    def _shares_an_address(self, fields: Mapping[str, Any]) -> bool:
        emails = [name for name, column in self.columns.items() if column.type == "Email"]
        return any(self.matching(name, [str(fields.get(name) or "")]) for name in emails)


def _readable(column: Column, value: object) -> bool:
    match column.type:
        case "Checkbox":
            return isinstance(value, bool)
        case "Number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "Date":
            return _parses(date.fromisoformat, value) and len(str(value)) == len("2026-01-01")
        case "DateTime":
            return _parses(datetime.fromisoformat, value) and "T" in str(value)
        case _:
            return isinstance(value, str)


def _parses(read: Any, value: object) -> bool:
    try:
        read(value)
    except (ValueError, TypeError):
        return False
    return True


def _told(column: Column, value: object) -> object:
    if column.type == "Checkbox":
        return bool(value)
    if column.type == "DateTime" and isinstance(value, str):
        return value.removesuffix("Z") + "+0000"
    return value
