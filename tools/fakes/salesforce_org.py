"""A Salesforce org in memory: the fields and records of one object, and the validation of both."""

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


class SalesforceError(Exception):
    """A request or a record that Salesforce refuses."""

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
class SalesforceField:
    """The definition of a field. `digits` is the number of digits before the decimal point."""

    type: str
    length: int = 255
    digits: int = 16
    external_id: bool = False
    unique: bool = False
    required: bool = False


def _native(object_name: str) -> dict[str, SalesforceField]:
    if object_name not in {"Contact", "Account"}:
        return {"Id": SalesforceField(type="Text", length=18)}
    email = "Email" if object_name == "Contact" else "PersonEmail"
    return {
        "Id": SalesforceField(type="Text", length=18),
        "FirstName": SalesforceField(type="Text", length=40),
        "LastName": SalesforceField(type="Text", length=80, required=True),
        "Phone": SalesforceField(type="Text", length=40),
        email: SalesforceField(type="Email", length=80),
    }


@dataclass(slots=True)
class SalesforceOrg:
    """The data of one object. `records` is by id; a field without a value is absent.

    `with_cases` are records that Salesforce does not delete. With `duplicate_rule`, a rule of the merchant refuses a new record with the e-mail address of another.
    """

    object_name: str = "Contact"
    duplicate_rule: bool = False
    columns: dict[str, SalesforceField] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    with_cases: set[str] = field(default_factory=set)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(101))

    def __post_init__(self) -> None:
        """Add the standard fields of the object."""
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
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        self._write(id_, self.records[id_], fields)

    def delete(self, id_: str) -> None:
        """Delete a record."""
        if id_ not in self.records:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted")
        if id_ in self.with_cases:
            raise SalesforceError("DELETE_FAILED", "Your attempt to delete the record could not be completed")
        del self.records[id_]

    def upsert(self, by: str, fields: Mapping[str, Any], *, allow_duplicates: bool) -> tuple[str, bool]:
        """Create or change the record with this external id; return its id and whether it is new."""
        value = fields.get(by)
        if not isinstance(value, str) or not value:
            raise SalesforceError("MISSING_ARGUMENT", f"{by} not specified", by)
        found = self.find(by, [value])
        if len(found) > 1:
            raise SalesforceError("DUPLICATE_EXTERNAL_ID", f"{by}: more than one record found", by)
        if found:
            self.change(found[0], fields)
            return found[0], False
        self._check_required(fields)
        if self.duplicate_rule and not allow_duplicates and self._shares_an_address(fields):
            raise SalesforceError("DUPLICATES_DETECTED", "Use one of these records?")
        return self.create(fields), True

    def find(self, by: str, values: list[str]) -> list[str]:
        """Return the ids of the records whose field has one of these values, ignoring case."""
        wanted = {value.lower() for value in values}
        return [
            id_
            for id_, has in self.records.items()
            if str({"Id": id_, **has}.get(by, "")).lower() in wanted - {""}
        ]

    def check_known(self, fields: Mapping[str, Any]) -> None:
        """Refuse a request with an unknown field, or with a value of the wrong JSON type."""
        for name, value in fields.items():
            column = self.columns.get(name)
            if column is None:
                raise SalesforceError(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {self.object_name}", name
                )
            if value is not None and not _readable(column, value):
                raise SalesforceError("JSON_PARSER_ERROR", f"Cannot deserialize the value of {name}")

    def select(self, soql: str) -> list[dict[str, Any]]:
        """Run a query of the one supported form: `SELECT … FROM … WHERE field IN ('…', …)`."""
        query = _QUERY.fullmatch(soql)
        literals = _LITERAL.findall(query["values"]) if query else []
        if query is None or "".join(hit[0] for hit in _LITERAL.finditer(query["values"])) != query["values"]:
            raise SalesforceError("MALFORMED_QUERY", "unexpected token")
        fields = [name.strip() for name in query["fields"].split(",")]
        if query["object"] != self.object_name:
            raise SalesforceError("INVALID_TYPE", f"sObject type '{query['object']}' is not supported")
        self.check_known(dict.fromkeys([*fields, query["by"]]))
        values = [re.sub(r"\\(.)", lambda hit: _UNESCAPED.get(hit[1], hit[1]), text) for text in literals]
        return [self._row(id_, fields) for id_ in self.find(query["by"], values)]

    def describe_fields(self) -> list[dict[str, Any]]:
        """Return the fields in the form of a describe call."""
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

    def _row(self, id_: str, fields: list[str]) -> dict[str, Any]:
        values = {"Id": id_, **self.records[id_]}
        return {
            "attributes": {"type": self.object_name},
            **{name: _api_value(self.columns[name], values.get(name)) for name in fields},
        }

    def _write(self, id_: str, known: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self.check_known(fields)
        for name, value in fields.items():
            self._check(id_, name, self.columns[name], value)
        kept = {**known, **fields}
        self.records[id_] = {name: value for name, value in kept.items() if value not in {None, ""}}

    def _check(self, id_: str, name: str, column: SalesforceField, value: Any) -> None:
        if value is None and column.type == "Checkbox":
            raise SalesforceError(
                "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{name}: value not of required type", name
            )
        if column.type in _TEXTS and len(str(value or "").encode("utf-16-le")) > 2 * column.length:
            raise SalesforceError("STRING_TOO_LONG", f"{name}: data value too large", name)
        if column.type == "Email" and value and not _EMAIL.fullmatch(value):
            raise SalesforceError("INVALID_EMAIL_ADDRESS", f"{name}: invalid email address: {value}", name)
        if column.type == "Number" and value is not None and abs(value) >= 10**column.digits:
            raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", f"{name}: value outside of valid range", name)
        if column.unique and value and set(self.find(name, [value])) - {id_}:
            raise SalesforceError(
                "DUPLICATE_VALUE", f"duplicate value found: {name} duplicates value on record"
            )

    def _check_required(self, fields: Mapping[str, Any]) -> None:
        missing = [name for name, column in self.columns.items() if column.required and not fields.get(name)]
        if missing:
            raise SalesforceError(
                "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing
            )

    def _shares_an_address(self, fields: Mapping[str, Any]) -> bool:
        emails = [name for name, column in self.columns.items() if column.type == "Email"]
        return any(self.find(name, [str(fields.get(name) or "")]) for name in emails)


def _readable(column: SalesforceField, value: object) -> bool:
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


def _api_value(column: SalesforceField, value: object) -> object:
    if column.type == "Checkbox":
        return bool(value)
    if column.type == "DateTime" and isinstance(value, str):
        return value.removesuffix("Z") + "+0000"
    return value
