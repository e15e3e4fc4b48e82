"""A platform behind the fault server, with a switch for each point that the documentation leaves open."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qs

from tests.support.sdk_fault_server.server import Reply, Request, reply

KEY: Final = "k-0123456789"
MEMBER: Final = "42"
STRANGER: Final = "999"
TIER: Final = "6a538edc"


@dataclass(frozen=True)
class Readings:
    """One reading of the documentation. The number is that of the open point in our notes on it."""

    missing: Literal["404", "410", "400", "null", "object", "array", "named_null"] = "404"
    """43, 40: the reply to an unknown id."""
    bad_key: Literal["400", "401", "403", "message", "success_false"] = "400"
    """43: the reply to a bad key."""
    record: Literal["data", "member", "customer", "array", "data_in_data"] = "data"
    """39: where a record stands."""
    rows: Literal["data", "named", "other_name", "data_in_data", "two_arrays"] = "named"
    """39: where an array stands; `two_arrays` has another one before it."""
    cursor: Literal["data", "top", "nested", "other_name", "absent"] = "data"
    """36, 37, 38: where the cursor stands."""
    end: Literal["missing", "empty", "null", "repeated", "empty_page", "empty_object"] = "missing"
    """38: how a list ends."""
    first_cursor_required: bool = False
    """36: the first page needs an empty cursor."""
    cap: int = 100
    """38: the most rows of a page, whatever was requested."""
    write_status: int = 201
    """41, 51: the status of a write."""
    delete_status: int = 201
    """51: the status of a deletion."""
    note: Literal["note", "notes", "nested", "hidden"] = "note"
    """42: where the ledger shows a note."""
    shows_after: int = 0
    """41: how many readings of the ledger do not show a new entry."""
    code: Literal["data", "data_text", "plain_text", "json_text", "later"] = "data"
    """44: where the code of a redemption stands."""
    topics: Literal["documented", "alias"] = "documented"
    """7: which name of a topic with two names is accepted."""


@dataclass
class Platform:
    """Members, ledgers and subscriptions. `fault` decides what happens to a request, before it is applied or after."""

    readings: Readings = field(default_factory=Readings)
    key: str = KEY
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    ledgers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    hidden_for: dict[int, int] = field(default_factory=dict)
    applied: list[Request] = field(default_factory=list)
    reads: int = 0
    fault: Callable[[Platform, Request], Reply | None] = lambda _platform, _request: None

    def __post_init__(self) -> None:
        for customer, name in ((MEMBER, "Ann"), (STRANGER, "Stranger")):
            self.members.setdefault(customer, _record(customer, name))

    def __call__(self, request: Request) -> Reply:
        """Reply to a request."""
        if request.headers.get("x-inveterate-api-key") != self.key:
            return self._bad_key()
        return self.fault(self, request) or self.answer(request)

    def answer(self, request: Request) -> Reply:
        """Apply a request, and return the reply of this reading."""
        path = request.path.removeprefix("/v2.0/admin/").removeprefix("/v2.0/storefront/")
        parts = path.split("/")
        if path == "merchant":
            return reply({"merchantId": "m", "merchantName": "M"})
        if parts[0] == "webhook-subscriptions":
            return self._subscriptions(request)
        if parts[0] == "members" and len(parts) == 1:
            return self._create(request) if request.method == "POST" else self._list(request)
        customer = parts[1] if len(parts) > 1 else ""
        if parts[2:] == ["credits"]:
            return self._credits(request, customer)
        if request.method != "GET":
            return self._write(request)
        return self._member(customer)

    def credits_of(self, customer: str = MEMBER) -> int:
        """Return the sum of a member's grants."""
        return sum(int(entry["amount"]) for entry in self.ledgers.get(customer, ()) if entry["amount"] != 1)

    def add_old_entry(self, note: str) -> None:
        """Add an entry of an earlier grant to the ledger."""
        self.ledgers.setdefault(MEMBER, []).append({"amount": 1, "note": note})

    def missing(self) -> Reply:
        """Return the reply to an unknown id."""
        match self.readings.missing:
            case "404" | "410" | "400" as status:
                return Reply(int(status), b'{"message": "not found"}')
            case "null":
                return reply(None)
            case "object":
                return reply({})
            case "array":
                return reply([])
            case _:
                return reply({"member": None})

    def _bad_key(self) -> Reply:
        match self.readings.bad_key:
            case "400" | "401" | "403" as status:
                return Reply(int(status), b'{"message": "Bad Request"}')
            case "message":
                return Reply(200, b'{"message": "Unauthorized"}')
            case _:
                return Reply(200, b'{"data": {}, "success": false, "errors": ["Invalid API key"]}')

    def _member(self, customer: str) -> Reply:
        record = self.members.get(customer)
        if record is None:
            return self.missing()
        match self.readings.record:
            case "data":
                return reply(record)
            case "array":
                return reply([record])
            case "data_in_data":
                return reply({"data": record})
            case name:
                return reply({name: record})

    def _create(self, request: Request) -> Reply:
        body = request.json
        self.members[body["customerId"]] = _record(body["customerId"], "New") | {"tierId": body["segmentId"]}
        return self._write(request)

    def _write(self, request: Request) -> Reply:
        self.applied.append(request)
        if request.path.endswith("redemption"):
            return self._redemption()
        return reply({}, self.readings.write_status)

    def _redemption(self) -> Reply:
        match self.readings.code:
            case "data":
                return reply({"code": "REDEEM+123"}, 201)
            case "data_text":
                return reply("REDEEM+123", 201)
            case "plain_text":
                return Reply(201, b"REDEEM+123", {"Content-Type": "text/plain"})
            case "json_text":
                return Reply(201, b'"REDEEM+123"')
            case _:
                return reply({}, 201)

    def _credits(self, request: Request, customer: str) -> Reply:
        ledger = self.ledgers.setdefault(customer, [])
        if request.method == "POST":
            self.hidden_for[len(ledger)] = self.reads + self.readings.shows_after
            ledger.append({"amount": request.json["amount"], "note": request.json.get("note", "")})
            return self._write(request)
        if customer not in self.members:
            return self.missing()
        self.reads += 1
        shown = [
            self._shown(entry)
            for number, entry in enumerate(ledger)
            if self.hidden_for.get(number, 0) < self.reads
        ]
        return self._page(request, shown, "credits", "lastCreditEntry")

    def _shown(self, entry: dict[str, Any]) -> dict[str, Any]:
        bare = {name: value for name, value in entry.items() if name != "note"}
        match self.readings.note:
            case "hidden":
                return bare
            case "nested":
                return {**bare, "detail": {"text": entry["note"]}}
            case name:
                return {**bare, name: entry["note"]}

    def _list(self, request: Request) -> Reply:
        return self._page(request, list(self.members.values()), "members", "lastCustomerId")

    def _page(self, request: Request, rows: list[Any], name: str, cursor_name: str) -> Reply:
        query = {key: values[0] for key, values in parse_qs(request.query, keep_blank_values=True).items()}
        if self.readings.first_cursor_required and cursor_name not in query:
            return Reply(400, b'{"message": "Bad Request"}')
        size = min(int(query.get("limit", "100")), self.readings.cap)
        start = int(query.get(cursor_name) or "0")
        page, after = rows[start : start + size], start + size
        more = after < len(rows)
        if not page and start and self.readings.end == "empty_object":
            return reply({})
        return _placed(self.readings, page, name, cursor_name, self._cursor(after, start, more=more))

    def _cursor(self, after: int, start: int, *, more: bool) -> str | None:
        if more:
            return str(after)
        match self.readings.end:
            case "empty":
                return ""
            case "repeated":
                return str(start)
            case "empty_page" | "empty_object":
                return str(after)
            case _:
                return None

    def _subscriptions(self, request: Request) -> Reply:
        if request.method == "GET":
            return _placed(self.readings, self.subscriptions, "subscriptions", "cursor", None)
        if request.method == "DELETE":
            self.applied.append(request)
            status = self.readings.delete_status
            return Reply(204, b"") if status == 204 else reply({}, status)
        if request.method == "POST":
            wrong = {
                "documented": "customer.payment_method.changed",
                "alias": "customer.payment_methods.updated",
            }[self.readings.topics]
            if request.json["topic"] == wrong:
                return Reply(400, b'{"message": "topic must be one of the following values"}')
            self.subscriptions.append({**request.json, "id": str(len(self.subscriptions))})
        return self._write(request)


def _record(customer: str, name: str) -> dict[str, Any]:
    return {
        "customerId": customer,
        "firstName": name,
        "lastName": name,
        "notes": "",
        "phoneNumber": "",
        "birthday": "1988-04-01",
        "email": f"{name.lower()}@example.com",
        "status": "ACTIVE",
        "tierId": TIER,
        "credit": 5,
    }


def _placed(readings: Readings, rows: list[Any], name: str, cursor_name: str, cursor: str | None) -> Reply:
    """Return a page with rows and cursor where the reading has them."""
    data: Any = {name: rows}
    match readings.rows:
        case "other_name":
            data = {"records": rows}
        case "two_arrays":
            data = {"tags": ["x"], name: rows}
        case "data_in_data":
            data = {"data": rows}
        case "data":
            data = rows
    top: dict[str, Any] = {}
    if cursor is not None or readings.end == "null":
        match readings.cursor:
            case "data" if isinstance(data, dict):
                data[cursor_name] = cursor
            case "nested" if isinstance(data, dict):
                data["pagination"] = {cursor_name: cursor}
            case "other_name":
                top["nextPageToken"] = cursor
            case "absent":
                pass
            case _:
                top[cursor_name] = cursor
    return Reply(200, json.dumps({"message": "ok", "data": data, **top}).encode())


def with_reading(**switch: Any) -> Platform:
    """Return a platform with one reading changed."""
    return Platform(replace(Readings(), **switch))


SWITCHES: Final[list[dict[str, Any]]] = [
    {},
    *({"missing": value} for value in ("410", "400", "null", "object", "array", "named_null")),
    *({"bad_key": value} for value in ("401", "403", "message", "success_false")),
    *({"record": value} for value in ("member", "customer", "array", "data_in_data")),
    *({"rows": value} for value in ("data", "other_name", "data_in_data", "two_arrays")),
    *({"cursor": value} for value in ("top", "nested", "other_name", "absent")),
    *({"end": value} for value in ("empty", "null", "repeated", "empty_page", "empty_object")),
    {"first_cursor_required": True},
    {"cap": 1},
    {"write_status": 200},
    *({"delete_status": value} for value in (200, 204)),
    *({"note": value} for value in ("notes", "nested", "hidden")),
    {"shows_after": 2},
    *({"code": value} for value in ("data_text", "plain_text", "json_text", "later")),
    {"topics": "alias"},
]
"""Each reading alone; the first is the default of all."""
