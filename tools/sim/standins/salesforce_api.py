"""What Salesforce's REST API does for each of its paths, on an org in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sim.standins.salesforce_org import LARGEST_COLLECTION, Org, RefusedError

_DATA: Final = "/services/data/v{version:float}"

Answer: TypeAlias = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: its JSON, the parts of its path, its query, and whether duplicates are let through."""

    body: Mapping[str, Any]
    path: Mapping[str, Any]
    query: Mapping[str, str]
    allow_duplicates: bool


@dataclass(slots=True)
class Api:
    """The API of one org. A question's answer has `page` records at most, and the rest is asked for."""

    org: Org
    page: Callable[[], int]
    _further: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def paths(self) -> Iterator[tuple[str, str, Callable[[Asked], Answer]]]:
        """Yield each path, its method and what answers it."""
        yield f"{_DATA}/composite/sobjects/{{object}}/{{field}}", "PATCH", self.upsert
        yield f"{_DATA}/composite/sobjects", "PATCH", self.update
        yield f"{_DATA}/sobjects/{{object}}/describe", "GET", self.describe
        yield f"{_DATA}/query", "GET", self.query
        yield f"{_DATA}/query/{{further}}", "GET", self.query_on

    def upsert(self, asked: Asked) -> Answer:
        """Create or change a collection by its external id."""
        self._check_object(asked)
        column = self.org.columns.get(asked.path["field"])
        if column is None or not column.external_id:
            raise RefusedError(
                "NOT_FOUND", "Provided external ID field does not exist or is not accessible", status=404
            )
        by = asked.path["field"]
        records = self._records(asked)
        values = [str(record.get(by)).lower() for record in records]

        def write(record: dict[str, Any]) -> tuple[str, bool]:
            if values.count(str(record.get(by)).lower()) > 1:
                raise RefusedError("DUPLICATE_VALUE", "Duplicate external id specified", by)
            return self.org.upsert(by, record, allow_duplicates=asked.allow_duplicates)

        return self._collect(asked, records, write)

    def update(self, asked: Asked) -> Answer:
        """Change a collection by its ids."""
        records = self._records(asked)
        ids = [record.get("id") for record in records]

        def write(record: dict[str, Any]) -> tuple[str, bool]:
            id_ = str(record.pop("id", None))
            if ids.count(id_) > 1:
                raise RefusedError("DUPLICATE_VALUE", "duplicate id in the list", "Id")
            self.org.change(id_, record)
            return id_, False

        return self._collect(asked, records, write)

    def _records(self, asked: Asked) -> list[dict[str, Any]]:
        """Return the records of a collection; refuse it as a whole where it is none."""
        records = asked.body.get("records")
        if not isinstance(records, list) or not records:
            raise RefusedError("JSON_PARSER_ERROR", "records are missing")
        if len(records) > LARGEST_COLLECTION:
            raise RefusedError("EXCEEDED_ID_LIMIT", "cannot submit more than 200 records in this call")
        fields = []
        for record in records:
            if record.get("attributes") != {"type": self.org.object_name}:
                raise RefusedError("INVALID_TYPE", "sObject type is missing or not supported")
            fields.append({name: value for name, value in record.items() if name != "attributes"})
            self.org.check_known({name: value for name, value in fields[-1].items() if name != "id"})
        return fields

    def _collect(
        self, asked: Asked, records: list[dict[str, Any]], write: Callable[[dict[str, Any]], tuple[str, bool]]
    ) -> Answer:
        before = {id_: dict(has) for id_, has in self.org.records.items()}
        results = []
        for record in records:
            try:
                id_, created = write(record)
            except RefusedError as refused:
                results.append(refused.result())
            else:
                results.append({"id": id_, "success": True, "created": created, "errors": []})
        if asked.body.get("allOrNone") is not False and not all(each["success"] for each in results):
            self.org.records = before
            rolled_back = RefusedError("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back").result()
            results = [rolled_back if each["success"] else each for each in results]
        return 200, results

    def describe(self, asked: Asked) -> Answer:
        """Describe the object."""
        self._check_object(asked)
        return 200, {"name": self.org.object_name, "fields": self.org.described()}

    def query(self, asked: Asked) -> Answer:
        """Answer a question."""
        return self._told(self.org.select(asked.query.get("q", "")))

    def query_on(self, asked: Asked) -> Answer:
        """Go on with a long answer."""
        return self._told(self._further.pop(asked.path["further"], []))

    def _told(self, records: list[dict[str, Any]]) -> Answer:
        answer = {"totalSize": len(records), "done": True, "records": records[: self.page()]}
        if len(records) > self.page():
            further = f"01g{secrets.token_hex(6)}-{self.page()}"
            self._further[further] = records[self.page() :]
            answer |= {"done": False, "nextRecordsUrl": f"/services/data/v65.0/query/{further}"}
        return 200, answer

    def _check_object(self, asked: Asked) -> None:
        if asked.path["object"] != self.org.object_name:
            raise RefusedError("NOT_FOUND", "The requested resource does not exist", status=404)
