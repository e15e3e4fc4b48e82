"""The REST API paths of the fake Salesforce, over an org in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from fakes.salesforce_org import LARGEST_COLLECTION, SalesforceError, SalesforceOrg

_DATA: Final = "/services/data/v{version:float}"

SalesforceReply: TypeAlias = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class SalesforceRequest:
    """A request: its JSON, the parts of its path, its query, and whether duplicates are allowed."""

    body: Mapping[str, Any]
    path: Mapping[str, Any]
    query: Mapping[str, str]
    allow_duplicates: bool


@dataclass(slots=True)
class SalesforceApi:
    """The API of one org. A query returns pages of at most `page()` records."""

    org: SalesforceOrg
    page: Callable[[], int]
    _next_pages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def paths(self) -> Iterator[tuple[str, str, Callable[[SalesforceRequest], SalesforceReply]]]:
        """Yield each path with its method and its handler."""
        yield f"{_DATA}/composite/sobjects/{{object}}/{{field}}", "PATCH", self.upsert
        yield f"{_DATA}/composite/sobjects", "PATCH", self.update
        yield f"{_DATA}/composite/sobjects", "DELETE", self.delete
        yield f"{_DATA}/sobjects/{{object}}/describe", "GET", self.describe
        yield f"{_DATA}/query", "GET", self.query
        yield f"{_DATA}/query/{{locator}}", "GET", self.query_more

    def upsert(self, request: SalesforceRequest) -> SalesforceReply:
        """Create or change a collection of records by external id."""
        self._check_object(request)
        column = self.org.columns.get(request.path["field"])
        if column is None or not column.external_id:
            raise SalesforceError(
                "NOT_FOUND", "Provided external ID field does not exist or is not accessible", status=404
            )
        by = request.path["field"]
        records = self._records(request)
        values = [str(record.get(by)).lower() for record in records]

        def write(record: dict[str, Any]) -> tuple[str, bool]:
            if values.count(str(record.get(by)).lower()) > 1:
                raise SalesforceError("DUPLICATE_VALUE", "Duplicate external id specified", by)
            return self.org.upsert(by, record, allow_duplicates=request.allow_duplicates)

        return self._collect(request, records, write)

    def update(self, request: SalesforceRequest) -> SalesforceReply:
        """Change a collection of records by id."""
        records = self._records(request)
        ids = [record.get("id") for record in records]

        def write(record: dict[str, Any]) -> tuple[str, bool]:
            id_ = str(record.pop("id", None))
            if ids.count(id_) > 1:
                raise SalesforceError("DUPLICATE_VALUE", "duplicate id in the list", "Id")
            self.org.change(id_, record)
            return id_, False

        return self._collect(request, records, write)

    def delete(self, request: SalesforceRequest) -> SalesforceReply:
        """Delete a collection of records by id."""
        ids = [id_ for id_ in request.query.get("ids", "").split(",") if id_]
        if not ids:
            raise SalesforceError("MISSING_ARGUMENT", "ids are missing")
        if len(ids) > LARGEST_COLLECTION:
            raise SalesforceError("EXCEEDED_ID_LIMIT", "cannot submit more than 200 records in this call")
        results = []
        for id_ in ids:
            try:
                self.org.delete(id_)
            except SalesforceError as refused:
                results.append(refused.result())
            else:
                results.append({"id": id_, "success": True, "errors": []})
        return 200, results

    def _records(self, request: SalesforceRequest) -> list[dict[str, Any]]:
        """Return the records of a valid collection; refuse an invalid one as a whole."""
        records = request.body.get("records")
        if not isinstance(records, list) or not records:
            raise SalesforceError("JSON_PARSER_ERROR", "records are missing")
        if len(records) > LARGEST_COLLECTION:
            raise SalesforceError("EXCEEDED_ID_LIMIT", "cannot submit more than 200 records in this call")
        fields = []
        for record in records:
            if record.get("attributes") != {"type": self.org.object_name}:
                raise SalesforceError("INVALID_TYPE", "sObject type is missing or not supported")
            fields.append({name: value for name, value in record.items() if name != "attributes"})
            self.org.check_known({name: value for name, value in fields[-1].items() if name != "id"})
        return fields

    def _collect(
        self,
        request: SalesforceRequest,
        records: list[dict[str, Any]],
        write: Callable[[dict[str, Any]], tuple[str, bool]],
    ) -> SalesforceReply:
        before = {id_: dict(has) for id_, has in self.org.records.items()}
        results = []
        for record in records:
            try:
                id_, created = write(record)
            except SalesforceError as refused:
                results.append(refused.result())
            else:
                results.append({"id": id_, "success": True, "created": created, "errors": []})
        if request.body.get("allOrNone") is not False and not all(each["success"] for each in results):
            self.org.records = before
            rolled_back = SalesforceError("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back").result()
            results = [rolled_back if each["success"] else each for each in results]
        return 200, results

    def describe(self, request: SalesforceRequest) -> SalesforceReply:
        """Describe the object."""
        self._check_object(request)
        return 200, {"name": self.org.object_name, "fields": self.org.describe_fields()}

    def query(self, request: SalesforceRequest) -> SalesforceReply:
        """Run a query."""
        return self._page(self.org.select(request.query.get("q", "")))

    def query_more(self, request: SalesforceRequest) -> SalesforceReply:
        """Return the next page of a query."""
        return self._page(self._next_pages.pop(request.path["locator"], []))

    def _page(self, records: list[dict[str, Any]]) -> SalesforceReply:
        answer = {"totalSize": len(records), "done": True, "records": records[: self.page()]}
        if len(records) > self.page():
            locator = f"01g{secrets.token_hex(6)}-{self.page()}"
            self._next_pages[locator] = records[self.page() :]
            answer |= {"done": False, "nextRecordsUrl": f"/services/data/v65.0/query/{locator}"}
        return 200, answer

    def _check_object(self, request: SalesforceRequest) -> None:
        if request.path["object"] != self.org.object_name:
            raise SalesforceError("NOT_FOUND", "The requested resource does not exist", status=404)
